"""Strangers' codestreams are decoded in a process of their own: it may fall or swell, the clinic goes on."""

from __future__ import annotations

import io
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.pixels.decoders.base import get_decoder
from real_files import real_file, with_identifiers

from coread.apart.processes import Pool
from coread.dicom import open_object, write_object
from coread.dicom.frames import apart, decoder_child, isolated
from coread.errors import BrokenPixelData
from coread.testing import chest_pixels, dicom_from_pixels

J2K, JPEG = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"
SIDE = 512
MARKED = b"fall here"

#: The child of every day, but for marked frames, on which its decoder does what one with a hole does.
FALLING = """
import os, runpy, sys
sys.path.insert(0, {folder!r})
import decoder_child as child
sound = child._by_openjpeg
child._by_openjpeg = lambda data: os.kill(os.getpid(), {signal}) if {marked!r} in data else sound(data)
child.shut_in()
child.serve(sys.stdin.buffer, sys.stdout.buffer, child.limits_above(child.mapped_bytes()))
"""


def unlimited(_shape, _length):
    """Limit nothing: the test's own process decodes."""


@pytest.fixture(scope="module")
def film():
    return dicom_from_pixels(chest_pixels(size_px=SIDE), transfer_syntax_uid=J2K)


@pytest.fixture
def fresh(monkeypatch):
    """Children of this test's own."""
    pool = Pool(1, isolated.Child)
    monkeypatch.setattr(isolated, "_POOL", pool)
    yield pool
    pool.stop()


def swollen(codestream: bytes, components: int, tile: int) -> bytes:
    """Let the SIZ marker (ISO 15444-1 A.5.1) claim other components and tiles, of the same picture's size."""
    start = codestream.index(b"\xff\x4f\xff\x51") + 4
    (length,) = struct.unpack_from(">H", codestream, start)
    head = bytearray(codestream[start : start + 38])
    struct.pack_into(">H", head, 0, 38 + 3 * components)
    struct.pack_into(">II", head, 20, tile, tile)
    struct.pack_into(">H", head, 36, components)
    return codestream[:start] + bytes(head) + bytes((15, 1, 1)) * components + codestream[start + length :]


def encapsulating(film: bytes, codestream: bytes) -> bytes:
    old, _ = open_object(film).frame_bytes()
    even = codestream + b"\0" * (len(codestream) % 2)
    padded = old + b"\0" * (len(old) % 2)
    start = film.index(padded)
    return film[: start - 4] + struct.pack("<I", len(even)) + even + film[start + len(padded) :]


