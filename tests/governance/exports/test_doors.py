"""The commands through which copies leave: held for the officer, audited, asked of the patient's consent."""

from __future__ import annotations

from pathlib import Path

import pytest
from deidentifying import written
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from coread.clinic import Clinic
from coread.domain.consent import Act, PatientIdentity, Said, Use
from coread.gateways.cli import app
from coread.governance.exports import State
from coread.settings import load

STUDY = "1.2.840.99999.77"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "coread.toml"
    path.write_text(f'[data]\nfolder = "{tmp_path / "kept"}"\n', encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path, ct: Dataset) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    ct.StudyInstanceUID = STUDY
    for number in (1, 2):
        ct.SOPInstanceUID = ct.file_meta.MediaStorageSOPInstanceUID = f"1.2.840.99999.77.{number}"
        (folder / f"{number}.dcm").write_bytes(written(ct))
    return folder


@pytest.fixture
def ct(request: pytest.FixtureRequest) -> Dataset:
    from deidentifying import read  # noqa: PLC0415

    from coread.testing import ct_slice  # noqa: PLC0415 - the folder above has a fixture of this name

    dataset = read(ct_slice())
    dataset.PatientName, dataset.PatientID = "Quillfeather^Marguerite", "MRN7788991"
    dataset.StudyDate = "20190607"
    return dataset


def run(*arguments: str, fails: bool = False) -> str:
    outcome = CliRunner().invoke(app, list(arguments))
    assert bool(outcome.exit_code) is fails, outcome.output
    return outcome.output


def opened(settings: Path) -> Clinic:
    return Clinic(load(settings, {}))


def say(settings: Path, act: Act, key: str) -> None:
    with opened(settings) as clinic:
        person = PatientIdentity("MRN7788991")
        clinic.consents.record(Said(person, Use.TEACHING, act, "person:test", "page", key))


def test_a_study_of_the_archive_waits_and_leaves_when_it_is_accepted(settings, source, tmp_path):
    run("import", str(source), "-s", str(settings))
    say(settings, Act.GIVEN, "yes")
    out = tmp_path / "out"
    making = ("export", "make", STUDY, "--for", "teaching", "--out", str(out), "-s", str(settings))
    told = run(*making)
    assert "/exports/" in told
    assert not out.exists()
    with opened(settings) as clinic:
        (job,) = clinic.exports.list()
        assert (job.state, job.objects, job.audited, job.audit) == (State.WAITING, 2, True, ())
        clinic.exports.accept(job.id, job.warnings, "person:officer")
    assert len([p for p in out.rglob("*") if p.is_file()]) == 2
    assert "released" in run("export", "list", "-s", str(settings))
    assert "2 objects" in run("export", "release", job.id, "-s", str(settings))


def test_who_withdraws_while_it_waits_is_not_in_what_leaves(settings, source, tmp_path):
    run("import", str(source), "-s", str(settings))
    say(settings, Act.GIVEN, "yes")
    run("export", "make", STUDY, "--for", "teaching", "--out", str(tmp_path / "out"), "-s", str(settings))
    say(settings, Act.WITHDRAWN, "no")
    assert "dropped" in run("export", "list", "-s", str(settings))
    assert not (tmp_path / "out").exists()


def test_without_consent_nothing_waits(settings, source, tmp_path):
    run("import", str(source), "-s", str(settings))
    told = run(
        "export", "make", STUDY, "--for", "learning", "--out", str(tmp_path / "o"), "-s", str(settings)
    )
    assert "dropped" in told


def test_the_command_for_folders_obeys_the_clinics_settings(settings, source, tmp_path):
    out = tmp_path / "out"
    told = run("deidentify", str(source), "--out", str(out), "-s", str(settings))
    assert "waiting" in told
    assert not out.exists()
    with settings.open("a", encoding="utf-8") as file:
        file.write("[exports]\nneeds_review = false\n")
    secrets = str(tmp_path / "secrets")
    told = run(
        "deidentify", str(source), "--out", str(out), "--secrets", secrets, "--audit", "-s", str(settings)
    )
    assert "0 leaks" in told
    assert len([p for p in out.rglob("*") if p.is_file()]) == 2


def test_a_study_whose_patient_said_no_leaves_through_no_door(settings, source, tmp_path):
    say(settings, Act.REFUSED, "no")
    told = run("deidentify", str(source), "--out", str(tmp_path / "out"), "-s", str(settings))
    assert "dropped" in told


def test_where_no_review_is_demanded_an_export_leaves_at_once(settings, source, tmp_path):
    with settings.open("a", encoding="utf-8") as file:
        file.write("[exports]\nneeds_review = false\naudit = false\n")
    run("import", str(source), "-s", str(settings))
    say(settings, Act.GIVEN, "yes")
    told = run(
        "export", "make", STUDY, "--for", "teaching", "--out", str(tmp_path / "out"), "-s", str(settings)
    )
    assert "released" in told
    assert len([p for p in (tmp_path / "out").rglob("*") if p.is_file()]) == 2
