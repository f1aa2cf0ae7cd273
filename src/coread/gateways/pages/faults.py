"""How faults are told: a page in plain words to people, JSON to scripts and machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from coread.errors import CoReadError, LoginRequired, NotReadyToSign, StaleReview
from coread.gateways.answers import Handler, fault_body, fault_handlers, retry_headers
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.languages import language_of, words
from coread.gateways.pages.rendering import local_path, page_of, render
from coread.gateways.statuses import status_of


def page_fault(request: Request, error: CoReadError, status: int | None = None) -> Response:
    """Tell a fault to a person; who is not logged in is sent to log in and comes back to this page."""
    if isinstance(error, LoginRequired) and request.method in {"GET", "HEAD"}:
        return _login_first(request)
    said = words(language_of(request))
    key = f"faults.{error.number}"
    context = {
        "number": error.number,
        "sentence": said.t(f"{key}.sentence") if said.knows(f"{key}.sentence") else error.sentence,
        "remedy": said.t(f"{key}.remedy") if said.knows(f"{key}.remedy") else "",
        "detail": str(error),
        "way_out": page_of(Asked(request).caller.permissions),
    }
    headers = retry_headers(error)
    return render(
        request, "error.html", context, status_code=status or status_of(error).http, headers=headers
    )


def data_fault(request: Request, error: CoReadError, status: int | None = None) -> Response:
    """Tell a fault to a script: `fault_body`, with the sentence in the page's language beside it."""
    said = words(language_of(request))
    key = f"faults.{error.number}"
    body = fault_body(error) | {
        "told": said.t(f"{key}.sentence") if said.knows(f"{key}.sentence") else error.sentence,
        "advice": said.t(f"{key}.remedy") if said.knows(f"{key}.remedy") else error.remedy,
        **_more(error),
    }
    headers = {"Cache-Control": "no-store"} | retry_headers(error)
    return JSONResponse(body, status or status_of(error).http, headers)


def negotiated_fault_handlers() -> Mapping[type[Exception], Handler]:
    """Give Starlette's exception handlers: a page where the client asks for HTML first, else JSON."""
    told: dict[type[Exception], Handler] = {}
    for kind, handler in fault_handlers(_bare).items():
        told[kind] = _negotiating(handler)
    return told


def wants_page(request: Request) -> bool:
    """Tell whether a browser navigates, rather than a script or machine asking for data."""
    accept = request.headers.get("accept", "")
    return "text/html" in accept and not request.url.path.startswith(("/api/", "/dicomweb", "/fhir"))


class _Bare(Response):
    """Carries an error from the shared handlers to the one that chooses its form."""

    def __init__(self, error: CoReadError, status: int) -> None:
        super().__init__(status_code=status)
        self.error = error


def _bare(error: CoReadError, status: int) -> Response:
    return _Bare(error, status)


def _negotiating(handler: Handler) -> Handler:
    def answer(request: Request, exception: Exception) -> Response:
        bare = handler(request, exception)
        if not isinstance(bare, _Bare):
            return bare
        tell = page_fault if wants_page(request) else data_fault
        response = tell(request, bare.error, bare.status_code)
        if isinstance(exception, HTTPException):
            response.headers.update(exception.headers or {})
        return response

    return answer


def _more(error: CoReadError) -> dict[str, Any]:
    if isinstance(error, StaleReview):
        return {"revision": error.revision}
    return {"hurdles": list(error.hurdles)} if isinstance(error, NotReadyToSign) else {}


def _login_first(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(
        f"/login?{urlencode({'next': local_path(here)})}", 303, {"Cache-Control": "no-store"}
    )
