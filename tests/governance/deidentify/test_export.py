"""A folder goes out whole: new names, directory, report; an auditor who knows nothing finds nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pydicom
import pytest
from deidentifying import KEY, read, written
from pydicom.fileset import FileSet
from typer.testing import CliRunner

from coread.clinic import Clinic
from coread.domain.person import Role
from coread.errors import ContainerRefused
from coread.gateways.cli import app
from coread.governance.deidentify import Deidentifier, Pseudonyms, load_profile
from coread.governance.deidentify.export import deidentify_folder
from coread.governance.deidentify.report import ReviewPage
from coread.settings import Settings
from coread.testing import text_report
from coread.testing.leaks import find_leaks, main


@pytest.fixture
def folder(tmp_path, ct):
    """Two slices and a report of one person, under names that tell."""
    source = tmp_path / "Quillfeather"
    source.mkdir()
    for number in (1, 2):
        ct.SOPInstanceUID = ct.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        ct.StudyDescription = "CT thorax Quillfeather 07.06.2019"
        (source / f"Marguerite {number}.dcm").write_bytes(written(ct))
    report = read(text_report())
    report.PatientName, report.PatientID = ct.PatientName, ct.PatientID
    (source / "report").write_bytes(written(report))
    (source / "notes.txt").write_text("not DICOM")
    return source


def approved(folder, subject):
    """Have one person ask to see who stands behind a pseudonym, and another grant it."""
    at = datetime.now(UTC)
    with Clinic(Settings.model_validate({"data": {"folder": str(folder)}})) as clinic:
        asker, second = (
            clinic.people.add(n, n, [Role.QUALITY], by="person:test", at=at) for n in ("ann", "bob")
        )
        asked = clinic.approvals.ask("reidentify", subject, "the patient must be told", asker, at)
        return clinic.approvals.decide(asked.id, True, second, at).id


def deidentifier(name="tcia"):
    return Deidentifier(load_profile(name), Pseudonyms(KEY, "export"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_goes_out(folder, tmp_path, jobs):
    told = []
    outcomes = list(
        deidentify_folder(folder, tmp_path / "out", deidentifier(), lambda *n: told.append(n), jobs)
    )
    assert told[-1] == (4, 4)
    written_files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert len(written_files) == 3
    assert all(len(part) == 8 for p in written_files for part in p.relative_to(tmp_path / "out").parts)
    assert [o.reason for o in outcomes if o.target is None] == [
        "cannot be read whole: This is not a DICOM object. [1101]"
    ]
    before = {p: p.read_bytes() for p in written_files}
    list(deidentify_folder(folder, tmp_path / "out", deidentifier()))
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before


def test_the_auditor_finds_nothing_in_the_output_and_much_in_the_input(folder, tmp_path, capsys):
    list(deidentify_folder(folder, tmp_path / "out", deidentifier()))
    assert [leak for _, leaks in find_leaks(folder, tmp_path / "out") for leak in leaks] == []
    assert main([str(folder), str(tmp_path / "out")]) == 0
    assert main([str(folder), str(folder)]) == 1
    kinds = {leak.kind for _, leaks in find_leaks(folder, folder) for leak in leaks}
    assert kinds == {"name", "number", "date", "uid"}
    assert "leaks" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
def test_the_auditor_sees_what_was_smuggled(folder, tmp_path, encoding):
    outcomes = list(deidentify_folder(folder, tmp_path / "out", deidentifier()))
    target = tmp_path / "out" / next(o.target for o in outcomes if o.target)
    dataset = read(target.read_bytes())
    dataset.private_block(0x0011, "X", create=True).add_new(1, "OB", "\0王小东\0\0".encode(encoding))
    target.write_bytes(written(dataset))
    leaks = [leak for _, found in find_leaks(folder, tmp_path / "out") for leak in found]
    assert {(leak.where, leak.value) for leak in leaks} == {("bytes", "王小东")}


def test_the_auditor_reads_pixels_when_asked(folder, tmp_path):
    list(deidentify_folder(folder, tmp_path / "out", deidentifier()))
    reads = lambda _: ["Name: QUILLFEATHER M"]  # noqa: E731
    leaks = [leak for _, found in find_leaks(folder, tmp_path / "out", reads) for leak in found]
    assert {leak.where for leak in leaks} == {"pixels of frame 1"}


def test_a_directory_leads_to_what_went_out(folder, tmp_path, pseudonyms):
    media = FileSet()
    for path in folder.glob("*.dcm"):
        media.add(path)
    media.write(tmp_path / "media")
    list(deidentify_folder(tmp_path / "media", tmp_path / "out", deidentifier()))
    data = (tmp_path / "out" / "DICOMDIR").read_bytes()
    assert b"uillfeather" not in data
    out = FileSet(tmp_path / "out" / "DICOMDIR")
    assert len(out) == 2
    for instance in out:
        assert pydicom.dcmread(instance.path).SOPInstanceUID == instance.SOPInstanceUID
        assert instance.PatientID.startswith("P")
    for files in (media, out):
        files._stage["t"].cleanup()  # pydicom leaves it to the garbage collector, which warns


def test_folders_within_each_other_are_refused(folder):
    for out in (folder, folder / "out", folder.parent):
        with pytest.raises(ContainerRefused):
            list(deidentify_folder(folder, out, deidentifier()))


def test_the_reviewers_page_shows_what_was_changed_and_what_was_left(folder, tmp_path):
    page = ReviewPage(load_profile("tcia"), "export")
    for outcome in deidentify_folder(folder, tmp_path / "out", deidentifier()):
        page.add(outcome)
    text = page.write(tmp_path / "review").read_text(encoding="utf-8")
    for words in ("Quillfeather", "What was left", "CT thorax", "notes.txt", "stays in the hospital"):
        assert words in text
    facts = json.loads((tmp_path / "review" / "review.json").read_text(encoding="utf-8"))
    assert facts["objects_written"] == 3
    assert "Quillfeather" not in json.dumps(page.summary.facts(), ensure_ascii=False)


def test_the_command_line_from_folder_to_name(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COREAD_DATA__FOLDER", str(tmp_path / "kept"))
    run = CliRunner().invoke
    secrets, shares, out = (str(tmp_path / name) for name in ("secrets", "shares", "out"))
    made = run(app, ["vault", "create", "--custodian", "ann", "--custodian", "bob", "--shares", shares,
                     "--secrets", secrets], input="correct horse battery\nstaple of iron gate\n")  # fmt: skip
    assert made.exit_code == 0, made.output
    gone = run(app, ["deidentify", str(folder), "--out", out, "--secrets", secrets, "--domain", "study-7"])
    assert gone.exit_code == 1, gone.output  # one file was no DICOM
    assert "1 new pseudonyms" in gone.output
    assert (tmp_path / "out.review" / "review.html").is_file()
    record = json.loads((tmp_path / "out.deidentification.json").read_text(encoding="utf-8"))
    assert record["profile"] == "tcia"
    assert run(app, ["leaks", str(folder), out]).output.strip().endswith("0 leaks")
    pseudonym = read(next(p for p in (tmp_path / "out").rglob("*") if p.is_file()).read_bytes()).PatientID
    both = [
        "--share",
        f"{shares}/ann.share.json",
        "--share",
        f"{shares}/bob.share.json",
        "--secrets",
        secrets,
    ]
    why = ["--reason", "the patient must be told", "--lawful-basis", "GDPR 6(1)(d)"]
    asked = ["vault", "reidentify", "study-7", pseudonym, *why, *both]
    words = "correct horse battery\nstaple of iron gate\n"
    assert "MRN7788991" not in run(app, asked, input=words).output  # two shares, and nobody approved
    approval = approved(tmp_path / "kept", f"study-7/{pseudonym}")
    found = run(app, [*asked, "--approval", approval], input=words)
    assert found.exit_code == 0, found.output
    assert "MRN7788991" in found.output
