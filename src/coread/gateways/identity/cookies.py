"""The cookies that hold a login: no script reads them, and over https no other host sets them."""

from __future__ import annotations

from enum import StrEnum

from starlette.requests import Request
from starlette.responses import Response

from coread.gateways.identity.sources import is_https

_MAX_LENGTH = 128


class Cookie(StrEnum):
    """What a browser holds."""

    SESSION = "session"
    HALF = "half"
    """Between password and second factor."""
    VISIT = "visit"
    """Before the login: ties the form, and the way to the identity provider and back, to one browser."""


class Cookies:
    """Reads and sets them.

    Parameters
    ----------
    public_url
        Address as people know it; https there makes the cookies secure behind a proxy.
    """

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def get(self, request: Request, cookie: Cookie) -> str:
        """Return what the browser holds, or nothing."""
        value = request.cookies.get(self._name(request, cookie), "")
        return value if len(value) <= _MAX_LENGTH else ""

    def set(self, request: Request, response: Response, cookie: Cookie, value: str) -> None:
        """Have the browser hold a value until it is closed.

        SameSite is Lax and not Strict, or a login at another site could not lead back to a page here.
        """
        response.set_cookie(
            self._name(request, cookie), value, path="/", httponly=True, samesite="lax",
            secure=is_https(request, self._public_url),
        )  # fmt: skip

    def drop(self, request: Request, response: Response, *cookies: Cookie) -> None:
        """Have the browser forget."""
        for cookie in cookies:
            response.delete_cookie(
                self._name(request, cookie), path="/", httponly=True, samesite="lax",
                secure=is_https(request, self._public_url),
            )  # fmt: skip

    def _name(self, request: Request, cookie: Cookie) -> str:
        """Return the name; ``__Host-`` is taken from this very host over https only (RFC 6265bis)."""
        return f"{'__Host-' if is_https(request, self._public_url) else ''}coread-{cookie}"