#: Opens a frame in a small process of its own: a child's greatest size begins with that of its parent.
OPENING = """
import resource, sys, time
from pathlib import Path
from coread.dicom import open_object
from coread.dicom.frames import isolated
from coread.errors import BrokenPixelData
bomb = open_object(Path(sys.argv[1]).read_bytes())
started = time.monotonic()
try:
    bomb.stored()
except BrokenPixelData:
    print(time.monotonic() - started)
isolated._POOL.stop()  # what ended children held is known once they have been waited for
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize(("components", "tile"), [(16384, SIDE), (16384, 4), (1, 2), (200, 4)])
def test_a_codestream_that_wants_all_memory_is_broken(film, components, tile, tmp_path):
    """Without limits the first of these takes 8 GB and most of a minute, from 70 kB."""
    codestream, _ = open_object(film).frame_bytes()
    path = tmp_path / "bomb.dcm"
    path.write_bytes(encapsulating(film, swollen(codestream, components, tile)))
    told = subprocess.run([sys.executable, "-c", OPENING, path], capture_output=True, text=True, check=True)
    seconds, held_kib = map(float, told.stdout.split())
    assert seconds < isolated.TIMEOUT_S
    assert held_kib < 1 << 20


@pytest.mark.parametrize("signal", [11, 6, 9])
def test_a_frame_that_kills_its_decoder_is_broken_and_the_next_is_shown(
    film, fresh, signal, monkeypatch, tmp_path
):
    script = tmp_path / "falling.py"
    folder = str(Path(decoder_child.__file__).parent)
    script.write_text(FALLING.format(folder=folder, signal=signal, marked=MARKED))
    monkeypatch.setattr(isolated, "_SCRIPT", script)
    sound = open_object(film)
    expected = sound.stored()
    codestream, _ = sound.frame_bytes()
    with pytest.raises(BrokenPixelData):
        open_object(encapsulating(film, codestream + MARKED)).stored()
    np.testing.assert_array_equal(sound.stored(), expected)


def test_a_child_that_was_ended_meanwhile_is_no_fault_of_the_next_frame(film, fresh):
    found = open_object(film)
    expected = found.stored()
    child = fresh.children[0]
    assert child.process is not None
    # Its end is not known of yet when the next frame is sent: as when the system takes memory back.
    child.process.kill()
    child.process.poll = lambda: None
    np.testing.assert_array_equal(found.stored(), expected)


def test_a_child_that_stops_reading_is_given_up(film, fresh, monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT_S", 0.3)
    child = isolated.Child()
    child.process = subprocess.Popen(
        ["sleep", "30"], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    os.set_blocking(child.process.stdin.fileno(), False)
    assert child.ask(isolated.Task(J2K, 8, 8, 1, 8, 8), bytes(1 << 22)) == b""
    assert child.process is None


def test_the_child_sees_no_secret_writes_no_file_and_has_limits(film, fresh, monkeypatch):
    monkeypatch.setenv("COREAD_TEST_SECRET", "of the clinic")
    open_object(film).stored()
    process = fresh.children[0].process
    assert process is not None
    seen = Path(f"/proc/{process.pid}")
    if not seen.is_dir():
        pytest.skip("the system has no /proc")
    assert b"COREAD_TEST_SECRET" not in (seen / "environ").read_bytes()
    limits = (seen / "limits").read_text()
    soft = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
    assert (soft["Max file size"], soft["Max core file size"]) == ("0", "0")
    assert int(soft["Max address space"]) < 1 << 30
    assert int(soft["Max cpu time"]) < 60


def test_a_limit_grows_with_the_frame_and_is_lifted_for_the_next(monkeypatch):
    set_to = []
    monkeypatch.setattr(resource, "setrlimit", lambda kind, both: set_to.append((kind, both[0])))
    limit = decoder_child.limits_above(1 << 20)
    limit([4096, 4096, 3, 8, 8], 1000)
    limit([64, 64, 1, 8, 8], 1000)
    large, small = (most for kind, most in set_to if kind == resource.RLIMIT_AS)
    assert large - small == (4096 * 4096 * 3 - 64 * 64) * 24


@pytest.mark.parametrize(("side", "kind"), [(2500, "u1"), (4096, "u2")])
def test_a_large_sound_film_is_within_the_limits(fresh, side, kind):
    pixels = np.add.outer(np.arange(side), np.arange(side)).astype(kind)
    stored = open_object(dicom_from_pixels(pixels, transfer_syntax_uid=J2K)).stored()
    np.testing.assert_array_equal(stored, pixels)


@pytest.mark.parametrize(
    "name", ["SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm"]
)
def test_jpeg_comes_as_from_pydicoms_own_plugin(name):
    found = open_object(with_identifiers(real_file(name)))
    mine = found.stored()
    facts = found._facts
    encoded, syntax = found.frame_bytes()
    answers = io.BytesIO()
    head = (facts.rows, facts.columns, facts.samples_per_pixel, 8, 8)
    tasks = decoder_child.TASK.pack(syntax.encode(), *head, len(encoded)) + encoded
    decoder_child.serve(io.BytesIO(tasks), answers, unlimited)
    assert len(answers.getvalue()) == 4 + mine.size


def test_noise_is_no_frame_in_any_syntax():
    for syntax in sorted(apart.TRANSFER_SYNTAXES):
        answers = io.BytesIO()
        tasks = decoder_child.TASK.pack(syntax.encode(), 8, 8, 1, 8, 8, 5) + b"noise"
        decoder_child.serve(io.BytesIO(tasks), answers, unlimited)
        assert answers.getvalue() == decoder_child.ANSWER.pack(0)


def test_the_clinics_process_loads_no_decoder_of_its_own_for_them(film):
    """The plugins that would decode here are never called: only this room's stands for those syntaxes."""
    for syntax in sorted(apart.TRANSFER_SYNTAXES):
        assert apart.NAME in get_decoder(syntax).available_plugins
    program = (
        "import sys; from coread.dicom import open_object; import _openjpeg;"
        "_openjpeg.decode = None; print(open_object(sys.stdin.buffer.read()).stored().shape)"
    )
    said = subprocess.run([sys.executable, "-c", program], input=film, check=True, capture_output=True)
    assert said.stdout.strip() == b"(512, 512)"


def test_a_signed_film_keeps_its_sign():
    values = np.arange(-3000, 1096, dtype="i2").reshape(64, 64)
    facts = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": "1.2.3.1",
        "StudyInstanceUID": "1.2.3.2",
        "SeriesInstanceUID": "1.2.3.3",
    }
    stored = open_object(write_object(facts, values, transfer_syntax_uid=J2K)).stored()
    np.testing.assert_array_equal(stored, values)
