"""Commands about what patients agree to: record, withdraw, show, list, rules, import, forget."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from coread.domain.consent import Act, Decision, PatientIdentity, Said, Standing, Use
from coread.errors import ConsentRefused, DecisionRefused, NotFound
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, find_settings, open_clinic, wide_console
from coread.gateways.fhir import resources_in, said_of
from coread.governance import ConsentRules, Consents
from coread.ledger import is_held, longest_rule

_console = wide_console()
_consent = typer.Typer(
    no_args_is_help=True,
    help="What patients agree to: record, withdraw, show, list, rules, import, forget.",
)

PatientId = Annotated[str, typer.Argument(help="Patient ID as in the images.")]
Issuer = Annotated[str, typer.Option(help="Issuer of the Patient ID; the house's own if left out.")]
Uses = Annotated[list[Use] | None, typer.Option("--use", help="May be given several times.")]
Evidence = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="The signed form; its SHA-256 is kept.")
]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(_consent, name="consent")


@_consent.command()
def record(  # noqa: PLR0913, PLR0917 - options of one command
    patient_id: PatientId,
    use: Uses = None,
    issuer: Issuer = "",
    refused: Annotated[bool, typer.Option("--refused", help="The patient was asked and said no.")] = False,
    until: Annotated[str, typer.Option(help="Last day of the consent, YYYY-MM-DD.")] = "",
    evidence: Evidence = None,
    settings: SettingsFile = None,
) -> None:
    """Record what a patient said, for each use."""
    if not use:
        raise typer.BadParameter("name at least one --use")
    act = Act.REFUSED if refused else Act.GIVEN
    ends = _day_after(until) if until else None
    with open_clinic(settings) as clinic:
        _record(clinic.consents, PatientIdentity(patient_id, issuer), act, use, ends, evidence)


@_consent.command()
def withdraw(
    patient_id: PatientId,
    use: Uses = None,
    issuer: Issuer = "",
    evidence: Evidence = None,
    settings: SettingsFile = None,
) -> None:
    """Record that a patient agrees no more; to nothing but care, if no --use is named."""
    uses = use or [other for other in Use if other is not Use.CARE]
    with open_clinic(settings) as clinic:
        _record(clinic.consents, PatientIdentity(patient_id, issuer), Act.WITHDRAWN, uses, None, evidence)


@_consent.command()
def show(patient_id: PatientId, issuer: Issuer = "", settings: SettingsFile = None) -> None:
    """Show how a patient stands to each use now, and every decision that led there."""
    person = PatientIdentity(patient_id, issuer)
    with open_clinic(settings) as clinic:
        at = datetime.now(UTC)
        stands = clinic.consents.standings(person, at)
        allowed = {use: clinic.consents.may(person, use, at).is_allowed for use in Use}
        decisions = clinic.consents.history(person)
    _console.print(_of_standings(stands, allowed))
    _console.print(_of_decisions(decisions))


@_consent.command("list")
def list_decisions(
    act: Annotated[list[Act] | None, typer.Option(help="Only these; may be given several times.")] = None,
    after: Annotated[int, typer.Option(help="Only decisions after this one.")] = 0,
    limit: int = 100,
    settings: SettingsFile = None,
) -> None:
    """List decisions of all patients, by reference, in the order in which they were recorded."""
    with open_clinic(settings) as clinic:
        _console.print(_of_decisions(clinic.consents.list(act or (), after, limit)))


@_consent.command()
def rules(settings: SettingsFile = None) -> None:
    """List what holds here where a patient has decided nothing, with the legal source."""
    wanted = find_settings(settings).consent
    here = ConsentRules(wanted.jurisdiction, tuple(Use(use) for use in wanted.opt_in))
    table = Table("use", "here", "law", "rule", "source", "confidence")
    for use in Use:
        for row in here.rows(use):
            table.add_row(use, here.of(use), row.jurisdiction, row.rule, row.source, row.confidence)
    _console.print(table)


@_consent.command("import")
def import_fhir(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Consent, Bundle or NDJSON.")],
    settings: SettingsFile = None,
) -> None:
    """Record what FHIR Consents say; what is not clear is named and left out. One at fault: exit code 1."""
    faults = 0
    with open_clinic(settings) as clinic:
        for number, resource in enumerate(resources_in(file.read_text(encoding="utf-8")), 1):
            try:
                decision = clinic.consents.record(said_of(resource, COMMAND_LINE))
                _console.print(f"{number}: {decision.act} {decision.use}", markup=False)
            except ConsentRefused as fault:
                faults += 1
                _console.print(f"{number}: {fault}", markup=False)
    if faults:
        raise typer.Exit(1)


@_consent.command()
def forget(
    patient_id: PatientId,
    basis: Annotated[str, typer.Option(help="Legal basis, e.g. GDPR Art. 17(1)(b); no names.")],
    issuer: Issuer = "",
    despite_retention: Annotated[bool, typer.Option(help="Although the record must still be kept.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Destroy the one link between a patient and the decisions, for ever; every proof stays as it was."""
    person = PatientIdentity(patient_id, issuer)
    with open_clinic(settings) as clinic:
        latest = max((d.recorded_at for d in clinic.consents.history(person)), default=None)
        if latest is None:
            raise NotFound("a patient of whom nothing is on record", "one who decided something")
        rule = longest_rule(clinic.settings.ledger.jurisdictions)
        if is_held(rule, latest, datetime.now(UTC)) and not despite_retention:
            raise DecisionRefused(
                f"a record that must be kept {rule.years} years ({rule.jurisdiction}: {rule.source})",
                "an older record, or --despite-retention",
                "ask who answers for the record",
            )
        count = clinic.consents.forget(person, COMMAND_LINE, basis)
    _console.print(f"{count} events point to nobody any more")


def _record(
    consents: Consents,
    person: PatientIdentity,
    act: Act,
    uses: Iterable[Use],
    until: datetime | None,
    evidence: Path | None,
) -> None:
    digest = hashlib.sha256(evidence.read_bytes()).hexdigest() if evidence else ""
    for use in uses:
        said = Said(
            person, use, act, COMMAND_LINE, "command-line", uuid.uuid4().hex,
            valid_until=until, evidence_sha256=digest,
        )  # fmt: skip
        decision = consents.record(said)
        _console.print(f"{decision.use}: {decision.act}, {decision.uid}", markup=False)


def _day_after(text: str) -> datetime:
    try:
        last = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: YYYY-MM-DD") from None
    return datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)


def _of_standings(stands: Iterable[Standing], allowed: Mapping[Use, bool]) -> Table:
    table = Table("use", "stands", "rule", "allowed", "until")
    for stand in stands:
        ends = stand.decision.valid_until if stand.decision else None
        may = "yes" if allowed[stand.use] else "no"
        table.add_row(stand.use, stand.status, stand.rule, may, f"{ends:%F %T}" if ends else "")
    return table


def _of_decisions(decisions: Iterable[Decision]) -> Table:
    table = Table(
        "#", "recorded", "use", "act", "from", "until", "by", "source", Column("patient", no_wrap=True)
    )
    for d in decisions:
        ends = f"{d.valid_until:%F %T}" if d.valid_until else ""
        begins, at = f"{d.valid_from:%F %T}", f"{d.recorded_at:%F %T}"
        table.add_row(str(d.place), at, d.use, d.act, begins, ends, d.actor, d.source, d.person_ref)
    return table
