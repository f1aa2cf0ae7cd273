"""The gateway of identity, put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from coread.gateways.identity.account import AccountPages
from coread.gateways.identity.answering import route
from coread.gateways.identity.guard import guard, required
from coread.gateways.identity.login import LoginPages
from coread.gateways.identity.middleware import WhoCalls
from coread.gateways.identity.oidc import SignOn
from coread.gateways.identity.options import IdentityOptions
from coread.gateways.identity.oversight import Oversight, OversightPages, StudyGate
from coread.gateways.identity.people import PeoplePages
from coread.gateways.identity.reception import Reception
from coread.gateways.pages.routes import Address
from coread.governance import People, Sessions, Tokens


class Identity:
    """Who calls, and what that is allowed.

    Parameters
    ----------
    people, sessions, tokens
        The keepers.
    options
        What is allowed, and whom to believe.
    clock
        Tells the time.
    oversight
        Keepers of acts under watch; None: no study is restricted.

    Examples
    --------
    ::

        identity = Identity(people, sessions, tokens, options, now)
        app = Starlette(routes=[
            *identity.routes(),
            Route("/audit", identity.required(Permission.SEE_LEDGER)(audit)),
            Mount("/dicomweb", identity.guard(dicomweb, Permission.SEE_IMAGES, Permission.STORE_IMAGES)),
        ], middleware=[Middleware(identity.middleware)])
    """

    guard = guard
    required = staticmethod(required)

    def __init__(
        self,
        people: People,
        sessions: Sessions,
        tokens: Tokens,
        options: IdentityOptions,
        clock: Callable[[], datetime],
        oversight: Oversight | None = None,
    ) -> None:
        self._reception = Reception(people, sessions, tokens, options, clock)
        self._oversight = oversight
        login = LoginPages(self._reception)
        self._tables = (
            login.table(),
            SignOn(self._reception, login).table(),
            AccountPages(self._reception).table(),
            PeoplePages(self._reception).table(),
            OversightPages(self._reception, oversight).table() if oversight else (),
        )

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Stand before an application: it finds the caller in ``scope["state"]["caller"]``."""
        if self._oversight:
            app = StudyGate(app, self._oversight.restrictions, self._reception.clock)
        return WhoCalls(app, self._reception)

    def table(self) -> tuple[Address, ...]:
        """List the addresses of all pages with what each needs."""
        return tuple(address for table in self._tables for address in table)

    def routes(self) -> list[Route]:
        """Return the pages: login, account, people."""
        return [route(address) for address in self.table()]

    def prove(self, request: Request, password: str, totp: str = "") -> None:
        """Let whoever is logged in show again who it is, as signing asks; blocks for the time of a hash.

        Raises
        ------
        LoginRequired
            If nobody is logged in.
        AccessDenied
            If a token calls.
        ReauthenticationRequired
            If no password was given, and nothing was shown a moment ago.
        LoginFailed, AccountLocked, TooManyRequests
            If password or code are not right, or were tried too often.
        """
        self._reception.prove(request, password, totp)
