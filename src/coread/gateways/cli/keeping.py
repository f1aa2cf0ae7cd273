"""Commands about what is kept: import, archive, quarantine, study, deliveries."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Column, Table

from coread.archive import Keyring, SealedStore
from coread.errors import Conflict, NotFound
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, find_settings, open_clinic, wide_console
from coread.intake import ImportSummary, import_path

_console = wide_console()
_archive = typer.Typer(
    no_args_is_help=True, help="The kept images: verify, delete, expire, conflicts, seal, new-key, rewrap."
)
_quarantine = typer.Typer(
    no_args_is_help=True, help="Objects that could not be filed: list, show, retry, remove."
)
_study = typer.Typer(no_args_is_help=True, help="Studies: list, show, complete, expect.")


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("import")(import_images)
    app.add_typer(_archive, name="archive")
    app.add_typer(_quarantine, name="quarantine")
    app.add_typer(_study, name="study")


def import_images(path: Path, settings: SettingsFile = None) -> None:
    """Import a folder, a zip, a DICOMDIR or a lone file; the good part goes on, the rest is told."""
    with open_clinic(settings) as clinic, Progress(console=_console) as progress:
        task = progress.add_task("importing", total=None)
        summary = import_path(
            path, clinic.intake, lambda done, known: progress.update(task, completed=done, total=known)
        )
    _tell(summary)
    if not summary.is_clean:
        raise typer.Exit(1)


def _tell(summary: ImportSummary) -> None:
    table = Table("outcome", "files")
    for outcome, count in summary.counts.items():
        table.add_row(outcome, str(count))
    _console.print(table)
    for problem in summary.problems:
        _console.print(f"{problem.name}: {problem.outcome}: {problem.reason}", markup=False)


@_archive.command()
def verify(settings: SettingsFile = None) -> None:
    """Check each kept object against its checksum, each row against its file, and the other way round."""
    with open_clinic(settings) as clinic, Progress(console=_console) as progress:
        task = progress.add_task("verifying", total=None)
        faults = list(clinic.archive.verify(lambda done: progress.update(task, completed=done)))
    for fault in faults:
        _console.print(f"{fault.kind}: {fault.key} {fault.identifier}", markup=False)
    _console.print(f"{len(faults)} faults")
    if faults:
        raise typer.Exit(1)


@_archive.command("new-key")
def new_key(settings: SettingsFile = None) -> None:
    """Take a new key for objects at rest into use; the former ones still open what they closed."""
    path = _keys_file(settings)
    Keyring.read(path).turned().write(path)
    _console.print(
        "a new key is in use at the next start; `coread archive rewrap` then closes old objects by it"
    )


@_archive.command()
def rewrap(
    drop_former: Annotated[bool, typer.Option(help="Forget the former keys afterwards.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Close the key of every sealed object by the key in use; no picture is touched, a stop does no harm."""
    path = _keys_file(settings)
    with open_clinic(settings) as clinic, Progress(console=_console) as progress:
        if not isinstance(clinic.store, SealedStore):
            raise NotFound("a store that is not sealed", "data.keys", "name a file for the keys")
        task = progress.add_task("closing anew", total=None)
        changed = clinic.store.rewrap(lambda done: progress.update(task, completed=done))
        used = Counter(clinic.store.wrapping_keys())
    ring = Keyring.read(path)
    if drop_former:
        _check_all_by(ring, used)
        ring.alone().write(path)
    told = f"{changed} objects closed by the key in use; {used['none']} were kept before and are not sealed"
    _console.print(f"{told} (coread archive seal)" if used["none"] else told)


def _check_all_by(ring: Keyring, used: Counter[str]) -> None:
    """Keep the former keys where one of them still closes an object: a key was changed meanwhile."""
    others = used.total() - used["none"] - used[ring.current.hex()]
    if others:
        raise Conflict(f"{others} objects closed by a former key", "none", "run the command again")


@_archive.command()
def seal(settings: SettingsFile = None) -> None:
    """Seal the objects that were kept before data.keys was set; after a stop run it again to go on."""
    path = _keys_file(settings)
    with open_clinic(settings) as clinic, Progress(console=_console) as progress:
        total = sum(1 for _ in clinic.store.keys())  # noqa: SIM118 - a method of the store
        task = progress.add_task("sealing", total=total)
        done = clinic.archive.seal(
            lambda: Keyring.read(path),
            datetime.now(UTC),
            COMMAND_LINE,
            lambda count: progress.update(task, completed=count),
        )
    _console.print(
        f"{done.sealed} objects sealed ({done.sealed_bytes / 1e6:.1f} MB), "
        f"{done.were_sealed} were sealed before, {done.gone} deleted meanwhile; "
        "backups made before still hold them plain"
    )


