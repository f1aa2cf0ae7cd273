"""Commands that show: settings, status, route, readers, readings, deliveries, echo."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from coread import settings as settings_room
from coread.gateways import dimse
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, find_settings, open_clinic, wide_console
from coread.gateways.doors import peer
from coread.routing import explain as explain_routing
from coread.routing import load_rules
from coread.routing import route as route_study

_console = wide_console()
_route = typer.Typer(no_args_is_help=True, help="Routing: check a rules file, explain a study's way.")
_deliveries = typer.Typer(no_args_is_help=True, help="Results on their way to destinations: list, retry.")


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (settings, status, readers, reading, echo):
        app.command()(command)
    app.add_typer(_route, name="route")
    app.add_typer(_deliveries, name="deliveries")


def settings(
    settings: SettingsFile = None,
    markdown: Annotated[bool, typer.Option(help="Print the page docs/settings.md.")] = False,
) -> None:
    """Print every setting with its value, default and meaning; faults are listed all at once."""
    if markdown:
        typer.echo(settings_room.markdown(), nl=False)
        return
    table = Table(Column("setting", no_wrap=True), "value", "default", "meaning")
    for row in settings_room.describe(find_settings(settings)):
        table.add_row(row.key, row.value, "" if row.value == row.default else row.default, row.sentence)
    _console.print(table)


def status(settings: SettingsFile = None) -> None:
    """Count what is kept, waiting, held and on its way."""
    with open_clinic(settings) as clinic:
        arriving = len(clinic.studies.list(is_open=True, limit=10_000))
        counts = {
            "studies arriving": arriving,
            "studies complete": len(clinic.studies.list(is_open=False, limit=10_000)),
            "objects in quarantine": len(clinic.quarantine.list()),
            "conflicts": len(clinic.archive.conflicts()),
            "deliveries waiting": len(clinic.deliveries.pending()),
            "events on record": clinic.ledger.size(),
            "free disk (GB)": round(clinic.store.free_bytes() / 1e9),
        }
    table = Table(show_header=False)
    for name, count in counts.items():
        table.add_row(name, str(count))
    _console.print(table)


class Look(StrEnum):
    """How closely readers are looked at."""

    LIST = "list"
    VERIFY = "verify"


def readers(look: Annotated[Look, typer.Argument()] = Look.LIST, settings: SettingsFile = None) -> None:
    """List the installed AI readers, or verify who signed each; one that cannot be used says why."""
    if look is Look.VERIFY:
        _verify_readers(settings)
        return
    table = Table("reader", "version", "what for", "threshold", "evidence", "available")
    with open_clinic(settings) as clinic:
        for reader in clinic.registry.overview():
            card = reader.card
            facts = (
                (card.identity.version, card.title, f"{card.threshold:.3f}", card.evidence_grade)
                if card
                else ("",) * 4
            )
            table.add_row(reader.name, *facts, "yes" if card else reader.reason)
    _console.print(table)


def _verify_readers(settings: SettingsFile) -> None:
    """Check every file of every reader against its signature; nothing of a reader is run."""
    table = Table("reader", "package", "signed by", "files")
    with open_clinic(settings) as clinic:
        vetted = clinic.vetted_readers()
    for each in vetted:
        signed = ", ".join(dict.fromkeys(found.publisher.name for found in each.signed))
        by = each.fault or signed or "comes with CoRead"
        table.add_row(each.name, each.package, by, str(sum(len(found.files) for found in each.signed)))
    _console.print(table)
    if any(each.fault for each in vetted):
        raise typer.Exit(1)


def reading(study_uid: str, settings: SettingsFile = None) -> None:
    """Show what readers said of a study, in every version."""
    table = Table("version", "reader", "outcome", "finding or reason", "confidence")
    with open_clinic(settings) as clinic:
        for found in clinic.readings.of_study(study_uid):
            head = (str(found.study_version), str(found.reader), str(found.outcome))
            if found.reason:
                table.add_row(*head, found.reason.text, "")
            for finding in found.findings:
                sure = finding.confidence
                said = f"{finding.code.meaning}: {finding.presence}"
                table.add_row(*head, said, f"{sure.probability:.2f} [{sure.lower:.2f}, {sure.upper:.2f}]")
    _console.print(table)


def echo(destination: str, settings: SettingsFile = None) -> None:
    """Ask a DICOM destination of the settings whether it is there (C-ECHO)."""
    found = find_settings(settings)
    wanted = next((d for d in found.destinations if d.name == destination and d.kind == "dimse"), None)
    if wanted is None:
        raise typer.BadParameter(f"no DICOM destination {destination!r} in the settings")
    dimse.echo(peer(found, wanted))
    _console.print(f"{destination} answers")


@_route.command()
def check(rules: Path, settings: SettingsFile = None) -> None:
    """Check a rules file; every fault is told with its line, and nothing is changed."""
    with open_clinic(settings) as clinic:
        destinations = [known.name for known in clinic.settings.destinations]
        loaded = load_rules(rules.read_text(encoding="utf-8"), clinic.registry.names, destinations)
    _console.print(f"{len(loaded.rules)} rules, no fault")


@_route.command()
def explain(study_uid: str, settings: SettingsFile = None) -> None:
    """Say which readers would see a study and why; nothing is read."""
    with open_clinic(settings) as clinic:
        _console.print(
            explain_routing(route_study(clinic.archive.study(study_uid), clinic.rules)), markup=False
        )


@_deliveries.command("list")
def list_deliveries(
    study: Annotated[str | None, typer.Option(help="Study Instance UID; else all that wait.")] = None,
    settings: SettingsFile = None,
) -> None:
    """List deliveries; `delivered` means that the destination said so."""
    table = Table(Column("id", no_wrap=True), "destination", "state", "attempts", "last change", "detail")
    with open_clinic(settings) as clinic:
        found = clinic.deliveries.of_study(study) if study else clinic.deliveries.pending()
        for one in found:
            when = f"{one.changed_at:%F %T}"
            table.add_row(one.id, one.destination, str(one.state), str(one.attempts), when, one.detail)
    _console.print(table)


@_deliveries.command()
def retry(delivery_id: str, settings: SettingsFile = None) -> None:
    """Ask for a failed delivery to be tried anew; a running worker takes it up."""
    with open_clinic(settings) as clinic:
        clinic.deliveries.ask_again(delivery_id, datetime.now(UTC), actor=COMMAND_LINE)
