"""The steps of a signed report: plan where it goes, write and file its results, say that it is published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from coread.domain.review import SignedReport
from coread.errors import CoReadError
from coread.results import ResultObject, write_signed
from coread.routing import route
from coread.workflow.press import Press
from coread.workflow.reading import is_fhir, is_for
from coread.workflow.rooms import Rooms, SignedReports

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
    laid = Press(
        rooms.archive, rooms.readings, _reports(rooms), rooms.registry.card, rooms.organization
    ).lay_out(report)
    return write_signed(
        report, laid.readings, laid.images, laid.cards, person=laid.signer, earlier=laid.earlier
    )


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
        name: [i for i in ids if is_for(i, rooms.destinations[name].kind)] for name in plan["destinations"]
    }
    for name, objects in parcels.items():
        for identifier in objects:
            rooms.deliveries.plan(plan["study_uid"], identifier, name, report.signed_at)
    return parcels