def _keys_file(settings: SettingsFile) -> Path:
    path = find_settings(settings).data.keys
    if path is None:
        raise NotFound("no file for keys", "data.keys", "name a file for the keys")
    return path


@_archive.command()
def delete(study_uid: str, reason: Annotated[str, typer.Option()], settings: SettingsFile = None) -> None:
    """Delete a study; the deletion and its reason stay on record."""
    with open_clinic(settings) as clinic:
        count = clinic.archive.delete_study(study_uid, reason, datetime.now(UTC), actor=COMMAND_LINE)
    _console.print(f"{count} objects deleted")


@_archive.command()
def expire(settings: SettingsFile = None) -> None:
    """Delete the studies that are older than data.retention_days (0: none)."""
    with open_clinic(settings) as clinic:
        days = clinic.settings.data.retention_days
        now = datetime.now(UTC)
        gone = list(clinic.archive.expire(now - timedelta(days=days), now)) if days else []
    _console.print(f"{len(gone)} studies deleted")


@_archive.command()
def conflicts(settings: SettingsFile = None) -> None:
    """List objects that came with a UID that another object already has; neither was overwritten."""
    table = Table(Column("SOP Instance UID", no_wrap=True), "came from", "at", "bytes", "sha256")
    with open_clinic(settings) as clinic:
        for kept in clinic.archive.conflicts():
            row = (kept.ref.sop_instance_uid, kept.source, f"{kept.received_at:%F %T}", str(kept.size_bytes))
            table.add_row(*row, kept.sha256[:16])
    _console.print(table)


@_quarantine.command("list")
def list_quarantine(settings: SettingsFile = None) -> None:
    """List what could not be filed."""
    table = Table(Column("id", no_wrap=True), "came from", "last at", "times", "bytes", "error")
    with open_clinic(settings) as clinic:
        for held in clinic.quarantine.list():
            table.add_row(held.id, held.source, f"{held.received_at:%F %T}", str(held.times),
                          str(held.size_bytes), str(held.error_number))  # fmt: skip
    _console.print(table)


@_quarantine.command("show")
def show_quarantined(quarantine_id: str, settings: SettingsFile = None) -> None:
    """Explain why one object could not be filed, and what to do."""
    with open_clinic(settings) as clinic:
        held = clinic.quarantine.get(quarantine_id)
    _console.print(held.error_text, markup=False)
    _console.print(f"sha256 {held.sha256}, {held.size_bytes} bytes, see docs/errors/{held.error_number}.md")


@_quarantine.command()
def retry(quarantine_id: str, settings: SettingsFile = None) -> None:
    """Try to file one object again."""
    with open_clinic(settings) as clinic:
        filed = clinic.intake.retry(quarantine_id, COMMAND_LINE)
    _console.print(f"{filed.outcome}")


@_quarantine.command()
def remove(quarantine_id: str, settings: SettingsFile = None) -> None:
    """Delete one object from quarantine; the removal stays on record."""
    with open_clinic(settings) as clinic:
        clinic.quarantine.remove(quarantine_id, datetime.now(UTC), actor=COMMAND_LINE)


@_study.command("list")
def list_studies(settings: SettingsFile = None, limit: int = 100) -> None:
    """List studies by their latest arrival: state, version, readings. No names."""
    table = Table(
        Column("Study Instance UID", no_wrap=True), "state", "version", "objects", "readings", "last arrival"
    )
    with open_clinic(settings) as clinic:
        for state in clinic.studies.list(limit=limit):
            uid = state.study_instance_uid
            outcomes = ", ".join(f"{r.reader.name}: {r.outcome}" for r in clinic.readings.of_study(uid))
            open_or_not = "arriving" if state.is_open else "complete"
            arrival = f"{state.last_arrival_at:%F %T}" if state.last_arrival_at else ""
            table.add_row(uid, open_or_not, str(state.version), str(state.originals), outcomes, arrival)
    _console.print(table)


@_study.command()
def complete(study_uid: str, settings: SettingsFile = None) -> None:
    """Say that all images of a study have come."""
    with open_clinic(settings) as clinic:
        clinic.studies.complete_now(study_uid)


@_study.command()
def expect(study_uid: str, count: int, settings: SettingsFile = None) -> None:
    """Say how many images a study will have; it is complete when they have come."""
    with open_clinic(settings) as clinic:
        clinic.studies.expect(study_uid, count)
