"""No bytes whatever may crash, hang or fill the memory: a mutator over real files, and Hypothesis.

COREAD_FUZZ sets how many mutated inputs the seeded loop runs (10,000 in the long run).
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutate
from real_files import REAL_FILES

from coread.dicom import (
    check_structure,
    data_set_offset,
    open_object,
    read_meta,
    referenced_files,
    scan_header,
)
from coread.errors import CoReadError
from coread.testing import BROKEN, broken, chest_pixels, chest_radiograph, dicom_from_pixels, text_report

COUNT = int(os.environ.get("COREAD_FUZZ", "300"))
BATCHES = 10
LIMIT_S = 60  # four decodings at the decoder's own limit
MOST_MEMORY_KIB = 400 << 10

SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99",
            "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"]  # fmt: skip
SEEDS = [path.read_bytes() for path in REAL_FILES if path.stat().st_size < 200_000]
SEEDS += [chest_radiograph(transfer_syntax_uid=syntax) for syntax in SYNTAXES]
SEEDS += [
    dicom_from_pixels((chest_pixels() >> 4).astype(np.uint8), transfer_syntax_uid="1.2.840.10008.1.2.4.50")
]
SEEDS += [text_report(), *map(broken, BROKEN)]


class Hang(BaseException):
    """Raised by the clock; not an Exception, so that nothing may swallow it."""


@contextmanager
def clock(seconds: int):
    """Raise `Hang` if the block takes longer."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def use(data: bytes) -> str:
    """Do with `data` whatever the clinic does with an object; return what came of it."""
    try:
        scan_header(data[:65536], total_bytes=len(data))
        found = open_object(data)
        found.json("http://x")
        found.header_json()
        found.plane()
        if found.has_pixels:
            found.display()
            found.rendered(window=(40, 400))
            found.frame_bytes()
            found.frame_uncompressed()
    except CoReadError as error:
        return str(error)
    return "read"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_mutated_real_files_are_read_or_refused(batch):
    outcomes = set()
    held = memory_kib("VmRSS")
    # The peak is that of this batch alone, whatever ran in this process before (Linux, proc(5)).
    Path("/proc/self/clear_refs").write_text("5")
    for number in range(batch, COUNT, BATCHES):
        rng = random.Random(number)
        data = mutate(rng.choice(SEEDS), rng)
        started = time.monotonic()
        with clock(LIMIT_S):
            outcomes.add(use(data))
        assert time.monotonic() - started < LIMIT_S, number
    assert outcomes
    assert memory_kib("VmHWM") - held < 4 * MOST_MEMORY_KIB


def memory_kib(kind: str) -> int:
    """Return what the process holds (VmRSS), or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind))


def test_the_mutator_damages():
    rng = random.Random(0)
    damaged = [mutate(seed, rng) != seed for seed in SEEDS if seed]
    assert sum(damaged) > 0.9 * len(damaged)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.binary(max_size=2000), st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\0\x05\0CS\0\0"]))
def test_any_bytes_are_read_or_refused(noise, start):
    for parse in (scan_header, read_meta, data_set_offset, check_structure, open_object, referenced_files):
        with clock(LIMIT_S), suppress(CoReadError):
            parse(start + noise)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_prefix_gives_the_header_or_a_clear_error(data):
    whole = chest_radiograph(transfer_syntax_uid=data.draw(st.sampled_from(SYNTAXES)))
    end = data.draw(st.integers(0, len(whole)))
    try:
        found = scan_header(whole[:end])
    except CoReadError:
        return
    expected = scan_header(whole)
    assert found.ref == expected.ref
    assert found.facts.items() <= expected.facts.items()


def test_the_clock_can_ring():
    with pytest.raises(Hang), clock(1):
        time.sleep(3)
