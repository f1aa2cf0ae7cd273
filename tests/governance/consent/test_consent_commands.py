"""The commands: record, withdraw, show, list, rules, import, forget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coread.errors import ConsentRefused, DecisionRefused, NotFound
from coread.gateways.cli import app
from coread.testing.patients import chest_radiograph


@pytest.fixture
def coread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COREAD_DATA__FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("COREAD_CONSENT__JURISDICTION", "CN")
    monkeypatch.chdir(tmp_path)

    def run(*words: str):
        outcome = CliRunner().invoke(app, ["consent", *words], catch_exceptions=True)
        if outcome.exception and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        return outcome

    return run


def test_a_patient_agrees_withdraws_and_is_forgotten(coread, tmp_path):
    form = tmp_path / "form.pdf"
    form.write_bytes(b"signed")
    given = coread(
        "record",
        "P1",
        "--use",
        "learning",
        "--use",
        "teaching",
        "--until",
        "2090-12-31",
        "--evidence",
        str(form),
    )
    assert given.stdout.count(": given,") == 2
    assert "given" in coread("show", "P1").stdout
    assert coread("withdraw", "P1").stdout.count("withdrawn") == 2, "to all but care; elsewhere refused"
    shown = coread("show", "P1").stdout
    assert "withdrawn" in shown
    assert "refused" in shown
    assert "not-asked" in shown
    listed = coread("list", "--act", "withdrawn").stdout
    assert listed.count("c-") == 2
    assert "P1" not in listed
    with pytest.raises(DecisionRefused, match="must be kept"):
        coread("forget", "P1", "--basis", "GDPR Art. 17")
    assert (
        "point to nobody" in coread("forget", "P1", "--basis", "PIPL Art. 47", "--despite-retention").stdout
    )
    with pytest.raises(NotFound):
        coread("forget", "P1", "--basis", "again")


def test_the_rules_are_listed_with_their_sources(coread):
    told = coread("rules").stdout
    assert "个人信息保护法" in told
    assert "HIPAA" not in told


def test_a_file_of_resources_is_taken_in_and_faults_are_named(coread, tmp_path):
    clear = {
        "resourceType": "Consent", "status": "rejected", "scope": {"text": "x"}, "category": [{"text": "x"}],
        "patient": {"identifier": {"value": "P1"}},
        "provision": {"type": "deny", "purpose": [{"system": "urn:coread:use", "code": "ai-in-care"}]},
    }  # fmt: skip
    lines = tmp_path / "consents.ndjson"
    lines.write_text(json.dumps(clear) + "\n" + json.dumps(clear | {"status": "draft"}) + "\n")
    told = coread("import", str(lines))
    assert told.exit_code == 1
    assert "1: refused ai-in-care" in told.stdout
    assert "2: [2101]" in told.stdout
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": clear}]}))
    assert coread("import", str(bundle)).exit_code == 0
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConsentRefused):
        coread("import", str(tmp_path / "broken.json"))


def test_a_use_must_be_named(coread):
    assert coread("record", "P1").exit_code == 2
    assert coread("record", "P1", "--use", "care", "--until", "soon").exit_code == 2


def test_a_folder_with_somebody_who_said_no_does_not_leave(coread, tmp_path):
    """Where no officer looks at exports, the command itself asks the register."""
    (tmp_path / "coread.toml").write_text("[exports]\nneeds_review = false\n")
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for name in ("P1", "P2"):
        (source / f"{name}.dcm").write_bytes(
            chest_radiograph(1, facts={"PatientID": name}, sop_uid=f"1.2.{name[1]}")
        )
    words = ["deidentify", str(source), "--out", str(out), "--secrets", str(tmp_path / "secrets")]
    coread("record", "P1", "--use", "teaching", "--refused")
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, DecisionRefused)
    assert "P1.dcm" in refused.stdout
    assert "P1.dcm" not in str(refused.exception)
    assert not out.exists()
    (source / "P1.dcm").unlink()
    CliRunner().invoke(app, words)
    assert len([path for path in out.rglob("*") if path.is_file()]) == 1
