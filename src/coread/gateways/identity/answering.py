"""How the pages of identity answer: a form is read, one function called, a fault told in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from math import ceil
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coread.domain.person import Permission
from coread.errors import AccountLocked, CoReadError, TooManyRequests
from coread.gateways.answers import retry_headers
from coread.gateways.identity.guard import denied
from coread.gateways.pages.asking import Asked, asked
from coread.gateways.pages.routes import Address, check
from coread.gateways.statuses import status_of

_DAY_S = 86_400


def route(address: Address) -> Route:
    """Make what Starlette wants of one line of the table.

    Unlike the other pages, these are open to somebody who must choose a password first.
    """
    return Route(address.path, _endpoint(address), methods=[address.method])


def _endpoint(address: Address) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            check(address, request)
            return await run_in_threadpool(address.answer, await asked(request))
        except CoReadError as error:
            return denied(request, error)

    return endpoint


def told(asked: Asked, error: CoReadError | None) -> dict[str, Any]:
    """Return what the template ``fault_message.html`` needs."""
    if error is None:
        return {"fault": None}
    words, key = asked.words, f"faults.{error.number}"
    sentence = words.t(f"{key}.sentence") if words.knows(f"{key}.sentence") else error.sentence
    advice = words.t(f"{key}.remedy") if words.knows(f"{key}.remedy") else error.remedy
    if isinstance(error, AccountLocked | TooManyRequests) and error.wait_s < _DAY_S:
        advice = words.tn("login.wait", ceil(error.wait_s))
    return {"fault": {"number": error.number, "sentence": sentence, "advice": advice}}


def status(error: CoReadError | None) -> dict[str, Any]:
    """Return the status and headers of a page that tells a fault, as `render` takes them."""
    if error is None:
        return {}
    return {"status_code": status_of(error).http, "headers": retry_headers(error)}


def in_order(permissions: Collection[Permission]) -> list[Permission]:
    """Return permissions in the order in which they are told everywhere."""
    return [permission for permission in Permission if permission in permissions]
