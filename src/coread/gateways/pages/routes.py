"""Addresses with what each needs: one table that requests pass through and that tests walk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from coread.domain.person import Permission
from coread.errors import AccessDenied, CoReadError, LoginRequired
from coread.gateways.pages.asking import Asked, asked
from coread.gateways.pages.faults import data_fault, page_fault

Answer: TypeAlias = Callable[[Asked], Response]
Stream: TypeAlias = Callable[[Request], Awaitable[Response]]


class Access(StrEnum):
    """What an address needs that needs no permission."""

    PUBLIC = "public"
    SIGNED_IN = "signed-in"


class Form(StrEnum):
    """How an address speaks."""

    PAGE = "page"
    """To people: who is not logged in is led to the login, faults are pages."""
    DATA = "data"
    """To scripts: JSON, faults too."""


@dataclass(frozen=True, slots=True)
class Address:
    """One line of the table."""

    method: str
    path: str
    needs: Permission | Access
    answer: Answer
    form: Form = Form.PAGE
    stream: Stream | None = None
    """Answers in place of `answer`, without end."""

    def route(self) -> Route:
        """Make what Starlette wants."""
        return Route(self.path, _guarded(self), methods=[self.method])


def routes(table: Sequence[Address]) -> list[Route]:
    """Make Starlette's routes of a table."""
    return [address.route() for address in table]


#: On record these bear a doctor's name: no program may do them, whatever the scopes of its token.
_A_PERSONS_OWN = frozenset({Permission.DECIDE, Permission.SIGN})


def check(address: Address, request: Request) -> None:
    """Let a request pass that may ask this address.

    Raises
    ------
    LoginRequired
        If nobody is logged in.
    AccessDenied
        If the caller may not.
    """
    caller = Asked(request).caller
    if isinstance(address.needs, Permission):
        caller.require(address.needs)
        if address.needs in _A_PERSONS_OWN and caller.kind == "token":
            raise AccessDenied(
                "a program that decides or signs", "a person who is logged in", "log in and do it yourself"
            )
    elif address.needs is Access.SIGNED_IN and caller.person is None:
        raise LoginRequired("nobody logged in, or a session that has ended", "a session", "log in")


def _guarded(address: Address) -> Callable[[Request], Awaitable[Response]]:
    tell = page_fault if address.form is Form.PAGE else data_fault

    async def endpoint(request: Request) -> Response:
        if address.form is Form.PAGE and Asked(request).caller.must_change_password:
            return RedirectResponse("/account", 303, {"Cache-Control": "no-store"})
        try:
            check(address, request)
            if address.stream is not None:
                return await address.stream(request)
            return await run_in_threadpool(address.answer, await asked(request))
        except CoReadError as error:
            return tell(request, error)

    return endpoint
