"""Login at the identity provider: there, back, and who that is here.

What must match on the way back is derived from a secret that only this browser holds: nothing is kept here
meanwhile, and an answer that another browser fetched does not fit.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from coread.domain.person import Person, Role
from coread.errors import AccessFault, CoReadError, IdentityProviderFault, LoginFailed, NotFound
from coread.gateways.answers import service_root
from coread.gateways.identity.cookies import Cookie
from coread.gateways.identity.login import LoginPages
from coread.gateways.identity.oidc.provider import Attempt, Provider
from coread.gateways.identity.options import OidcOptions
from coread.gateways.identity.reception import NO_STORE, Reception, see_other, session_of
from coread.gateways.pages import local_path
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.routes import Access, Address
from coread.governance import Claims, derived

_IN, _AGAIN = "in", "again"
_LONGEST_PATH = 500
_MAX_NAME = 64


class SignOn:
    """Answers at ``/login/oidc`` and ``/login/oidc/callback``."""

    def __init__(self, reception: Reception, login: LoginPages) -> None:
        self._reception = reception
        self._login = login
        oidc = reception.options.oidc
        self._provider = Provider(oidc, reception.clock) if oidc else None

    def table(self) -> tuple[Address, ...]:
        """List the addresses with what each needs."""
        return (
            Address("GET", "/login/oidc", Access.PUBLIC, self.go),
            Address("GET", "/login/oidc/callback", Access.PUBLIC, self.come_back),
        )

    def go(self, asked: Asked) -> Response:
        """Send the browser to the provider; with ``again`` in the query, to show once more who it is."""
        purpose = _AGAIN if asked.query("again") else _IN
        wanted = local_path(asked.query("next"), "/")
        if purpose == _AGAIN:
            session_of(asked.request)
        visit = self._reception.visit(asked.request)
        attempt = self._attempt(asked, visit, _new_state(visit, purpose, wanted))
        try:
            response = RedirectResponse(self._known().address(attempt), 303, NO_STORE)
        except IdentityProviderFault as error:
            return self._login.page(asked, wanted, error)
        self._reception.cookies.set(asked.request, response, Cookie.VISIT, visit)
        return response

    def come_back(self, asked: Asked) -> Response:
        """Take the provider's answer."""
        visit = self._reception.cookies.get(asked.request, Cookie.VISIT)
        purpose, wanted = _read_state(visit, asked.query("state"))
        try:
            if not purpose:
                raise _not_ours()
            with self._reception.attempt(asked.request):
                person = self._vouched(asked, self._attempt(asked, visit, asked.query("state")))
            if purpose == _AGAIN:
                return self._proven(asked, person, wanted)
        except AccessFault as error:
            return self._login.page(asked, wanted, error)
        return self._reception.enter(
            asked.request, person, "oidc", lambda session: see_other(self._reception.onward(session, wanted))
        )

    def _vouched(self, asked: Asked, attempt: Attempt) -> Person:
        provider, options = self._known(), self._options()
        provider.check_issuer(asked.request.query_params.get("iss"))
        if error := asked.query("error"):
            raise _refused(error)
        claims = provider.exchange(asked.query("code"), attempt)
        return self._reception.people.from_oidc(
            options.issuer, str(claims["sub"]), claimed(claims, options),
            at=self._reception.clock(), may_add=options.may_add,
        )  # fmt: skip

    def _proven(self, asked: Asked, person: Person, wanted: str) -> Response:
        session = session_of(asked.request)
        if session.person.id != person.id:
            raise LoginFailed("another person than the one who is logged in", "the same", "log out first")
        token = self._reception.cookies.get(asked.request, Cookie.SESSION)
        self._reception.sessions.prove(token, self._reception.clock())
        return see_other(wanted)

    def _attempt(self, asked: Asked, visit: str, state: str) -> Attempt:
        once, _, rest = state.partition(".")
        root = service_root(asked.request, self._reception.options.public_url)
        return Attempt(
            redirect_uri=f"{root}/login/oidc/callback",
            state=state,
            nonce=derived(visit, "nonce", once),
            verifier=derived(visit, "verifier", once),
            must_prove=rest.startswith(f"{_AGAIN}."),
        )

    def _known(self) -> Provider:
        if self._provider is None:
            raise _no_provider()
        return self._provider

    def _options(self) -> OidcOptions:
        if self._reception.options.oidc is None:
            raise _no_provider()
        return self._reception.options.oidc


def claimed(claims: Mapping[str, Any], options: OidcOptions) -> Claims:
    """Read a person out of a provider's claims.

    Parameters
    ----------
    claims
        Of the id_token and the user information.
    options
        Which claim means what.
    """
    login = _login(str(claims.get(options.login_claim) or claims.get("email") or ""), str(claims["sub"]))
    name = "".join(filter(str.isprintable, str(claims.get("name") or "")))[:_MAX_NAME].strip() or login
    return Claims(login, name, _roles(claims, options))


def _roles(claims: Mapping[str, Any], options: OidcOptions) -> frozenset[Role] | None:
    if not options.role_claim:
        return None
    value: Any = claims
    for part in options.role_claim.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(options.roles[word] for word in words if isinstance(word, str) and word in options.roles)


def _login(told: str, subject: str) -> str:
    """Return a login that can be one here, e.g. without the backslash of a Windows domain."""
    usable = re.sub(r"[^\w.@+-]+", "-", told).lstrip("-.@+")[:_MAX_NAME]
    return usable or f"oidc-{hashlib.sha256(subject.encode()).hexdigest()[:12]}"


def _new_state(visit: str, purpose: str, wanted: str) -> str:
    """Write what must come back: a part for once, the purpose, where to go then, the browser's seal."""
    path = wanted if len(wanted) <= _LONGEST_PATH else "/"
    words = (secrets.token_urlsafe(16), purpose, base64.urlsafe_b64encode(path.encode()).decode())
    return ".".join((*words, derived(visit, "state", *words)))


def _read_state(visit: str, state: str) -> tuple[str, str]:
    """Return purpose and path of a state that this browser was given, else no purpose and the first page."""
    *words, seal = state.split(".")
    if (
        not visit
        or len(words) != 3
        or not hmac.compare_digest(seal.encode(), derived(visit, "state", *words).encode())
    ):
        return "", "/"
    return words[1], local_path(base64.urlsafe_b64decode(words[2]).decode(), "/")


def _refused(error: str) -> CoReadError:
    if error == "access_denied":
        return LoginFailed("a login that was given up at the provider", "one that was finished", "try again")
    known = error if re.fullmatch(r"[a-z_]{1,40}", error) else "a word that is none"
    return IdentityProviderFault(f"a refusal of the provider: {known}", "a code")


def _not_ours() -> IdentityProviderFault:
    return IdentityProviderFault(
        "an answer of the provider that does not belong to this browser",
        "one that was asked for here",
        "try again",
    )


def _no_provider() -> NotFound:
    return NotFound("no identity provider in the settings", "one", "log in with a password")
