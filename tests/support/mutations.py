"""Damage to bytes, as wires, disks and ill-meaning people do it: the mutator that the fuzz tests share."""

from __future__ import annotations

import random
import struct

_LENGTHS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFE, 0xFFF0, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_VRS = (b"SQ", b"UN", b"OB", b"OW", b"US", b"UL", b"PN", b"DS", b"IS", b"AT", b"FD", b"UI", b"??", b"\0\0")
_TAGS = (
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
    b"\xe0\x7f\x10\x00",
    b"\x02\x00\x10\x00",
)
_TEXTS = (
    b"../../../etc/passwd\0",
    b"1.2.840.10008.1.2.4.90",
    b"\x1b$B\x1b(J",
    b"\xff\xfe\xfd",
    b"NaN",
    b"-1",
    b"1e999",
)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return `data` with one to four damages, nearly all in its first 4 KiB, where the header lies."""
    buffer = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not buffer:
            break
        rng.choice(_DAMAGES)(buffer, _place(buffer, rng), rng)
    return bytes(buffer)


def _place(buffer: bytearray, rng: random.Random) -> int:
    reach = len(buffer) if rng.random() < 0.3 else min(len(buffer), 4096)
    return rng.randrange(reach)


def _flip(buffer, at, rng):
    buffer[at] ^= 1 << rng.randrange(8)


def _replace(buffer, at, rng):
    buffer[at : at + rng.randint(1, 8)] = rng.randbytes(rng.randint(1, 8))


def _cut(buffer, at, rng):
    del buffer[at:]


def _remove(buffer, at, rng):
    del buffer[at : at + rng.randint(1, 64)]


def _repeat(buffer, at, rng):
    piece = bytes(buffer[at : at + rng.randint(1, 256)])
    buffer[at:at] = piece * rng.randint(1, 20)


def _length(buffer, at, rng):
    value = rng.choice(_LENGTHS)
    layout = rng.choice(("<H", "<I", ">H", ">I"))
    packed = struct.pack(layout, value & (0xFFFF if layout[1] == "H" else 0xFFFFFFFF))
    buffer[at : at + len(packed)] = packed


def _vr(buffer, at, rng):
    """Change a VR where one stands: two capitals after a tag."""
    start = at
    while at + 6 < len(buffer) and not (65 <= buffer[at + 4] <= 90 and 65 <= buffer[at + 5] <= 90):
        at += 1
        if at - start > 512:
            return
    buffer[at + 4 : at + 6] = rng.choice(_VRS)


def _tag(buffer, at, rng):
    buffer[at : at + 4] = rng.choice(_TAGS)


def _text(buffer, at, rng):
    text = rng.choice(_TEXTS)
    buffer[at : at + len(text)] = text


def _nest(buffer, at, rng):
    opened = struct.pack("<HH2sHIHHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    buffer[at:at] = opened * rng.choice((1, 10, 100, 1000))


def _zeros(buffer, at, rng):
    size = rng.randint(1, 2000)
    buffer[at : at + size] = bytes(size)


_DAMAGES = (_flip, _flip, _replace, _cut, _remove, _repeat, _length, _length, _vr, _tag, _text, _nest, _zeros)
