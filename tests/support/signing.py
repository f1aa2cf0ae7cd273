"""A shelf of signed reports, and a worker that publishes what stands on it."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from signed_reports import report_of, statement_of

from coread.clinic import Clinic, now
from coread.dicom import open_object
from coread.domain.codes import CONSOLIDATION
from coread.domain.event import Event
from coread.domain.review import Decision, RejectReason, SignedReport, Verdict
from coread.errors import NotFound
from coread.ledger import Ledger
from coread.workflow import Destination, Patience, Rhythm, Rooms, Worker


class Shelf:
    """Keeps signed reports in a folder that several processes may share; as `SignedReports` promises."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self._folder = folder
        self._ledger = ledger
        folder.mkdir(parents=True, exist_ok=True)

    def sign(self, report: SignedReport) -> str:
        """Put a report on the shelf."""
        fresh = self._folder / f".{uuid4().hex}"
        fresh.write_bytes(pickle.dumps(report))
        fresh.rename(self._folder / f"{report.uid}.report")
        return report.uid

    def _all(self) -> list[SignedReport]:
        kept = [pickle.loads(path.read_bytes()) for path in self._folder.glob("*.report")]
        return sorted(kept, key=lambda report: (report.signed_at, report.uid))

    def unpublished(self) -> list[str]:
        return [r.uid for r in self._all() if not (self._folder / f"{r.uid}.published").exists()]

    def report(self, uid: str) -> SignedReport:
        try:
            return pickle.loads((self._folder / f"{uid}.report").read_bytes())
        except FileNotFoundError:
            raise NotFound("a UID of no signed report") from None

    def reports_of(self, study_instance_uid: str) -> list[SignedReport]:
        own = [r for r in self._all() if r.study_instance_uid == study_instance_uid]
        return sorted(own, key=lambda report: report.number)

    def mark_published(self, uid: str) -> None:
        report = self.report(uid)
        facts = {"report": uid, "number": str(report.number)}
        key = f"report.published:{uid}"
        event = Event("report.published", report.study_instance_uid, "system", now(), facts, key)
        self._ledger.append(event)
        (self._folder / f"{uid}.published").touch()


def publishing_worker(clinic: Clinic, shelf: Shelf, senders, probe=lambda point: None) -> Worker:
    """Make the worker of a clinic whose signed reports stand on a shelf."""
    plan, complete = clinic.settings.workflow, clinic.settings.completeness
    rooms = Rooms(
        archive=clinic.archive,
        studies=clinic.studies,
        readings=clinic.readings,
        resources=clinic.resources,
        deliveries=clinic.deliveries,
        intake=clinic.intake,
        ledger=clinic.ledger,
        registry=clinic.registry,
        rules=clinic.rules,
        now=now,
        destinations={d.name: Destination(**d.model_dump()) for d in clinic.settings.destinations},
        senders=senders,
        patience=Patience(plan.delivery_attempts, plan.first_retry_s, plan.longest_retry_s),
        casebook=shelf,
        organization="First Hospital",
    )
    rhythm = Rhythm(
        complete.quiet_period_s,
        complete.poll_interval_s,
        plan.concurrency,
        plan.heartbeat_s,
        plan.stale_after_s,
    )
    folder = clinic.settings.data.folder
    own = f"sqlite:///{(folder / 'workflow.sqlite').absolute()}"
    url = own if clinic.database.is_sqlite else clinic.database.url
    return Worker(rooms, clinic.workers, rhythm, url, folder / "worker.lock", probe)


def signed_report(clinic: Clinic, study_uid: str, number: int = 1, *, reject: bool = False, **more):
    """Give a report on what the readers said of a study: all accepted but the last, which is edited."""
    readings = clinic.readings.of_study(study_uid)
    first = next(i for i in clinic.archive.study(study_uid).instances if i.source == "folder")
    image = open_object(clinic.archive.read_object(first))
    found = [(f, reading) for reading in readings for f in reading.findings]
    decisions = [_decided(f, reading, reject) for f, reading in found]
    if decisions and not reject:
        last = decisions[-1]
        decisions[-1] = replace(
            last, verdict=Verdict.EDITED, statement=replace(last.statement, code=CONSOLIDATION)
        )
    before = report_of(image, readings, [], number=number - 1).uid if number > 1 else ""
    return report_of(image, readings, decisions, number=number, predecessor_uid=before, **more)


def _decided(finding, reading, reject: bool) -> Decision:
    if reject:
        return Decision(
            finding.tracking_uid, Verdict.REJECTED, reading.uid, None, "p-1", now(), RejectReason.ARTEFACT
        )
    said = statement_of(finding)
    return Decision(finding.tracking_uid, Verdict.ACCEPTED, reading.uid, said, "p-1", now())


def sink(folder: Path):
    """Make a sender that keeps what it is given, one file for each time."""

    def send(destination, data: bytes) -> None:
        (folder / "sink").mkdir(exist_ok=True)
        name = f"{destination.name}-{os.getpid()}-{uuid4().hex}"
        (folder / "sink" / name).write_bytes(data)

    return send
