"""What the gateway of identity is told: where it stands, how patient it is, whom it believes."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from coread.domain.person import Role
from coread.errors import SettingsFault


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """One OpenID Connect provider, and how its words become a person here.

    Raises
    ------
    SettingsFault
        If the issuer is no https address (http on loopback is borne).
    """

    issuer: str
    """As the provider's discovery document says it, to the letter."""
    client_id: str
    client_secret: str = field(default="", repr=False)
    """Empty: a public client, held by PKCE alone."""
    label: str = ""
    """What the button says, e.g. the hospital's name."""
    scope: str = "openid profile"
    login_claim: str = "preferred_username"
    role_claim: str = ""
    """Path of the claim that holds the roles, e.g. ``realm_access.roles``; empty: roles are given here."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """From the claim's values to roles; other values give nothing."""
    may_add: bool = True
    """Whether who is not known yet gets an account."""
    prompt: str = ""
    """``login`` asks for the password each time: right where several people share a workstation."""
    tls: ssl.SSLContext | None = None
    """Authorities of the provider's certificate; the machine's where absent."""
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not is_safe(self.issuer):
            raise SettingsFault(
                "an issuer that is no https address", "https://…", "correct the issuer", where="oidc.issuer"
            )


@dataclass(frozen=True, slots=True)
class IdentityOptions:
    """What the gateway allows."""

    public_url: str = ""
    """Address as people know it, where a proxy stands before us; no trailing slash."""
    trusted_proxies: frozenset[str] = frozenset()
    """Addresses of proxies whose ``X-Forwarded-For`` is believed."""
    has_local_login: bool = True
    """Whether login and password are asked for at all."""
    failures_per_minute: int = 30
    """Failed logins that one source may make."""
    fresh_s: float = 900.0
    """How long after a proof people and tokens may be changed without another."""
    signing_proof_s: float = 120.0
    """How long a fresh login at the provider counts as the proof that signing asks for."""
    open_paths: tuple[str, ...] = ("/static/", "/health", "/ready")
    """Where nobody is asked who it is."""
    silent_paths: tuple[str, ...] = ("/api/v1/events", "/api/v1/session")
    """What a page asks by itself; no sign that somebody is there."""
    oidc: OidcOptions | None = None


def is_safe(address: str) -> bool:
    """Tell whether an address is https, or http that does not leave the machine.

    Examples
    --------
    >>> is_safe("https://id.example/x"), is_safe("http://127.0.0.1:8080"), is_safe("http://id.example")
    (True, True, False)
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
