"""Holds what needs a permission: single addresses, and whole services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coread.domain.person import Permission
from coread.errors import AccessFault, CoReadError, LoginRequired
from coread.gateways.pages.faults import data_fault, page_fault, wants_page
from coread.governance import ANONYMOUS, Caller

Endpoint: TypeAlias = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: FHIR searches by POST where the query is long or private (R4 section 3.1.1.5.1).
_SEARCH = "/_search"


def caller_of(request: Request) -> Caller:
    """Return who makes a request, as the middleware found out; nobody where it does not stand before."""
    caller = getattr(request.state, "caller", None)
    return caller if isinstance(caller, Caller) else ANONYMOUS


def denied(request: Request, error: CoReadError) -> Response:
    """Say no: to people by a page or the way to the login, to programs by JSON."""
    if wants_page(request):
        if caller_of(request).must_change_password:
            return RedirectResponse("/account", 303, {"Cache-Control": "no-store"})
        return page_fault(request, error)
    response = data_fault(request, error)
    if isinstance(error, LoginRequired):
        response.headers["WWW-Authenticate"] = 'Bearer realm="coread"'
    return response


def required(permission: Permission) -> Callable[[Endpoint], Callable[[Request], Awaitable[Response]]]:
    """Let an address be asked by those only who have a permission.

    Examples
    --------
    ::

        Route("/audit", required(Permission.SEE_LEDGER)(page.show))
    """

    def guarded(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        @wraps(endpoint)
        async def answer(request: Request) -> Response:
            try:
                caller_of(request).require(permission)
            except AccessFault as error:
                return denied(request, error)
            if iscoroutinefunction(endpoint):
                return await endpoint(request)  # type: ignore[no-any-return]
            return await run_in_threadpool(endpoint, request)  # type: ignore[arg-type]

        return answer

    return guarded


class guard:  # noqa: N801 - used like a function, as middleware is
    """A whole service behind two permissions.

    Parameters
    ----------
    app
        The service.
    read, write
        For looking and searching, and for all else.
    """

    def __init__(self, app: ASGIApp, read: Permission, write: Permission) -> None:
        self._app = app
        self._read = read
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] == "http":
            request = Request(scope, receive)
            is_reading = scope["method"] in _READING or scope["path"].endswith(_SEARCH)
            try:
                caller_of(request).require(self._read if is_reading else self._write)
            except AccessFault as error:
                await denied(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
