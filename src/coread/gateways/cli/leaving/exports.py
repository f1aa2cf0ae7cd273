"""Commands about exports that an officer looks at: make, list, release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Column, Table

from coread.clinic import Clinic
from coread.domain.consent import Use
from coread.gateways.cli.leaving.auditing import Before, auditor_of, finder_or_none
from coread.gateways.cli.leaving.secrets_folder import keep_in_vault, key_for
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, open_clinic, wide_console
from coread.governance.deidentify import Deidentifier, Pseudonyms, load_profile
from coread.governance.deidentify.export import FileOutcome, deidentify_folder, deidentify_objects
from coread.governance.exports import Job, State, Wish
from coread.governance.exports.shelf import Shelf

_console = wide_console()
_export = typer.Typer(
    no_args_is_help=True, help="De-identified copies that an officer looks at: make, list, release."
)

_Outcomes = Callable[[Shelf, Deidentifier], Iterator[FileOutcome]]

ProfileName = Annotated[str, typer.Option("--profile", help="A profile's name, or a TOML file.")]
Domain = Annotated[str, typer.Option(help="Project or receiver; each has pseudonyms of its own.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(_export, name="export")


@_export.command()
def make(
    study_uids: Annotated[list[str], typer.Argument(help="Studies of the archive.")],
    out: Annotated[Path, typer.Option("--out", help="Where it goes once it is accepted.")],
    use: Annotated[Use, typer.Option("--for", help="What each patient is asked for: see `coread consent`.")],
    profile: ProfileName = "tcia",
    domain: Domain = "export",
    settings: SettingsFile = None,
) -> None:
    """De-identify studies of the archive; they wait until an officer accepts them in the reading room."""
    with open_clinic(settings) as clinic:
        uids = [i.ref.sop_instance_uid for study in study_uids for i in clinic.archive.study(study).instances]

        def objects() -> Iterator[tuple[str, bytes]]:
            yield from ((uid, clinic.archive.read(uid)) for uid in uids)

        wish = Wish(load_profile(profile), domain, out, "archive", COMMAND_LINE, use)
        job = make_job(
            clinic, wish, lambda shelf, by: _counted(deidentify_objects(objects(), shelf.held, by)), objects
        )
        tell(clinic, job)


def hold_folder(clinic: Clinic, folder: Path, wish: Wish, jobs: int) -> Job:
    """Make an export of a folder from elsewhere: the door of `coread deidentify` where review is demanded."""

    def outcomes(shelf: Shelf, deidentifier: Deidentifier) -> Iterator[FileOutcome]:
        return _counted(deidentify_folder(folder, shelf.held, deidentifier, jobs=jobs))

    def before() -> Iterator[tuple[str, bytes]]:
        files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else [folder]
        yield from ((str(path), path.read_bytes()) for path in files)

    return make_job(clinic, wish, outcomes, before)


def make_job(clinic: Clinic, wish: Wish, outcomes: _Outcomes, before: Before) -> Job:
    """De-identify into a new job, audit it, keep who stands behind it; it leaves at once where it may.

    Parameters
    ----------
    outcomes
        De-identifies into a job's folder.
    before
        Name and bytes of each original, for the auditor.
    """
    options = clinic.settings.exports
    secrets = clinic.settings.exports_secrets
    shelf = clinic.exports.begin(wish)
    deidentifier = Deidentifier(
        wish.profile, Pseudonyms(key_for(wish.profile, secrets), wish.domain), finder_or_none(_console)
    )
    auditor = auditor_of(before, shelf.held) if options.audit else None
    job = clinic.exports.make(shelf, outcomes(shelf, deidentifier), auditor)
    if wish.profile.reversible and job.state is State.WAITING:
        keep_in_vault(secrets, wish.domain, clinic.exports.persons(job.id))
    if job.state is State.WAITING and not options.needs_review:
        job = clinic.exports.accept(job.id, job.warnings, COMMAND_LINE, "no review is demanded")
    return job


def tell(clinic: Clinic, job: Job) -> None:
    """Say what became of a job; the exit code is 1 where something stays."""
    table = Table("outcome", "objects")
    table.add_row(str(job.state), str(job.objects))
    for reason, count in job.refused.items():
        table.add_row(f"stays: {reason}", str(count))
    _console.print(table)
    _console.print(", ".join(f"{code}: {count}" for code, count in job.warnings.items()) or "no warnings")
    if job.state is State.WAITING:
        site = clinic.settings.web.public_url or f"port {clinic.settings.web.port}"
        _console.print(f"Waits for an officer: /exports/{job.id} ({site})", markup=False)
    if job.refused:
        raise typer.Exit(1)


@_export.command("list")
def list_exports(settings: SettingsFile = None) -> None:
    """List exports, the newest first; no names."""
    table = Table(Column("export", no_wrap=True), "state", "profile", "domain", "for", "objects", "warnings")
    with open_clinic(settings) as clinic:
        clinic.exports.drop_withdrawn()
        for job in clinic.exports.list():
            warnings = ", ".join(f"{code} {count}" for code, count in job.warnings.items())
            table.add_row(
                job.id, str(job.state), job.profile, job.domain, job.purpose, str(job.objects), warnings
            )
    _console.print(table)


@_export.command()
def release(export_id: str, settings: SettingsFile = None) -> None:
    """Bring out an export that was accepted and did not get out, e.g. because the disk was full."""
    with open_clinic(settings) as clinic:
        job = clinic.exports.release(export_id)
    _console.print(f"{job.objects} objects in {job.out}", markup=False)


def _counted(outcomes: Iterator[FileOutcome]) -> Iterator[FileOutcome]:
    with Progress(console=_console) as progress:
        task = progress.add_task("de-identifying", total=None)
        for done, outcome in enumerate(outcomes, 1):
            progress.update(task, completed=done)
            yield outcome
