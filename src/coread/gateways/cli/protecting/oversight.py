"""Commands about acts under watch: restricted studies, openings in an emergency, requests for two persons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from coread.clinic import Clinic
from coread.errors import NotFound
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, open_clinic, wide_console
from coread.governance import Opening

_console = wide_console()
_oversight = typer.Typer(
    no_args_is_help=True, help="Acts under watch: restrict, lift, restrictions, openings, review, approvals."
)

Reason = Annotated[str, typer.Option(help="In words, without a patient's name; stays on record.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(_oversight, name="oversight")


@_oversight.command()
def restrict(
    study_uid: str,
    reason: Reason,
    allow: Annotated[list[str] | None, typer.Option(help="Login of who may open it, several times.")] = None,
    settings: SettingsFile = None,
) -> None:
    """Let only some persons open a study; all others must give a reason."""
    with open_clinic(settings) as clinic:
        allowed = [_id_of(clinic, login) for login in allow or ()]
        clinic.restrictions.restrict(study_uid, reason, allowed, by=COMMAND_LINE, at=_now())


@_oversight.command()
def lift(study_uid: str, reason: Reason, settings: SettingsFile = None) -> None:
    """Let everybody who may see images open a study again."""
    with open_clinic(settings) as clinic:
        clinic.restrictions.lift(study_uid, reason, by=COMMAND_LINE, at=_now())


@_oversight.command()
def restrictions(settings: SettingsFile = None) -> None:
    """List the restricted studies."""
    table = Table(Column("Study Instance UID", no_wrap=True), "reason", "allowed", "since")
    with open_clinic(settings) as clinic:
        for one in clinic.restrictions.list():
            names = ", ".join(clinic.name_of(id) for id in sorted(one.allowed))
            table.add_row(one.study_instance_uid, one.reason, names, f"{one.set_at:%F %T}")
    _console.print(table)


@_oversight.command()
def openings(
    all_of_them: Annotated[bool, typer.Option("--all", help="The reviewed ones too.")] = False,
    settings: SettingsFile = None,
) -> None:
    """List restricted studies that were opened in an emergency; the exit code is 1 while some wait."""
    with open_clinic(settings) as clinic:
        found = clinic.emergencies.list(is_reviewed=None if all_of_them else False)
        waiting = clinic.emergencies.count_unreviewed()
        _console.print(_openings(clinic, found))
    _console.print(f"{waiting} wait for review")
    if waiting:
        raise typer.Exit(1)


@_oversight.command()
def review(
    opening_id: str,
    note: Annotated[str, typer.Option(help="What was found, in words; stays on record.")],
    justified: Annotated[bool, typer.Option(help="Whether it was right to open the study.")],
    settings: SettingsFile = None,
) -> None:
    """Say what is thought of an opening; one that was not justified ends at once."""
    with open_clinic(settings) as clinic:
        clinic.emergencies.review(opening_id, justified, note, by=COMMAND_LINE, at=_now())


@_oversight.command()
def approvals(settings: SettingsFile = None) -> None:
    """List requests for acts that need two persons; they are made and decided on in the reading room."""
    table = Table(Column("id", no_wrap=True), "act", "about", "asked by", "state", "decided by", "until")
    with open_clinic(settings) as clinic:
        for one in clinic.approvals.list():
            decided = clinic.name_of(one.decided_by) if one.decided_by else ""
            row = (one.id, one.kind, one.subject, clinic.name_of(one.asked_by), one.state, decided)
            table.add_row(*row, f"{one.until:%F %T}")
    _console.print(table)


def use_approval(clinic: Clinic, id: str, kind: str, subject: str = "") -> None:
    """Take an approval for an act at the command line, where the settings want one.

    Raises
    ------
    NotFound
        If none was given, or there is none of this id.
    AccessDenied, AccountConflict
        If it is for another act, was not granted, was used, or is over.
    """
    if not clinic.settings.access.four_eyes and not id:
        return
    if not id:
        raise NotFound(
            "no approval of a second person",
            "--approval with the number of a granted request",
            "ask for it on the page /approvals; see docs/people.md",
        )
    clinic.approvals.use(id, kind, subject, by=COMMAND_LINE, at=_now())


def _openings(clinic: Clinic, found: Iterable[Opening]) -> Table:
    table = Table(
        Column("id", no_wrap=True), "who", Column("study", no_wrap=True), "when", "reason", "review"
    )
    for one in found:
        verdict = "justified" if one.is_justified else "not justified"
        said = f"{verdict}: {one.note}" if one.is_reviewed else "waits"
        who = clinic.name_of(one.person_id)
        table.add_row(one.id, who, one.study_instance_uid, f"{one.opened_at:%F %T}", one.reason, said)
    return table


def _id_of(clinic: Clinic, login: str) -> str:
    person = clinic.people.find(login)
    if person is None:
        raise NotFound("a login of no person", "one that `coread person list` shows", "check the login")
    return person.id


def _now() -> datetime:
    return datetime.now(UTC)
