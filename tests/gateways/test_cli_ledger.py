"""The ledger's commands: sign, verify, export, prove, forget, rotate, and the forms of standards."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recording import event
from typer.testing import CliRunner, Result

from coread.clinic import Clinic
from coread.errors import AccountConflict, CoReadError, DecisionRefused, NotFound
from coread.gateways.cli import app
from coread.ledger import read_note
from coread.settings import load

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with settings, a witness's file and a few events."""
    (tmp_path / "coread.toml").write_text(
        f'[data]\nfolder = "kept"\n[ledger]\norigin = "test-log"\nwitness_file = "{tmp_path}/heads.txt"\n'
        'jurisdictions = ["JP"]\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COREAD_SETTINGS", raising=False)
    with Clinic(load(tmp_path / "coread.toml", {})) as clinic:
        clinic.ledger.append_many([event(number) for number in range(4)])
        clinic.ledger.append(event(9, LONG_AGO, subject="1.2.840.2"))
    return tmp_path


def approved(folder: Path) -> str:
    """Have one person ask for another key, and a second one grant it."""
    at = datetime.now(UTC)
    with Clinic(load(folder / "coread.toml", {})) as clinic:
        asker, second = (clinic.people.add(n, n, [], by="person:test", at=at) for n in ("ann", "bob"))
        asked = clinic.approvals.ask("rotate-ledger-key", "", "It is a year old", asker, at)
        return clinic.approvals.decide(asked.id, True, second, at).id


def run(*arguments: str, code: int = 0) -> Result:
    outcome = CliRunner().invoke(app, ["ledger", *arguments])
    if isinstance(outcome.exception, CoReadError):
        raise outcome.exception
    assert outcome.exit_code == code, outcome.output
    return outcome


def test_a_head_is_signed_and_shown(folder: Path) -> None:
    printed = run("head").output
    head = read_note(printed)
    assert (head.head.origin, head.head.size) == ("test-log", 6)
    assert (folder / "heads.txt").read_text(encoding="utf-8") == printed
    assert run("head").output == printed
    told = run("witnesses").output
    assert "file" in told
    assert "sent" in told
    (known,) = [line for line in run("keys").output.splitlines() if "(nobody)" in line]
    assert len(known.split()[1 if known.startswith("│") else 0].strip("│ ")) == 64


def test_an_empty_ledger_has_no_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match="without events"):
        run("head")
    with pytest.raises(NotFound):
        run("prove", "1")


def test_the_ledger_is_verified_with_its_witness(folder: Path) -> None:
    run("head")
    told = run("verify").output
    assert "6 events, root" in told
    assert "0 faults" in told
    assert "clock had gone back" in told  # the event of 1990
    heads = (folder / "heads.txt").read_text(encoding="utf-8")
    with Clinic(load(folder / "coread.toml", {})) as clinic, clinic.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE sequence > 4")
        connection.exec_driver_sql("DELETE FROM ledger_heads")
    told = run("verify", code=1).output
    assert "witness file, size 6: rolled-back" in told
    assert "event 5: missing" in told
    (folder / "heads.txt").write_text("nonsense")
    assert "witness file: could not be asked" in run("verify", code=1).output
    assert heads


def test_a_lost_key_is_told(folder: Path) -> None:
    run("head")
    with pytest.raises(NotFound, match="no approval of a second person"):
        run("rotate-key")
    approval = approved(folder)
    assert "heads are now signed by" in run("rotate-key", "--approval", approval).output
    with pytest.raises(AccountConflict):
        run("rotate-key", "--approval", approval)
    assert "no former key" not in run("verify").output
    (folder / "kept" / "ledger.key").unlink()
    with Clinic(load(folder / "coread.toml", {})) as clinic:
        clinic.ledger.append(event(3))
    run("head")
    assert "no former key vouches for it" in run("verify").output


def test_an_export_is_verified_without_the_database(folder: Path) -> None:
    run("export", "all.zip")
    run("export", "some", "--study", "1.2.840.1", "--no-identifiers")
    key = json.loads(zipfile.ZipFile("all.zip").read("keys.jsonl").splitlines()[0])["id"]
    (folder / "kept").rename(folder / "gone")
    assert "0 faults" in run("verify", "all.zip", "--key", key).output
    assert "4 events with proofs" in run("verify", "some").output
    assert not (folder / "kept").exists()
    data = (folder / "some" / "proofs.jsonl").read_bytes()
    assert b"1.2.840" not in data
    (folder / "some" / "proofs.jsonl").write_bytes(data.replace(b"accepted", b"rejected"))
    assert "is not proven" in run("verify", "some", code=1).output
    assert "is there already" in run("export", "all.zip", code=2).output


def test_an_event_is_proven(folder: Path) -> None:
    told = json.loads(run("prove", "2").output)
    assert told["event"]["sequence"] == "2"
    assert len(told["path"]) == 3
    assert read_note(told["head"]).head.size == int(told["size"]) == 6
    with pytest.raises(NotFound):
        run("prove", "99")


@pytest.mark.parametrize(
    ("form", "mark"),
    [
        ("balp", '"resourceType": "AuditEvent"'),
        ("atna", "<AuditMessage>"),
        ("prov", '"wasAssociatedWith"'),
        ("csv", "sequence,at,kind"),
    ],
)
def test_events_are_printed_in_the_form_of_a_standard(folder: Path, form: str, mark: str) -> None:
    assert mark in run("records", form, "--study", "1.2.840.1").output
    assert "1.2.840.2" not in run("records", form, "--study", "1.2.840.1").output


def test_an_unknown_form_is_told(folder: Path) -> None:
    assert "balp" in run("records", "pdf", code=2).output


def test_a_person_is_forgotten_when_the_law_allows_it(folder: Path) -> None:
    with pytest.raises(DecisionRefused, match="5 years"):
        run("forget", "1.2.840.1", "--basis", "GDPR Art. 17")
    assert "1 events" in run("forget", "1.2.840.2", "--basis", "GDPR Art. 17").output
    assert "4 events" in run("forget", "1.2.840.1", "--basis", "a court", "--despite-retention").output
    with pytest.raises(NotFound, match="without events"):
        run("forget", "1.2.840.1", "--basis", "GDPR Art. 17")
    assert "0 faults" in run("verify").output
    assert "1.2.840" not in run("list").output


def test_the_rules_of_retention_are_listed(folder: Path) -> None:
    told = run("retention").output
    assert "here: 5 years (JP, 医師法" in told
    assert "164.316" in told
