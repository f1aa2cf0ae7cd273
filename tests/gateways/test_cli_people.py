"""People and tokens at the command line; no password and no secret ever stands in an argument."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

from coread.errors import AccountConflict, NotFound, WeakPassword
from coread.gateways.cli import app

PASSWORD = "quiet river under seven bridges"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty folder; an error of ours is raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def runner(*words: str, typed: str = "") -> str:
        outcome = CliRunner().invoke(app, list(words), input=typed)
        if outcome.exception and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        assert outcome.exit_code == 0, outcome.output
        return outcome.output

    return runner


def events() -> list[tuple[str, str]]:
    with closing(sqlite3.connect("coread-data/coread.sqlite")) as database:
        return database.execute("SELECT kind, actor FROM events ORDER BY sequence").fetchall()


def test_a_person_is_added_with_a_typed_password(run):
    said = run("person", "add", "li", "--name", "LI Wei", "--role", "doctor", "--role", "auditor",
               typed=f"{PASSWORD}\n{PASSWORD}\n")  # fmt: skip
    assert PASSWORD not in said
    listed = run("person", "list")
    assert "LI Wei" in listed
    assert "auditor doctor" in listed
    assert events() == [("person.added", "person:command-line")]


def test_a_password_comes_from_a_file_s_first_line(run, tmp_path):
    (tmp_path / "secret").write_text(f"{PASSWORD}\nnot this\n")
    run("person", "add", "li", "--name", "LI Wei", "--password-file", "secret")
    with pytest.raises(AccountConflict):
        run("person", "add", "LI", "--name", "LI Wei", "--password-file", "secret")
    (tmp_path / "empty").write_text("")
    for name in ("none", "empty"):
        with pytest.raises(NotFound, match="password file"):
            run("person", "add", "wu", "--name", "Wu", "--password-file", name)
    (tmp_path / "weak").write_text("password1234")
    with pytest.raises(WeakPassword):
        run("person", "add", "wu", "--name", "Wu", "--password-file", "weak")


def test_roles_access_and_password_are_changed(run, tmp_path):
    (tmp_path / "secret").write_text(PASSWORD)
    run("person", "add", "li", "--name", "LI Wei", "--no-password")
    assert "li: auditor" in run("person", "roles", "li", "--role", "auditor")
    assert "li: no role" in run("person", "roles", "li")
    run("person", "deactivate", "li")
    assert "inactive" in run("person", "list")
    run("person", "reactivate", "li")
    run("person", "reset-password", "li", "--password-file", "secret", "--remove-totp")
    kinds = [kind for kind, _ in events()]
    assert kinds[-4:] == [
        "person.deactivated",
        "person.reactivated",
        "person.password-set",
        "person.totp-removed",
    ]
    with pytest.raises(NotFound, match="login of no person"):
        run("person", "deactivate", "nobody")


def test_a_token_is_issued_listed_and_revoked(run):
    run("person", "add", "pacs", "--name", "PACS", "--no-password", "--role", "engineer")
    secret = run(
        "token", "issue", "pacs", "--name", "gateway", "--scope", "images:store", "--days", "30"
    ).strip()
    assert secret.startswith("crt_")
    listed = run("token", "list")
    assert "gateway" in listed
    assert secret not in listed
    id = next(word for word in listed.split() if word.startswith("t-"))
    other = run("token", "rotate", id, "--days", "10").strip()
    assert other.startswith("crt_")
    assert other != secret
    assert ("token.rotated", "person:command-line") in events()
    run("token", "revoke", id)
    assert "revoked" in run("token", "list")
    with pytest.raises(AccountConflict, match="over"):
        run("token", "rotate", id)
