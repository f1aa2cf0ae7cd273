"""The command line, run as a person runs it, on real files."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coread.gateways.cli import app

REAL = Path(str(importlib.util.find_spec("data_store").submodule_search_locations[0])) / "data"
CT = "693_UNCI.dcm"
CHEST_STUDY = "1.3.6.1.4.1.5962.1.2.9.20040826185059.5457"


LISTS = (("deliveries", "list"), ("quarantine", "list"), ("study", "list"), ("archive", "conflicts"))


def rows(statement: str) -> list[tuple[object, ...]]:
    """Ask the clinic's database behind its back."""
    with contextlib.closing(sqlite3.connect("coread-data/coread.sqlite", isolation_level=None)) as database:
        return database.execute(statement).fetchall()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty folder with default settings; an error of ours is raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def runner(*words: str, code: int = 0) -> str:
        outcome = CliRunner().invoke(app, list(words))
        if outcome.exception and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        assert outcome.exit_code == code, outcome.output
        return outcome.output

    return runner


@pytest.fixture
def chest(run, tmp_path):
    """A clinic that holds the real chest radiograph."""
    run("import", str(REAL / "RG1_J2KR.dcm"))
    return CHEST_STUDY


def test_a_folder_is_imported_once(run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(REAL / CT, folder)
    (folder / "notes.txt").write_text("no image")
    assert "stored" in run("import", str(folder))
    assert "duplicate" in run("import", str(folder))
    assert "│ events on record      │ 2" in run("status")


def test_a_zip_with_a_cut_object_files_the_good_part_and_tells_the_rest(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as packed:
        packed.write(REAL / CT, "good.dcm")
        packed.writestr("cut.dcm", (REAL / "RG3_J2KR.dcm").read_bytes()[:900])
    said = run("import", str(tmp_path / "in.zip"), code=1)
    assert "cut.dcm: quarantined" in said
    assert "1102" in run("quarantine", "list")


def test_quarantine_is_explained_retried_and_removed(run, tmp_path):
    (tmp_path / "cut.dcm").write_bytes((REAL / "RG3_J2KR.dcm").read_bytes()[:900])
    run("import", "cut.dcm", code=1)
    ((held,),) = rows("SELECT id FROM quarantine")
    assert "cut short" in run("quarantine", "show", held)
    with pytest.raises(Exception, match="1102"):
        run("quarantine", "retry", held)
    run("quarantine", "remove", held)
    assert held not in run("quarantine", "list")


def test_a_study_is_listed_and_its_way_explained(run, chest):
    assert chest in run("study", "list")
    said = run("route", "explain", chest)
    assert "Readers: chest-radiograph" in said
    assert "Modality is CR" in said
    assert "CompressedSamples" not in said


def test_a_study_is_told_complete_and_expected(run, chest):
    run("study", "expect", chest, "3")
    run("study", "complete", chest)
    row = (
        sqlite3.connect("coread-data/coread.sqlite")
        .execute("SELECT expected, is_told_complete FROM studies")
        .fetchone()
    )
    assert row == (3, 1)


def test_a_study_is_deleted_with_a_reason_on_record(run, chest):
    assert "1 objects deleted" in run("archive", "delete", chest, "--reason", "test patient")
    assert "test patient" in run("ledger", "list", "--kind", "study.deleted")
    assert chest not in run("study", "list")


def test_verify_sees_a_changed_byte(run, chest, tmp_path):
    assert "0 faults" in run("archive", "verify")
    (kept,) = (tmp_path / "coread-data" / "objects").rglob("*.dcm")
    data = bytearray(kept.read_bytes())
    data[5000] ^= 1
    kept.chmod(0o600)
    kept.write_bytes(data)
    assert "changed" in run("archive", "verify", code=1)


def test_a_conflict_is_listed_and_nothing_overwritten(run, tmp_path):
    run("import", str(REAL / "MR2_UNCI.dcm"))
    data = bytearray((REAL / "MR2_UNCI.dcm").read_bytes())
    data[-1] ^= 1
    (tmp_path / "other.dcm").write_bytes(data)
    assert "conflict" in run("import", "other.dcm", code=1)
    assert "1.3.6.1.4.1.5962.1.1.5.1.3.20040826185059.5457" in run("archive", "conflicts")
    assert "0 faults" in run("archive", "verify")


def test_the_ledger_is_listed_and_verified(run, chest):
    assert "instance.filed" in run("ledger", "list", "--study", chest)
    assert "1 events" in run("ledger", "verify")
    sqlite3.connect("coread-data/coread.sqlite", isolation_level=None).execute(
        "UPDATE events SET kind = 'other'"
    )
    assert "event 1: changed" in run("ledger", "verify", code=1)


def test_nothing_is_expired_by_default(run, chest):
    assert "0 studies deleted" in run("archive", "expire")


def test_rules_are_checked_with_all_their_faults(run, tmp_path):
    (tmp_path / "rules.toml").write_text('[[rule]]\nname = "a"\nowner = "me"\nreaders = ["nobody"]\n')
    with pytest.raises(Exception, match=r"1501.*nobody"):
        run("route", "check", "rules.toml")


def test_settings_are_printed_with_their_meaning(run):
    said = run("settings")
    assert "dimse.port" in said
    assert "TCP port to listen on" in said


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_lists_are_empty_in_an_empty_clinic(run, words):
    assert "│" not in run(*words)


def test_echo_wants_a_destination_of_the_settings(run):
    assert "no DICOM destination" in run("echo", "nobody", code=2)


def test_readers_are_listed(run):
    assert "chest-radiograph" in run("readers")


def test_reading_of_an_unread_study_is_empty(run, chest):
    assert "findings" not in run("reading", chest)


def test_an_error_is_told_whole_and_sets_the_exit_code(tmp_path):
    outcome = subprocess.run(
        [sys.executable, "-c", "from coread.gateways.cli import main; main()", "settings"],
        cwd=tmp_path,
        env={"COREAD_DIMSE__PORT": "many", "COREAD_NONSENSE": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 78
    said = " ".join(outcome.stderr.split())
    assert "dimse.port: found 'many'" in said
    assert "nonsense: found an unknown name" in said


def test_the_version_is_printed(run):
    assert run("--version").startswith("coread 0.")
