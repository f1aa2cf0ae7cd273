"""Every parser that strangers reach, on damaged input: what cannot be read is refused, nothing else happens.

In the suite each gets a few dozen inputs. COREAD_FUZZ_S gives all of them together so many seconds
(``make fuzz``), from another seed each time; an input that breaks a parser is kept beside the tests' output.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from pathlib import Path

import pytest
from mutations import mutate
from strangers import Parser, parsers

SECONDS = float(os.environ.get("COREAD_FUZZ_S", "0"))
COUNT = 40
LIMIT_S = 20
PARSERS = {parser.name: parser for parser in parsers()}

#: Which lines of the table stand for which rooms' ways in; a new way in needs a line.
WAYS_IN = {
    "gateways/dimse": ("DIMSE command", "DICOM part 10", "DICOM data set"),
    "gateways/dicomweb": ("STOW multipart", "Accept header", "QIDO query"),
    "gateways/fhir": ("FHIR Consent", "addresses and queries of the site"),
    "gateways/identity": ("login and other forms", "cookies and tokens", "OIDC id_token"),
    "gateways/pages": ("JSON of the interface", "addresses and queries of the site"),
    "gateways/audit": ("ledger's signed head",),
    "intake": ("zip import", "DICOMDIR"),
    "dicom/annotations": ("SEG, SR and RTSTRUCT",),
    "readers": ("bundle card", "bundle signature", "ONNX network"),
    "routing": ("routing rules",),
    "settings": ("settings",),
    "ledger/outside": ("ledger export",),
    "learning/cohorts": ("pictures",),
}
#: Gateways that only call others, or only start what is here.
NO_WAY_IN = {"cli"}


class Hang(BaseException):
    """Raised by the clock; not an Exception, so that nothing may swallow it."""


def tried(parser: Parser, data: bytes) -> None:
    """Let a parser have its bytes; anything but an answer or a refusal fails, and leaves the bytes behind."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LIMIT_S)
    try:
        parser.parse(data)
    except parser.refusals:
        pass
    except (Exception, Hang):  # noqa: BLE001 - whatever it is, it is what this test looks for
        kept = Path(os.environ.get("TMPDIR", "/tmp")) / f"coread-fuzz-{parser.name.replace(' ', '-')}.bin"
        kept.write_bytes(data)
        pytest.fail(f"{parser.name} on {kept}:\n{traceback.format_exc()}")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_input_is_read_or_refused(name):
    parser = PARSERS[name]
    for seed in parser.seeds:
        tried(parser, seed)
    for number in range(COUNT):
        dice = random.Random(number)
        tried(parser, mutate(dice.choice(parser.seeds), dice))


@pytest.mark.skipif(not SECONDS, reason="the long run: make fuzz")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", PARSERS)
def test_damaged_input_for_long(name, record_property):
    parser, start = PARSERS[name], time.monotonic()
    end = start + SECONDS / len(PARSERS)
    seed, count = time.time_ns(), 0
    while time.monotonic() < end:
        dice = random.Random(seed + count)
        tried(parser, mutate(dice.choice(parser.seeds), dice))
        count += 1
    print(f"\n{name}: {count} inputs in {time.monotonic() - start:.0f} s, from seed {seed}")
    record_property("inputs", count)


def test_every_way_in_has_its_fuzzer():
    source = Path(__file__).resolve().parents[2] / "src" / "coread"
    assert {name for names in WAYS_IN.values() for name in names} == set(PARSERS)
    assert [room for room in WAYS_IN if not (source / room).exists()] == []
    gateways = {p.name for p in (source / "gateways").iterdir() if (p / "__init__.py").is_file()} - NO_WAY_IN
    assert {f"gateways/{name}" for name in gateways} <= set(WAYS_IN)
    tests = {p.name for p in Path(__file__).resolve().parents[1].rglob("test_*.py")}
    assert {parser.deeper for parser in PARSERS.values()} - tests <= {""}


def test_a_parser_that_breaks_is_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def parse(data: bytes) -> None:
        if b"\xff" in data:
            raise KeyError("oh")

    broken = Parser("broken", parse, (b"abc",), "nobody")
    with pytest.raises(pytest.fail.Exception, match="KeyError"):
        tried(broken, b"a\xff")
    assert (tmp_path / "coread-fuzz-broken.bin").read_bytes() == b"a\xff"
