"""All pages, put together: one table of addresses with what each needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from coread.archive import Archive, Deliveries, Quarantine, Studies, Workers
from coread.domain.bundle import Card
from coread.domain.event import Event
from coread.domain.person import Permission
from coread.domain.review import SignedReport
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.consent import ConsentPage, NoticePage
from coread.gateways.pages.keeping.audit_page import AuditPage
from coread.gateways.pages.keeping.exports_page import ExportsPage
from coread.gateways.pages.keeping.quality_page import QualityPage
from coread.gateways.pages.keeping.responsibility_page import ResponsibilityPage
from coread.gateways.pages.keeping.settings_page import SettingsPage
from coread.gateways.pages.keeping.system_page import SystemPage, SystemRooms, Target
from coread.gateways.pages.live import LiveEvents
from coread.gateways.pages.reading.asking_api import AskingApi
from coread.gateways.pages.reading.list_page import ListPage
from coread.gateways.pages.reading.report_api import ReportApi
from coread.gateways.pages.reading.review_api import ReviewApi
from coread.gateways.pages.reading.study_page import StudyPage
from coread.gateways.pages.routes import Access, Address, Form, routes
from coread.gateways.pages.static_files import MOUNT, StaticFiles
from coread.gateways.pages.static_files import address as address_of
from coread.governance import Consents, People
from coread.governance.exports import ExportDesk
from coread.intake import Intake
from coread.ledger import AuditSource, Ledger, Notary
from coread.review import ReviewDesk
from coread.routing import Rules
from coread.settings import Setting

_STUDY = "/api/v1/studies/{study_uid}"
_EXPORT = "/exports/{job_id}"


@dataclass(frozen=True, slots=True)
class PageRooms:
    """What the pages stand on; made by whoever puts the service together."""

    desk: ReviewDesk
    people: People
    archive: Archive
    studies: Studies
    deliveries: Deliveries
    quarantine: Quarantine
    intake: Intake
    ledger: Ledger
    workers: Workers
    rules: Callable[[], Rules]
    reader_names: Callable[[], Sequence[str]]
    cards: Callable[[str], Card | None]
    evaluations: Callable[[str], Mapping[str, Any] | None]
    targets: Sequence[Target]
    """Destinations of results."""
    settings: Callable[[], Sequence[Setting]]
    reports: Callable[[str], tuple[SignedReport, ...]]
    """Signed reports of a study, the first one first."""
    print_report: Callable[[SignedReport, str], bytes]
    """Prints a report in a language as PDF."""
    prove: Callable[[Request, str, str], None]
    """Lets whoever is logged in show again who it is, or raises."""
    now: Callable[[], datetime]
    stale_after_s: float = 15.0
    """Seconds of silence after which a worker counts as dead."""
    wake: Callable[[], None] = lambda: None
    """Called after something was asked of a worker."""
    notary: Notary | None = None
    """Who signs the ledger; None where nobody does."""
    audit_source: AuditSource = field(default_factory=AuditSource)
    """Who speaks in audit records."""
    consents: Consents | None = None
    """What patients agreed to; None where nobody keeps it."""
    contact: str = ""
    """Whom patients ask about AI and consent."""
    organisation: str = ""
    """Hospital as reports name it."""
    exports: Callable[[], ExportDesk] | None = None
    """De-identified copies on their way out; None where there are none."""


class Pages:
    """The pages of one clinic.

    Parameters
    ----------
    rooms
        What they stand on.
    """

    def __init__(self, rooms: PageRooms) -> None:
        self._rooms = rooms
        self.live = LiveEvents(rooms.ledger)
        self._static = StaticFiles()
        reviews = ReviewApi(rooms.desk, rooms.archive, rooms.people)
        self._list = ListPage(rooms.desk)
        self._study = StudyPage(rooms.desk, rooms.archive, rooms.people, reviews)
        self._reviews = reviews
        self._asking = AskingApi(rooms.desk, reviews, rooms.wake)
        self._reports = ReportApi(rooms.desk, reviews, rooms.prove, rooms.reports, self._printed)
        self._system = SystemPage(_system_rooms(rooms))
        self._quality = QualityPage(rooms.desk, rooms.reader_names, rooms.cards, rooms.evaluations, rooms.now)
        self._audit = AuditPage(rooms.ledger, rooms.people, rooms.now, rooms.notary)
        self._responsibility = ResponsibilityPage(
            rooms.ledger, rooms.notary, rooms.people, rooms.now, rooms.audit_source
        )
        self._settings = SettingsPage(rooms.settings, rooms.people)
        self._exports = ExportsPage(rooms.exports, rooms.people)
        self._consents = ConsentPage(rooms.consents, rooms.people, rooms.now)
        self._notice = NoticePage(rooms.desk, rooms.ledger, rooms.now, rooms.contact, rooms.organisation)

    def routes(self) -> list[Route]:
        """Return Starlette's routes of all pages."""
        return routes(self.table())

    def close(self) -> None:
        """End the streams of live updates, so that the server need not wait for them."""
        self.live.close()

    def table(self) -> tuple[Address, ...]:
        """List every address with what it needs."""
        return (
            *self._open(),
            *self._of_list(),
            *self._of_study(),
            *self._of_report(),
            *self._of_house(),
            *self._of_exports(),
            *self._of_consent(),
        )

    def _open(self) -> tuple[Address, ...]:
        return (
            Address("GET", MOUNT + "/{path:path}", Access.PUBLIC, self._file, Form.DATA),
            Address("GET", "/favicon.ico", Access.PUBLIC, self._icon, Form.DATA),
            Address("POST", "/language", Access.PUBLIC, self._settings.language),
            Address("GET", "/", Access.SIGNED_IN, self._list.show),
            Address("GET", "/api/v1/events", Access.SIGNED_IN, self._nothing, Form.DATA, self.live.answer),
        )

    def _of_list(self) -> tuple[Address, ...]:
        see, page = Permission.SEE_WORKLIST, self._list
        return (
            Address("GET", "/worklist/rows", see, page.rows),
            Address("GET", "/api/v1/worklist", see, page.data, Form.DATA),
            Address("POST", "/api/v1/views", see, page.save_view, Form.DATA),
            Address("DELETE", "/api/v1/views", see, page.delete_view, Form.DATA),
        )

    def _of_study(self) -> tuple[Address, ...]:
        see, decide, api, data = Permission.SEE_IMAGES, Permission.DECIDE, self._reviews, Form.DATA
        decision = _STUDY + "/findings/{finding_uid}/decision"
        return (
            Address("GET", "/studies/{study_uid}", see, self._study.show),
            Address("GET", _STUDY + "/review", see, api.look, data),
            Address("POST", _STUDY + "/impression", decide, api.impression, data),
            Address("POST", decision, decide, api.decide, data),
            Address("DELETE", decision, decide, api.undo, data),
            Address("POST", _STUDY + "/statements", decide, api.add, data),
            Address("POST", _STUDY + "/acknowledgement", decide, api.acknowledge, data),
            Address("POST", _STUDY + "/asked", decide, self._asking.ask, data),
            Address(
                "POST",
                _STUDY + "/findings/{finding_uid}/reconsidered",
                decide,
                self._asking.reconsider,
                data,
            ),
            Address("POST", _STUDY + "/follow_up", decide, self._asking.follow_up, data),
            Address("POST", _STUDY + "/questions", decide, api.ask, data),
            Address("POST", _STUDY + "/questions/{question_id}/answer", decide, api.reply, data),
            Address("POST", _STUDY + "/teaching", decide, api.teach, data),
            Address("POST", _STUDY + "/lock", decide, api.lock, data),
            Address("DELETE", _STUDY + "/lock", decide, api.release, data),
        )

    def _of_report(self) -> tuple[Address, ...]:
        see, decide, sign = Permission.SEE_IMAGES, Permission.DECIDE, Permission.SIGN
        api, data = self._reports, Form.DATA
        return (
            Address("GET", _STUDY + "/draft", decide, api.draft, data),
            Address("PUT", _STUDY + "/draft", decide, api.save, data),
            Address("POST", _STUDY + "/sign", sign, api.sign, data),
            Address("POST", _STUDY + "/addendum", sign, api.addendum, data),
            Address("GET", _STUDY + "/reports/{number}.pdf", see, api.pdf),
            Address("GET", "/api/v1/phrases", decide, api.phrases, data),
            Address("POST", "/api/v1/phrases", decide, api.add_phrase, data),
            Address("DELETE", "/api/v1/phrases", decide, api.remove_phrase, data),
        )

    def _of_house(self) -> tuple[Address, ...]:
        run, quality, ledger = Permission.RUN_SYSTEM, Permission.SEE_QUALITY, Permission.SEE_LEDGER
        system = self._system
        return (
            Address("GET", "/system", Permission.SEE_SYSTEM, system.show),
            Address("POST", "/system/deliveries/{delivery_id}/again", run, system.ask_again),
            Address("POST", "/system/deliveries/again", run, system.ask_all_again),
            Address("POST", "/system/quarantine/{quarantine_id}/release", run, system.release),
            Address("POST", "/system/quarantine/{quarantine_id}/remove", run, system.remove),
            Address("GET", "/quality", quality, self._quality.show),
            Address("GET", "/quality/readers/{name}", quality, self._quality.reader),
            Address("GET", "/audit", ledger, self._audit.show),
            Address("GET", "/audit/events.jsonl", ledger, self._audit.export),
            Address("GET", "/audit/studies/{study_uid}", ledger, self._responsibility.show),
            Address(
                "GET",
                "/audit/studies/{study_uid}/proofs.ndjson",
                ledger,
                self._responsibility.proofs,
                Form.DATA,
            ),
            Address("GET", "/audit/studies/{study_uid}/{form}", ledger, self._responsibility.export),
            Address("POST", "/api/v1/audit/verification", ledger, self._audit.verify, Form.DATA),
            Address("GET", "/settings", Permission.SEE_SETTINGS, self._settings.show),
        )

    def _of_consent(self) -> tuple[Address, ...]:
        keep, page = Permission.KEEP_CONSENTS, self._consents
        return (
            Address("GET", "/consents", keep, page.show),
            Address("POST", "/consents/find", keep, page.find),
            Address("POST", "/consents/record", keep, page.record),
            Address("GET", "/consents/{person_ref}", keep, page.person),
            Address("GET", "/studies/{study_uid}/notice", Permission.SEE_IMAGES, self._notice.show),
        )

    def _of_exports(self) -> tuple[Address, ...]:
        review, page = Permission.REVIEW_EXPORTS, self._exports
        study = _EXPORT + "/studies/{number}"
        image = study + "/images/{image}"
        return (
            Address("GET", "/exports", review, page.show),
            Address("GET", _EXPORT, review, page.job),
            Address("GET", study, review, page.study),
            Address("GET", image + "/{side}.png", review, page.picture, Form.DATA),
            Address("POST", image + "/boxes", review, page.add_box),
            Address("POST", image + "/boxes/{index}/remove", review, page.take_box_back),
            Address("POST", _EXPORT + "/accept", review, page.accept),
            Address("POST", _EXPORT + "/reject", review, page.reject),
            Address("POST", _EXPORT + "/release", review, page.release),
        )

    def _file(self, asked: Asked) -> Response:
        return self._static.answer(asked.request)

    def _icon(self, _: Asked) -> Response:
        """Answer browsers that ask by themselves, e.g. for a PDF."""
        return RedirectResponse(address_of("icon.svg"), 308)

    def _nothing(self, _: Asked) -> Response:
        return Response(status_code=204)

    def _printed(self, asked: Asked, report: SignedReport) -> bytes:
        """Print a report; that it left the house is on record."""
        data = self._rooms.print_report(report, report.draft.language)
        facts = {"report": report.uid, "number": str(report.number), "form": "pdf"}
        at = self._rooms.now()
        self._rooms.ledger.append(
            Event("report.exported", report.study_instance_uid, asked.caller.actor, at, facts)
        )
        return data


def _system_rooms(rooms: PageRooms) -> SystemRooms:
    return SystemRooms(
        archive=rooms.archive,
        studies=rooms.studies,
        deliveries=rooms.deliveries,
        quarantine=rooms.quarantine,
        intake=rooms.intake,
        ledger=rooms.ledger,
        workers=rooms.workers,
        rules=rooms.rules,
        targets=rooms.targets,
        now=rooms.now,
        stale_after_s=rooms.stale_after_s,
        wake=rooms.wake,
    )
