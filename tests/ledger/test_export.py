"""Exports, checked by a program that knows nothing of CoRead: run alone, on Python and openssl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recording import Recorder, event

from coread.errors import NotFound
from coread.ledger import Exporter, verify_export
from coread.ledger.outside.verify import main


@pytest.fixture
def exporter(recorder: Recorder) -> Exporter:
    recorder.record(5)
    recorder.notary.sign()
    recorder.ledger.append_many([event(9, subject="1.2.840.2", key="k"), event(10, facts={})])
    return Exporter(recorder.ledger, recorder.notary)


def run(out: Path, *arguments: str | Path, isolated: bool = True, **environ: str) -> tuple[int, str]:
    """Run the export's own program, without the site's packages if isolated."""
    command = [sys.executable, *(["-I", "-S"] if isolated else []), str(out / "verify.py"), str(out)]
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False, cwd="/",
        env={"PATH": os.environ["PATH"]} | environ,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_an_outsider_checks_a_whole_export(exporter: Exporter, recorder: Recorder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert exporter.write(out) == 8
    assert sorted(path.name for path in out.iterdir()) == [
        "README.txt", "events.jsonl", "heads.txt", "keys.jsonl", "verify.py",
    ]  # fmt: skip
    key = recorder.notary.known_keys()[0].id
    code, said = run(out, "--key", key, isolated=False)
    assert (code, said) == (
        0, f"8 events, root {recorder.ledger.root().hex()}, signed up to 8, 0 faults\n",
    )  # fmt: skip
    code, said = run(out, isolated=False)
    assert code == 0
    assert f"remark: key {key}: compare" in said
    code, said = run(out, "--key", "0" * 64, isolated=False)
    assert code == 1
    assert "pinned, but not in the export" in said


def test_without_any_package_openssl_checks_the_signatures(exporter: Exporter, tmp_path: Path, tool) -> None:
    tool("openssl")
    out = tmp_path / "out"
    exporter.write(out)
    assert run(out)[0] == 0
    heads = (out / "heads.txt").read_text(encoding="utf-8")
    (out / "heads.txt").write_text(heads.replace("2026-03-01", "2026-03-02"), encoding="utf-8")
    code, said = run(out)
    assert code == 1
    assert "its signature does not hold" in said


def test_some_events_are_exported_with_their_proofs(
    exporter: Exporter, recorder: Recorder, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert exporter.write_some(out, [2, 7, 8]) == 3
    assert not (out / "events.jsonl").exists()
    assert run(out, isolated=False)[0] == 0
    assert main([str(out)]) == 0
    lines = (out / "proofs.jsonl").read_bytes().splitlines(keepends=True)
    others = tmp_path / "others"
    exporter.write_some(others, [1])
    for changed in (
        [lines[0].replace(b"accepted", b"rejected")],
        [lines[0].replace(b'"size":"8"', b'"size":"7"')],
        [lines[0].replace(b'"sequence":"2"', b'"sequence":"3"')],
        [json.dumps(json.loads(lines[0]) | {"path": []}, sort_keys=True, separators=(",", ":")).encode()],
        [b"{}\n"],
    ):
        (out / "proofs.jsonl").write_bytes(b"".join(changed))
        assert verify_export(out).faults, changed
    with pytest.raises(NotFound):
        exporter.write_some(tmp_path / "none", [99])


def test_an_export_can_keep_silent_on_whom_it_is_about(
    exporter: Exporter, recorder: Recorder, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    exporter.write(out, with_private=False)
    text = (out / "events.jsonl").read_text(encoding="utf-8")
    assert "1.2.840" not in text
    assert "1.2.3." not in text
    assert "accepted" in text
    report = verify_export(out)
    assert report.faults == []
    assert any("no private part" in remark for remark in report.remarks)
    exporter.write_some(tmp_path / "some", [3], with_private=False)
    assert verify_export(tmp_path / "some").faults == []
    assert "1.2.840" not in (tmp_path / "some" / "proofs.jsonl").read_text(encoding="utf-8")


def test_an_export_of_an_older_ledger_is_found_by_what_a_witness_keeps(
    exporter: Exporter, recorder: Recorder, tmp_path: Path
) -> None:
    out = tmp_path / "old"
    exporter.write(out)
    recorder.record(2)
    later = recorder.notary.sign()
    assert later is not None
    heads = tmp_path / "witness.txt"
    heads.write_text(later.note, encoding="utf-8")
    code, said = run(out, "--witnessed", heads, isolated=False)
    assert code == 1
    assert "a witness has seen 10: rolled back" in said
    exporter.write(tmp_path / "new")
    assert run(tmp_path / "new", "--witnessed", heads, isolated=False)[0] == 0


def test_a_new_key_is_accepted_by_the_old_one_s_word(
    exporter: Exporter, recorder: Recorder, tmp_path: Path
) -> None:
    first = recorder.notary.known_keys()[0].id
    recorder.notary.rotate()
    recorder.record(1)
    exporter.write(tmp_path / "rotated")
    assert verify_export(tmp_path / "rotated", [first]).faults == []
    (recorder.folder / "ledger.key").unlink()  # lost: nobody vouches for the next one
    recorder.record(1)
    exporter.write(tmp_path / "lost")
    last = recorder.notary.known_keys()[-1].id
    assert [fault.split(":")[0] for fault in verify_export(tmp_path / "lost", [first]).faults] == [
        f"key {last}"
    ]
    assert verify_export(tmp_path / "lost", [first, last]).faults == []


def test_a_zip_is_read_as_it_is(exporter: Exporter, tmp_path: Path) -> None:
    exporter.write(tmp_path / "out")
    packed = shutil.make_archive(str(tmp_path / "out"), "zip", tmp_path / "out")
    assert verify_export(Path(packed)).faults == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense"])
def test_what_is_no_export_is_a_fault(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    assert verify_export(file).faults
    assert verify_export(tmp_path / "not there").faults
    (tmp_path / "empty").mkdir()
    assert verify_export(tmp_path / "empty").faults == ["export: holds neither events nor proofs"]
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("heads.txt", b"\xff")
    assert verify_export(file).faults


def test_what_was_forgotten_is_on_record_in_an_export(
    exporter: Exporter, recorder: Recorder, tmp_path: Path
) -> None:
    recorder.ledger.forget(["1.2.840.2"], "person:p-2", datetime(2026, 5, 1, tzinfo=UTC), "GDPR Art. 17")
    out = tmp_path / "out"
    exporter.write(out)
    assert verify_export(out).faults == []
    assert "1.2.840.2" not in (out / "events.jsonl").read_text(encoding="utf-8")
    lines = (out / "events.jsonl").read_text(encoding="utf-8").splitlines()
    line = json.loads(lines[0])
    lines[0] = json.dumps(line | {"private": None, "salt": ""}, sort_keys=True, separators=(",", ":"))
    (out / "events.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert verify_export(out).faults == ["event 1: its private part is gone, and no event says so"]
