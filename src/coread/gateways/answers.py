"""What every HTTP gateway answers when it cannot do what was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from coread.errors import AccountLocked, BadQuery, CoReadError, NotFound, OutOfRoom, TooManyRequests
from coread.gateways.statuses import status_of

Handler = Callable[[Request, Exception], Response]

_RETRY_AFTER_S = "30"


def service_root(request: Request, public_url: str) -> str:
    """Return the address of the service as the client knows it, without a trailing slash.

    Some clients, dicomweb-client among them, leave the port out of their Host header.
    """
    url = request.base_url.replace(path=request.scope.get("root_path", ""))
    host, port = request.scope.get("server") or ("", None)
    if url.port is None and url.hostname in (host, "localhost") and port:
        url = url.replace(port=port)
    return (public_url or str(url)).rstrip("/")


def hidden_studies(request: Request) -> frozenset[str]:
    """Return the Study Instance UIDs of restricted studies that the caller may not see, as identity found."""
    hidden: object = getattr(request.state, "hidden_studies", None)
    return hidden if isinstance(hidden, frozenset) else frozenset()


def fault_body(error: CoReadError) -> dict[str, object]:
    """Say `error` in JSON: number, sentence, found, expected, remedy."""
    return {
        "number": error.number,
        "sentence": error.sentence,
        "found": error.found,
        "expected": error.expected,
        "remedy": error.remedy,
    }


def fault_response(error: CoReadError) -> Response:
    """Answer `error` with its status of :mod:`coread.gateways.statuses`."""
    return JSONResponse(fault_body(error), status_of(error).http, retry_headers(error))


def retry_headers(error: CoReadError) -> dict[str, str]:
    """Say when to try again, where that may help."""
    if isinstance(error, AccountLocked | TooManyRequests):
        return {"Retry-After": str(ceil(error.wait_s))}
    return {"Retry-After": _RETRY_AFTER_S} if isinstance(error, OutOfRoom) else {}


def fault_handlers(answer: Callable[[CoReadError, int], Response]) -> Mapping[type[Exception], Handler]:
    """Give Starlette's exception handlers for an app that says its faults through `answer`.

    Parameters
    ----------
    answer
        Takes the error and the HTTP status, gives the response.
    """

    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, CoReadError)  # noqa: S101
        return answer(error, status_of(error).http)

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        response = answer(_as_fault(error.status_code), error.status_code)
        response.headers.update(error.headers or {})
        return response

    def unforeseen(request: Request, error: Exception) -> Response:
        return answer(CoReadError("a fault of the server", remedy="look into the server's log"), 500)

    def gone(request: Request, error: Exception) -> Response:
        return answer(BadQuery("a request that was broken off"), 400)  # nobody reads it

    return {CoReadError: known, HTTPException: http, ClientDisconnect: gone, Exception: unforeseen}


def json_fault_handlers() -> Mapping[type[Exception], Handler]:
    """Give Starlette's exception handlers for an app that says its faults as plain JSON."""
    return fault_handlers(_json_answer)


def _json_answer(error: CoReadError, status: int) -> Response:
    response = fault_response(error)
    response.status_code = status
    return response


def _as_fault(status: int) -> CoReadError:
    if status == 404:
        return NotFound(
            "no resource at this address", remedy="see the conformance statement for the addresses"
        )
    if status == 405:
        return BadQuery("a method that this address does not serve", remedy="see the conformance statement")
    return BadQuery(f"a request that ends in HTTP status {status}")
