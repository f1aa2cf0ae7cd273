"""What the pages of identity share: the keepers, the clock, and how somebody shows who it is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from coread.domain.person import Person
from coread.errors import AccessDenied, LoginRequired, ReauthenticationRequired
from coread.gateways.identity.cookies import Cookie, Cookies
from coread.gateways.identity.options import IdentityOptions
from coread.gateways.identity.sources import RateLimit, source_of
from coread.gateways.pages import local_path, page_of
from coread.governance import People, Session, Sessions, Tokens

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Reception:
    """The keepers of governance, as the pages call them."""

    people: People
    sessions: Sessions
    tokens: Tokens
    options: IdentityOptions
    clock: Callable[[], datetime]
    cookies: Cookies = field(init=False)
    limit: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cookies", Cookies(self.options.public_url))
        object.__setattr__(self, "limit", RateLimit(self.options.failures_per_minute, self.clock))

    def source(self, request: Request) -> str:
        """Return the address of whoever asks."""
        return source_of(request, self.options.trusted_proxies)

    @contextmanager
    def attempt(self, request: Request) -> Iterator[str]:
        """Count a login against its source unless the block ends well; gives the source.

        Raises
        ------
        TooManyRequests
            If the source failed too often in the last minute.
        """
        source = self.source(request)
        self.limit.take(source)
        yield source
        self.limit.give_back(source)

    def visit(self, request: Request) -> str:
        """Return the browser's secret from before the login; a new one where it has none."""
        return self.cookies.get(request, Cookie.VISIT) or secrets.token_urlsafe(32)

    def enter(
        self, request: Request, person: Person, method: str, answer: Callable[[Session], Response]
    ) -> Response:
        """Open a session and give it to the browser; what it held before opens nothing any more."""
        at, source = self.clock(), self.source(request)
        for cookie in (Cookie.SESSION, Cookie.HALF):
            if former := self.cookies.get(request, cookie):
                self.sessions.close(former, at, source)
        token, session = self.sessions.open(person, at, method=method, source=source)
        response = answer(session)
        self.cookies.set(request, response, Cookie.SESSION, token)
        self.cookies.drop(request, response, Cookie.HALF, Cookie.VISIT)
        return response

    def prove(self, request: Request, password: str, totp: str = "") -> None:
        """Let whoever is logged in show again who it is, for an act that must be this person's own.

        With a password (and a second factor, if there is one); without one by what was shown a moment ago,
        be it at ``/api/v1/reauthenticate`` or at the identity provider, see ``/login/oidc?again=1``.

        Raises
        ------
        LoginRequired
            If nobody is logged in.
        AccessDenied
            If a token calls: a program cannot show that it is a person.
        ReauthenticationRequired
            If nothing was shown.
        LoginFailed, AccountLocked, TooManyRequests
            If it was not right, or tried too often.
        """
        session = _own_session(request)
        if password:
            at = self.clock()
            with self.attempt(request) as source:
                self.people.verify_again(session.person.id, password, totp, at, source)
            self.sessions.prove(self.cookies.get(request, Cookie.SESSION), at)
        elif not (session.was_proven_again and self.is_proven(request, self.options.signing_proof_s)):
            raise _unproven()

    def prove_unless_fresh(self, request: Request, form: Mapping[str, str]) -> None:
        """Ask for a proof before people or tokens are changed, unless there was one a while ago.

        Raises
        ------
        LoginRequired, AccessDenied, ReauthenticationRequired, LoginFailed, AccountLocked, TooManyRequests
            As `prove`.
        """
        _own_session(request)
        if not self.is_proven(request, self.options.fresh_s):
            self.prove(request, form.get("proof_password", ""), form.get("proof_code", ""))

    def is_proven(self, request: Request, within_s: float) -> bool:
        """Tell whether the person showed who it is within so many seconds."""
        return (self.clock() - session_of(request).proven_at).total_seconds() < within_s

    def proof_context(self, request: Request, path: str) -> dict[str, object]:
        """Return what the template ``proof_fields.html`` needs: is a proof due, of what, and then where."""
        account = self.people.account(session_of(request).person.id)
        return {
            "proof_due": not self.is_proven(request, self.options.fresh_s),
            "proof_by_password": account.has_password,
            "proof_by_code": account.has_totp,
            "proof_path": path,
        }

    def onward(self, session: Session, wanted: str) -> str:
        """Return the path to go to after a login: the one wanted if it is ours, else the first allowed."""
        if session.must_change_password:
            return "/account"
        path = local_path(wanted, "/")
        return page_of(session.caller.permissions) if path == "/" else path


def session_of(request: Request) -> Session:
    """Return the session that asks.

    Raises
    ------
    LoginRequired
        If nobody is logged in.
    AccessDenied
        If a token asks.
    """
    session = getattr(request.state, "session", None)
    if isinstance(session, Session):
        return session
    if getattr(getattr(request.state, "caller", None), "person", None) is not None:
        raise AccessDenied("a token", "a person who is logged in", "do this on the page")
    raise LoginRequired("nobody logged in, or a session that has ended", "a session", "log in")


def _own_session(request: Request) -> Session:
    """Return the session that asks, if surely the person's: nobody else knows its password."""
    session = session_of(request)
    if session.must_change_password:
        raise AccessDenied("a password that somebody else set", "one's own", "choose your own password first")
    return session


def see_other(path: str) -> RedirectResponse:
    """Send the browser on after a form."""
    return RedirectResponse(path, 303, NO_STORE)


def _unproven() -> ReauthenticationRequired:
    return ReauthenticationRequired(
        "no fresh proof of who this is", "the password, or a fresh login at the provider", "show it again"
    )
