"""Stands before every address that names a study: a restricted one opens only to whom it may."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from coread.domain.person import Permission
from coread.errors import StudyRestricted
from coread.gateways.identity.guard import caller_of, denied
from coread.gateways.pages.faults import wants_page
from coread.governance import Restrictions

#: Addresses of one study: its page, the interface of its page, its images, the way to its patient's notice.
_STUDY: Final = re.compile(r"^/(?:[a-z][a-z0-9_-]*/){1,4}?(?P<uid>\d+\.[\d.]+)[^/]*(?:/|$)")
#: The officer and the auditor know a study by its UID alone, and this way leads to the reason.
_FREE: Final = ("/audit/", "/restricted/", "/oversight/")
#: Services and pages that show patients, beside those of one study.
_SHOWING: Final = ("/dicomweb", "/fhir", "/worklist", "/api/v1/worklist", "/studies", "/api/v1/studies")


class StudyGate:
    """Finds which studies are hidden from the caller, and refuses those.

    What it found stands in ``request.state.hidden_studies``, for searches; and in
    ``request.state.emergency_until`` of a study that is open by a given reason.

    Parameters
    ----------
    app
        What answers.
    restrictions
        Who may open what.
    clock
        Tells the time.
    """

    def __init__(self, app: ASGIApp, restrictions: Restrictions, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._restrictions = restrictions
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] != "http" or not _may_show(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        uid = _study_of(scope["path"])
        if await run_in_threadpool(self._is_hidden, request, uid):
            await self._refused(request, uid)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_hidden(self, request: Request, uid: str) -> bool:
        caller, at = caller_of(request), self._clock()
        person_id = caller.person.id if caller.person else ""
        is_person = caller.kind == "session"
        hidden = self._restrictions.hidden_from(person_id, at, in_emergency=is_person)
        request.state.hidden_studies = hidden
        until = self._restrictions.open_until(uid, person_id, at) if uid and is_person else None
        request.state.emergency_until = until
        return uid in hidden

    def _refused(self, request: Request, uid: str) -> ASGIApp:
        caller = caller_of(request)
        if request.method == "GET" and wants_page(request) and caller.may(Permission.SEE_IMAGES):
            return RedirectResponse(f"/restricted/{uid}", 303, {"Cache-Control": "no-store"})
        return denied(
            request,
            StudyRestricted(
                "a study that is not open to the caller",
                "one that is, or a reason given on its page",
                "open its page in the reading room and give a reason",
            ),
        )


def _may_show(path: str) -> bool:
    return path == "/" or path.startswith(_SHOWING) or bool(_study_of(path))


def _study_of(path: str) -> str:
    """Return the UID in an address of one study; empty for any other address."""
    found = _STUDY.match(path)
    return found["uid"] if found and not path.startswith(_FREE) else ""
