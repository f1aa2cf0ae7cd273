"""Acts under watch at the command line: the officer's list, and its exit code for a daily look."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from coread.clinic import Clinic
from coread.domain.person import Role
from coread.gateways.cli import app
from coread.settings import Settings

UID = "1.2.840.77"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("COREAD_DATA__FOLDER", str(tmp_path / "kept"))

    def told(*arguments, code=0):
        outcome = CliRunner().invoke(app, ["oversight", *arguments])
        assert outcome.exit_code == code, (outcome.output, outcome.exception)
        return outcome.output

    return told


def test_restrict_open_review_and_lift(run, tmp_path):
    at = datetime.now(UTC)
    settings = Settings.model_validate({"data": {"folder": str(tmp_path / "kept")}})
    with Clinic(settings) as clinic:
        friend = clinic.people.add("li", "LI Wei", [Role.DOCTOR], by="person:test", at=at)
        other = clinic.people.add("wu", "WU Fang", [Role.DOCTOR], by="person:test", at=at)
    run("restrict", UID, "--reason", "Works here as a nurse", "--allow", "li")
    assert "LI Wei" in run("restrictions")
    assert "0 wait for review" in run("openings")
    with Clinic(settings) as clinic:
        now = datetime.now(UTC)
        assert clinic.restrictions.hidden_from(friend.id, now) == frozenset()
        opening = clinic.emergencies.open(UID, other, "Needed in the night", now)
    told = run("openings", code=1)
    assert "WU Fang" in told
    assert "1 wait for review" in told
    run("review", opening.id, "--no-justified", "--note", "Was not on duty")
    assert "not justified: Was not on duty" in run("openings", "--all")
    run("lift", UID, "--reason", "Asked for it herself")
    assert UID not in run("restrictions")
    run("restrict", UID, "--reason", "Works here as a nurse", "--allow", "nobody", code=1)
    assert "asked by" in run("approvals")
