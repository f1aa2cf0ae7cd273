"""Commands about the record of every step: list, verify, head, export, prove, forget and its keys."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.table import Column, Table

from coread.clinic import Clinic
from coread.errors import DecisionRefused, NotFound
from coread.gateways.audit import audit_source, clerk_of, equip
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, find_settings, open_clinic, wide_console
from coread.gateways.cli.protecting.oversight import use_approval
from coread.ledger import (
    AuditSource,
    Exporter,
    RecordedEvent,
    Report,
    Verified,
    audit_event,
    audit_message,
    csv_lines,
    is_held,
    longest_rule,
    proof_lines,
    provenance,
    retention_rules,
    verify_export,
)

_console = wide_console()
_ledger = typer.Typer(
    no_args_is_help=True,
    help="The record of every step: list, verify, head, export, prove, records, forget, retention, "
    "witnesses, keys, rotate-key.",
)

_PAGE = 1000
Study: TypeAlias = Annotated[str | None, typer.Option(help="Study Instance UID or other subject.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(_ledger, name="ledger")


@_ledger.command("list")
def list_events(
    study: Study = None,
    kind: Annotated[str | None, typer.Option(help="For instance reading.made.")] = None,
    after: Annotated[int, typer.Option(help="Sequence number to start after.")] = 0,
    limit: int = 100,
    settings: SettingsFile = None,
) -> None:
    """List events in their order."""
    table = Table("#", "at", "what", Column("subject", no_wrap=True), "by", "facts")
    with open_clinic(settings) as clinic:
        for kept in clinic.ledger.events(subject=study, kind=kind, after=after, limit=limit):
            event = kept.event
            facts = json.dumps(dict(event.facts), ensure_ascii=False)
            table.add_row(
                str(kept.sequence), f"{event.at:%F %T}", event.kind, event.subject, event.actor, facts
            )
    _console.print(table)


@_ledger.command()
def verify(
    export: Annotated[
        Path | None, typer.Argument(help="Folder or zip of an export; the clinic's own ledger if left out.")
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="Id of a key that you trust (export).")] = None,
    witnessed: Annotated[
        Path | None, typer.Option(help="File of heads that a witness keeps (export).")
    ] = None,
    authorities: Annotated[
        Path | None, typer.Option(help="PEM file of the authorities behind time stamps (export).")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Check every event, node, head and key against each other, and against what witnesses keep."""
    if export:
        seen = witnessed.read_text(encoding="utf-8") if witnessed else ""
        is_good = _tell_export(verify_export(export, key or (), seen, authorities))
    else:
        with open_clinic(settings) as clinic:
            equip(clinic)
            is_good = _tell(clinic.notary.verify())
    if not is_good:
        raise typer.Exit(1)


@_ledger.command()
def head(settings: SettingsFile = None) -> None:
    """Sign the ledger as it is now, show it to the witnesses and print the signed head."""
    with open_clinic(settings) as clinic:
        equip(clinic)
        signed = clinic.notary.sign()
        clinic.notary.show()
    if signed is None:
        raise NotFound("a ledger without events", "an event", "nothing: there is nothing to sign yet")
    typer.echo(signed.note, nl=False)


@_ledger.command()
def export(
    out: Annotated[Path, typer.Argument(help="Folder or .zip to write; must not be there.")],
    study: Study = None,
    identifiers: Annotated[
        bool, typer.Option(help="Whether to tell whom events are about; proofs hold either way.")
    ] = True,
    settings: SettingsFile = None,
) -> None:
    """Write events with all that an outsider needs to check them, the program included."""
    with open_clinic(settings) as clinic:
        equip(clinic)
        exporter = Exporter(clinic.ledger, clinic.notary)
        if study:
            numbers = [record.sequence for record in _events(clinic, study)]
            count = _written(out, lambda folder: exporter.write_some(folder, numbers, identifiers))
        else:
            count = _written(out, lambda folder: exporter.write(folder, identifiers))
    _console.print(f"{count} events in {out}")


@_ledger.command()
def prove(sequence: int, settings: SettingsFile = None) -> None:
    """Print one event with its proof of inclusion, and the signed head that it leads to."""
    with open_clinic(settings) as clinic:
        signed = clinic.notary.sign()
        if signed is None:
            raise NotFound("a number of no event", "an event")
        line = next(proof_lines(clinic.ledger, [sequence], signed.head.size))
    typer.echo(json.dumps(json.loads(line) | {"head": signed.note}, ensure_ascii=False, indent=1))


@_ledger.command()
def records(
    form: Annotated[str, typer.Argument(help="balp, atna, prov or csv.")],
    study: Study = None,
    settings: SettingsFile = None,
) -> None:
    """Print events in the form of a standard: BALP AuditEvent (NDJSON), ATNA XML, PROV-JSON, CSV."""
    writers = {"balp": _balp, "atna": _atna, "prov": _prov, "csv": _csv}
    if form not in writers:
        raise typer.BadParameter(f"one of {', '.join(writers)}")
    with open_clinic(settings) as clinic:
        for text in writers[form](_events(clinic, study), audit_source(clinic.settings)):
            typer.echo(text, nl=False)


