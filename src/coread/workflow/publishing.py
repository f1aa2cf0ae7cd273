"""The steps of a signed report: plan where it goes, write and file its results, say that it is published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from coread.domain.bundle import Card
from coread.domain.reading import Reading
from coread.domain.review import SignedReport
from coread.domain.study import Instance, Study
from coread.errors import CoReadError, ReaderUnavailable
from coread.results import ResultObject, Signer, write_signed
from coread.routing import originals, route
from coread.workflow.reading import is_fhir, opened
from coread.workflow.rooms import Rooms, SignedReports

_FHIR = "fhir"
_BUNDLE = "Bundle/"
#: Never reopens its study: the archive takes what comes from a reader of ours for no original.
_SOURCE = "reader:signed-report"


class SignedPlan(TypedDict):
    """Where a signed report goes; written down once, so that a retry meets the same."""

    report_uid: str
    study_uid: str
    destinations: list[str]


def plan_signed(rooms: Rooms, report_uid: str) -> SignedPlan:
    """Ask the routing rules where the study's results go: the doctor's go where the readers' went.

    Raises
    ------
    NotFound
        If there is no such report, or nothing of its study is kept any more.
    """
    report = _reports(rooms).report(report_uid)
    study = rooms.archive.study(report.study_instance_uid)
    destinations = list(route(study, rooms.rules).destinations)
    return SignedPlan(report_uid=report_uid, study_uid=report.study_instance_uid, destinations=destinations)


def write_signed_results(rooms: Rooms, plan: SignedPlan) -> dict[str, list[str]]:
    """Write a signed report's results and file them; return which of them go to which destination.

    The bytes are a function of the report, so that doing it twice files each object once.
    """
    report = _reports(rooms).report(plan["report_uid"])
    written = _written(rooms, report)
    for result in written:
        _file(rooms, report, result)
    parcels = _plan_deliveries(rooms, plan, report, [result.id for result in written])
    facts = {"report": report.uid, "kinds": " ".join(sorted({result.kind for result in written}))}
    facts |= {"number": str(report.number), "text_sha256": report.text_sha256}
    key = f"results.filed:{report.uid}"
    rooms.ledger.append(rooms.event("results.filed", plan["study_uid"], key, **facts))
    return parcels


def publish(rooms: Rooms, report_uid: str) -> None:
    """Say that a signed report's results are filed and on their way."""
    _reports(rooms).mark_published(report_uid)


def _reports(rooms: Rooms) -> SignedReports:
    if rooms.casebook is None:
        raise CoReadError(
            found="a signed report to publish, but no casebook",
            expected="a clinic whose doctors sign",
            remedy="report this as a defect",
            where="workflow",
        )
    return rooms.casebook


def _written(rooms: Rooms, report: SignedReport) -> tuple[ResultObject, ...]:
    readings = [rooms.readings.get(uid) for uid in report.reading_uids]
    study = rooms.archive.study(report.study_instance_uid)
    images = opened(rooms, _shown(study, report, readings))
    earlier = [r for r in _reports(rooms).reports_of(report.study_instance_uid) if r.number < report.number]
    signer = Signer(report.person_id, report.person_name, rooms.organization)
    return write_signed(report, readings, images, _cards(rooms, readings), person=signer, earlier=earlier)


def _shown(study: Study, report: SignedReport, readings: Sequence[Reading]) -> tuple[Instance, ...]:
    """Choose the images that findings and statements stand on; of a large study, not all that was read."""
    pointed = {d.statement.image for d in report.decisions if d.statement and d.statement.image}
    pointed |= {finding.image for reading in readings for finding in reading.findings}
    uids = {ref.sop_instance_uid for ref in pointed}
    chosen = tuple(i for i in study.instances if i.ref.sop_instance_uid in uids)
    return chosen or originals(study)[:1] or study.instances[:1]


def _cards(rooms: Rooms, readings: Sequence[Reading]) -> dict[str, Card]:
    """Return the cards of the readers that are still installed; a report does not wait for the others."""
    cards = {}
    for name in dict.fromkeys(reading.reader.name for reading in readings):
        try:
            cards[name] = rooms.registry.reader(name).card
        except ReaderUnavailable:
            continue
    return cards


def _file(rooms: Rooms, report: SignedReport, result: ResultObject) -> None:
    if is_fhir(result.id):
        kind, _, identifier = result.id.partition("/")
        text = result.data.decode()
        rooms.resources.put(kind, identifier, report.study_instance_uid, text, report.signed_at)
    else:
        rooms.intake.accept_bytes(result.data, _SOURCE)


def _plan_deliveries(
    rooms: Rooms, plan: SignedPlan, report: SignedReport, ids: Sequence[str]
) -> dict[str, list[str]]:
    """Plan every delivery; return the objects for each destination.

    A FHIR server gets the transaction Bundle: its resources bear the ids of the preliminary ones, whose
    deliveries are done, and they belong together.
    """
    parcels = {
        name: [i for i in ids if _is_for(i, rooms.destinations[name].kind)] for name in plan["destinations"]
    }
    for name, objects in parcels.items():
        for identifier in objects:
            rooms.deliveries.plan(plan["study_uid"], identifier, name, report.signed_at)
    return parcels


def _is_for(identifier: str, destination_kind: str) -> bool:
    if destination_kind == _FHIR:
        return identifier.startswith(_BUNDLE)
    return not is_fhir(identifier)
