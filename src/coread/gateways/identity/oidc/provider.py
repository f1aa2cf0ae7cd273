"""An OpenID Connect provider, asked by the authorization code flow with PKCE (OIDC Core 1.0, RFC 7636).

Nothing that the provider says is believed before its signature, issuer, audience, nonce and times hold.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from coread.errors import DeliveryFault, IdentityProviderFault
from coread.gateways.identity.options import OidcOptions, is_safe
from coread.gateways.outgoing import Access, Outgoing

#: No "none" and no shared-secret algorithm: only the provider can sign.
_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
_KEPT = timedelta(hours=1)
_ASKED_AGAIN_AFTER = timedelta(minutes=1)
_PAUSE = timedelta(seconds=5)
_LEEWAY_S = 60
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to the provider and back."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    must_prove: bool = False
    """Whether the provider must ask for the password, however fresh its own session is."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider publishes of itself, and when it was asked."""

    metadata: Json
    keys: KeySet
    at: datetime


class Provider:
    """One provider.

    Parameters
    ----------
    options
        Which, and how it knows us.
    clock
        Tells the time.
    """

    def __init__(self, options: OidcOptions, clock: Callable[[], datetime]) -> None:
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._silent_until: datetime | None = None

    def address(self, attempt: Attempt) -> str:
        """Return where the browser is sent.

        Raises
        ------
        IdentityProviderFault
            If the provider cannot be reached or describes itself wrongly.
        """
        prompt = "login" if attempt.must_prove else self._options.prompt
        words = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": self._options.scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": _challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        words |= {"prompt": prompt} if prompt else {}
        words |= {"max_age": "0"} if attempt.must_prove else {}
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(words)}"

    def check_issuer(self, told: str | None) -> None:
        """Refuse an answer that another provider gave (RFC 9207).

        Raises
        ------
        IdentityProviderFault
            If the answer names another issuer, or none though it should.
        """
        is_due = self._provider().metadata.get("authorization_response_iss_parameter_supported") is True
        if told != self._options.issuer and (told is not None or is_due):
            raise _fault("an answer of another issuer")

    def exchange(self, code: str, attempt: Attempt) -> Json:
        """Return the provider's claims about the person for whom it gave `code`.

        Raises
        ------
        IdentityProviderFault
            If the provider refuses the code, cannot be reached, or what it says does not hold.
        """
        words = {"grant_type": "authorization_code", "code": code, "redirect_uri": attempt.redirect_uri}
        words |= {"code_verifier": attempt.verifier, "client_id": self._options.client_id}
        headers, more = self._credentials()
        answer = self._ask("POST", self._endpoint("token_endpoint"), _FORM | headers, words | more)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise _fault("an answer without an id_token")
        claims = self._verified(id_token, attempt)
        return {**self._user_info(access_token, claims), **claims}

    def _verified(self, id_token: str, attempt: Attempt) -> Json:
        now = int(self._clock().timestamp())
        registry = jwt.JWTClaimsRegistry(
            now,
            _LEEWAY_S,
            iss={"essential": True, "value": self._options.issuer},
            aud={"essential": True, "value": self._options.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": attempt.nonce},
        )
        claims = self._decoded(id_token)
        try:
            registry.validate(claims)
        except JoseError as error:
            raise _fault(f"an id_token whose claims do not hold ({type(error).__name__})") from error
        _check_party(claims, self._options.client_id)
        if attempt.must_prove:
            _check_proof(claims, now)
        return claims

    def _decoded(self, id_token: str) -> dict[str, Any]:
        try:
            return self._decoded_by(self._provider(), id_token)
        except (JoseError, ValueError):
            pass  # perhaps the provider has new keys
        try:
            return self._decoded_by(self._provider(_ASKED_AGAIN_AFTER), id_token)
        except (JoseError, ValueError) as error:
            raise _fault("an id_token whose signature does not hold") from error

    def _decoded_by(self, known: _Known, id_token: str) -> dict[str, Any]:
        return jwt.decode(id_token, known.keys, algorithms=_ALGORITHMS).claims

    def _user_info(self, access_token: object, claims: Json) -> Json:
        """Return what the provider says only when asked with the access token, if anything."""
        if not isinstance(access_token, str) or "userinfo_endpoint" not in self._provider().metadata:
            return {}
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        said = self._ask("GET", self._endpoint("userinfo_endpoint"), headers)
        if said.get("sub") != claims["sub"]:
            raise _fault("user information about somebody else")
        return said

    def _credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the headers and form fields by which the provider knows us (RFC 6749 section 2.3.1)."""
        secret = self._options.client_secret
        if not secret:
            return {}, {}
        ways = self._provider().metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" not in ways:
            return {}, {"client_secret": secret}
        pair = f"{quote(self._options.client_id, safe='')}:{quote(secret, safe='')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}

    def _endpoint(self, name: str) -> str:
        address = self._provider().metadata.get(name)
        if not isinstance(address, str) or not is_safe(address):
            raise _fault(f"a description without a safe {name}")
        return address

    def _provider(self, older_than: timedelta = _KEPT) -> _Known:
        """Return what the provider publishes of itself, asked anew if what is known is older."""
        with self._lock:
            now = self._clock()
            if self._known is None or now - self._known.at >= older_than:
                self._known = self._asked_with_patience(now)
            return self._known

    def _asked_with_patience(self, now: datetime) -> _Known:
        """Ask, but not within seconds of a failure: nobody shall queue up behind a silent provider."""
        if self._silent_until is not None and now < self._silent_until:
            raise _fault("a provider that did not answer a moment ago")
        try:
            return self._asked(now)
        except IdentityProviderFault:
            self._silent_until = self._clock() + _PAUSE
            raise

    def _asked(self, now: datetime) -> _Known:
        issuer = self._options.issuer
        metadata = self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        address = metadata.get("jwks_uri")
        if metadata.get("issuer") != issuer or not isinstance(address, str) or not is_safe(address):
            raise _fault("a description of another issuer, or without a safe jwks_uri")
        try:
            published = self._ask("GET", address)
            signing = [key for key in published["keys"] if key.get("use", "sig") == "sig"]
            return _Known(metadata, KeySet.import_key_set({"keys": signing}), now)
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _fault("keys that cannot be read") from error

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        words: Mapping[str, str] | None = None,
    ) -> Json:
        access = Access(timeout_s=self._options.timeout_s, tls=self._options.tls)
        body = urlencode(words).encode() if words else b""
        try:
            with Outgoing(access) as outgoing:
                answer = outgoing.ask(method, url, headers or {"Accept": "application/json"}, body)
            said = json.loads(answer.body) if answer.status == 200 else None
        except DeliveryFault as error:
            raise _fault(error.found) from error
        except ValueError as error:
            raise _fault("an answer that is no JSON") from error
        if not isinstance(said, dict):
            raise _fault(f"an answer of HTTP status {answer.status}, or no JSON object")
        return said


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _check_party(claims: Json, client_id: str) -> None:
    """Hold the authorised party to us (OIDC Core section 3.1.3.7, 4 and 5)."""
    party = claims.get("azp")
    is_for_others_too = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (party is not None and party != client_id) or (party is None and is_for_others_too):
        raise _fault("an id_token that was made for another client")


def _check_proof(claims: Json, now: int) -> None:
    """Hold the provider to having asked for a proof just now (OIDC Core section 3.1.2.1, ``max_age``)."""
    at = claims.get("auth_time")
    if not isinstance(at, int) or isinstance(at, bool) or not now - 300 <= at <= now + _LEEWAY_S:
        raise _fault("a login that is not fresh, though a fresh one was asked for")


def _fault(found: str) -> IdentityProviderFault:
    return IdentityProviderFault(found, "what OpenID Connect says", "try again, or tell the administrator")
