"""Commands about people and tokens; what they do is on record as done at the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from coread.domain.person import Permission, Person, Role
from coread.errors import NotFound
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, open_clinic, wide_console
from coread.governance import People

_console = wide_console()
_person = typer.Typer(no_args_is_help=True, help="People: add, list, roles, deactivate, reset-password.")
_token = typer.Typer(no_args_is_help=True, help="Tokens for programs: issue, list, rotate, revoke.")


Login = Annotated[str, typer.Argument(help="Login of the person.")]
Roles = Annotated[list[Role] | None, typer.Option("--role", help="May be given several times.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        help="File whose first line is the password; else it is asked for. Never on the command line."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(_person, name="person")
    app.add_typer(_token, name="token")


@_person.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="As it stands under a signature.")],
    role: Roles = None,
    password_file: PasswordFile = None,
    no_password: Annotated[
        bool, typer.Option(help="Comes by the identity provider, or only owns tokens.")
    ] = False,
    settings: SettingsFile = None,
) -> None:
    """Make an account; the password is only good for choosing one's own."""
    with _people(settings) as people:
        password = "" if no_password else _password(password_file)
        person = people.add(login, name, role or [], password, by=COMMAND_LINE, at=_now())
    _console.print(f"{person.id} {person.login}", markup=False)


@_person.command("list")
def list_people(settings: SettingsFile = None) -> None:
    """List everybody, with roles and state."""
    table = Table(Column("id", no_wrap=True), "login", "name", "roles", "state")
    with _people(settings) as people:
        for person in people.list():
            state = "active" if person.is_active else "inactive"
            table.add_row(person.id, person.login, person.display_name, " ".join(sorted(person.roles)), state)
    _console.print(table)


@_person.command()
def roles(login: Login, role: Roles = None, settings: SettingsFile = None) -> None:
    """Give a person these roles instead of the former; none at all without --role."""
    with _people(settings) as people:
        person = people.change_roles(_found(people, login).id, role or [], by=COMMAND_LINE, at=_now())
    _console.print(f"{person.login}: {' '.join(sorted(person.roles)) or 'no role'}", markup=False)


@_person.command()
def deactivate(login: Login, settings: SettingsFile = None) -> None:
    """End a person's access at once."""
    with _people(settings) as people:
        people.deactivate(_found(people, login).id, by=COMMAND_LINE, at=_now())


@_person.command()
def reactivate(login: Login, settings: SettingsFile = None) -> None:
    """Give a person access again."""
    with _people(settings) as people:
        people.reactivate(_found(people, login).id, by=COMMAND_LINE, at=_now())


@_person.command("reset-password")
def reset_password(
    login: Login,
    password_file: PasswordFile = None,
    remove_totp: Annotated[
        bool, typer.Option(help="Take the second factor away too: its device is lost.")
    ] = False,
    settings: SettingsFile = None,
) -> None:
    """Set a password that is only good for choosing one's own; ends all sessions and waits."""
    with _people(settings) as people:
        person = _found(people, login)
        people.set_password(person.id, _password(password_file), by=COMMAND_LINE, at=_now())
        if remove_totp:
            people.remove_totp(person.id, by=COMMAND_LINE, at=_now())


@_token.command()
def issue(
    login: Login,
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[Permission], typer.Option(help="May be given several times.")],
    days: Annotated[int, typer.Option(min=1, help="How long it holds.")] = 365,
    settings: SettingsFile = None,
) -> None:
    """Issue a token that a person answers for; its secret is printed once."""
    with open_clinic(settings) as clinic:
        person, at = _found(clinic.people, login), _now()
        ends = at + timedelta(days=days)
        secret = clinic.tokens.issue(name, person.id, frozenset(scope), at, ends, by=COMMAND_LINE)
    typer.echo(secret)


@_token.command()
def rotate(
    token_id: str,
    days: Annotated[int, typer.Option(min=1, help="How long the new one holds.")] = 365,
    settings: SettingsFile = None,
) -> None:
    """Issue another secret in place of a token's; the old one stays good for a day."""
    at = _now()
    with open_clinic(settings) as clinic:
        secret = clinic.tokens.rotate(token_id, at, at + timedelta(days=days), by=COMMAND_LINE)
    typer.echo(secret)


@_token.command("list")
def list_tokens(settings: SettingsFile = None) -> None:
    """List all tokens, without their secrets."""
    table = Table(Column("id", no_wrap=True), "name", "login", "scopes", "until", "used", "state")
    with open_clinic(settings) as clinic:
        for token in clinic.tokens.list():
            used = f"{token.used_at:%F}" if token.used_at else "never"
            state = "good" if token.is_good(_now()) else "revoked" if token.revoked_at else "over"
            scopes = " ".join(sorted(token.scopes))
            table.add_row(
                token.id, token.name, token.person.login, scopes, f"{token.expires_at:%F}", used, state
            )
    _console.print(table)


@_token.command()
def revoke(token_id: str, settings: SettingsFile = None) -> None:
    """End a token at once."""
    with open_clinic(settings) as clinic:
        clinic.tokens.revoke(token_id, by=COMMAND_LINE, at=_now())


@contextmanager
def _people(settings: Path | None) -> Iterator[People]:
    with open_clinic(settings) as clinic:
        yield clinic.people


def _found(people: People, login: str) -> Person:
    person = people.find(login)
    if person is None:
        raise NotFound("a login of no person", "one that `coread person list` shows", "check the login")
    return person


def _password(file: Path | None) -> str:
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return file.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise NotFound(
            f"a password file that cannot be read ({type(error).__name__})", "a file whose first line is it",
            "name another file",
        ) from error  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)