@_ledger.command()
def forget(
    study_uid: str,
    basis: Annotated[str, typer.Option(help="Legal basis, e.g. GDPR Art. 17(1)(b); no names.")],
    despite_retention: Annotated[bool, typer.Option(help="Although the record must still be kept.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Delete for ever whom the events of a deleted study were about; every proof stays as it was."""
    with open_clinic(settings) as clinic:
        _check_may_forget(clinic, study_uid, despite_retention)
        count = clinic.ledger.forget([study_uid], COMMAND_LINE, datetime.now(UTC), basis)
    _console.print(f"{count} events point to nobody any more")


@_ledger.command()
def retention(settings: SettingsFile = None) -> None:
    """List how long the law of each jurisdiction wants records kept, and the rule that holds here."""
    table = Table("jurisdiction", "years", "record", "source", "confidence")
    for rule in retention_rules():
        table.add_row(rule.jurisdiction, str(rule.years), rule.what, rule.source, rule.confidence)
    _console.print(table)
    holds = longest_rule(find_settings(settings).ledger.jurisdictions)
    _console.print(f"here: {holds.years} years ({holds.jurisdiction}, {holds.source})", markup=False)


@_ledger.command()
def witnesses(
    now: Annotated[bool, typer.Option(help="Do the clerk's round first: sign, show, forward.")] = False,
    settings: SettingsFile = None,
) -> None:
    """List what became of the newest heads at each witness."""
    table = Table("witness", "size", "state", "tries", "last change", "detail")
    with open_clinic(settings) as clinic:
        if now:
            clerk_of(clinic).round()
        for sending in clinic.notary.sendings(limit=20):
            tries = str(sending.attempts)
            row = (sending.witness, str(sending.size), sending.state, tries, sending.changed_at)
            table.add_row(*row, sending.detail)
    _console.print(table)


@_ledger.command()
def keys(settings: SettingsFile = None) -> None:
    """List the keys that sign or signed heads; give their ids to whoever checks exports."""
    table = Table(Column("id", no_wrap=True), "since event", "at", "vouched for by")
    with open_clinic(settings) as clinic:
        for known in clinic.notary.known_keys():
            table.add_row(known.id, str(known.since_size), known.at, known.former_id[:12] or "(nobody)")
    _console.print(table)


@_ledger.command("rotate-key")
def rotate_key(
    approval: Annotated[str, typer.Option(help="Number of the request that a second person granted.")] = "",
    settings: SettingsFile = None,
) -> None:
    """Take a new key into use; the old one vouches for it, and its file is kept beside: put it away."""
    with open_clinic(settings) as clinic:
        use_approval(clinic, approval, "rotate-ledger-key")
        new = clinic.notary.rotate()
    _console.print(f"heads are now signed by {new.id}", markup=False)


def _tell(verified: Verified) -> bool:
    for fault in verified.checked.faults:
        _console.print(f"event {fault.sequence}: {fault.what}", markup=False)
    for name, fault in verified.against_witnesses:
        _console.print(f"witness {name}, size {fault.sequence}: {fault.what}", markup=False)
    for name in verified.away:
        _console.print(f"witness {name}: could not be asked", markup=False)
    for id in verified.unendorsed:
        _console.print(f"key {id}: no former key vouches for it", markup=False)
    for sequence in verified.checked.steps_back:
        _console.print(f"event {sequence}: the clock had gone back before it", markup=False)
    checked = verified.checked
    _console.print(f"{checked.size} events, root {checked.root.hex()}, {len(verified.faults)} faults")
    return not verified.faults


def _tell_export(report: Report) -> bool:
    for text in (*report.remarks, *report.faults):
        _console.print(text, markup=False)
    _console.print(f"{report.size} events, root {report.root or '(none)'}, {len(report.faults)} faults")
    return report.is_good


def _written(out: Path, write: Callable[[Path], int]) -> int:
    if out.exists():
        raise typer.BadParameter(f"{out} is there already")
    if out.suffix != ".zip":
        return write(out)
    with tempfile.TemporaryDirectory() as folder:
        count = write(Path(folder))
        shutil.make_archive(str(out.with_suffix("")), "zip", folder)
    return count


def _events(clinic: Clinic, study: str | None) -> Iterator[RecordedEvent]:
    after = 0
    while found := clinic.ledger.events(study, after=after, limit=_PAGE):
        yield from found
        after = found[-1].sequence


def _check_may_forget(clinic: Clinic, study_uid: str, despite_retention: bool) -> None:
    latest = max((record.event.at for record in _events(clinic, study_uid)), default=None)
    if latest is None:
        raise NotFound("a study without events", "a Study Instance UID", "check the UID")
    if any(state.study_instance_uid == study_uid for state in clinic.studies.list(limit=1_000_000)):
        raise DecisionRefused(
            "a study whose images are kept", "a deleted one", "delete it first (coread archive delete)"
        )
    rule = longest_rule(clinic.settings.ledger.jurisdictions)
    if is_held(rule, latest, datetime.now(UTC)) and not despite_retention:
        raise DecisionRefused(
            f"a record that must be kept {rule.years} years ({rule.jurisdiction}: {rule.source})",
            "an older record, or --despite-retention",
            "ask who answers for the record",
        )


def _balp(events: Iterable[RecordedEvent], source: AuditSource) -> Iterator[str]:
    for record in events:
        yield json.dumps(audit_event(record, source), ensure_ascii=False) + "\n"


def _atna(events: Iterable[RecordedEvent], source: AuditSource) -> Iterator[str]:
    for record in events:
        yield audit_message(record, source).decode() + "\n"


def _prov(events: Iterable[RecordedEvent], _: AuditSource) -> Iterator[str]:
    yield json.dumps(provenance(events), ensure_ascii=False, indent=1) + "\n"


def _csv(events: Iterable[RecordedEvent], _: AuditSource) -> Iterator[str]:
    yield from csv_lines(events)
