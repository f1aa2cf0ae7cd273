"""From a template and a context to a page: the words of the reader's language, navigation, security headers.

Every gateway that shows pages to people calls `render`. Templates lie in ``templates/`` of this folder or of
``gateways/identity``, texts in ``i18n/<language>.toml`` of either (:mod:`coread.gateways.pages.languages`).
A template extends ``base.html`` and fills the blocks ``title``, ``main`` and, where it has any, ``scripts``.

Each template may use, beside its own context:

``t`` ``tn`` ``w``
    The words.
``language`` ``other_language``
    Of the answer; and the one to switch to.
``caller`` ``person`` ``csrf``
    Who asks; ``person`` is None before login. A form that posts holds ``<input type="hidden" name="csrf"
    value="{{ csrf }}">``.
``may("people:keep")``
    Whether the caller has a permission.
``static("page.js")``
    Address of a static file.
``sections``
    The entries of the navigation.
``here``
    Path and query of the request.
``emergency_until``
    Until when a restricted study is open to the caller by a given reason; None for any other page.

Autoescaping is on for every template. There is no inline script and no inline style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from coread.domain.person import Permission
from coread.gateways.pages import formats, static_files
from coread.gateways.pages.languages import HOMES, LANGUAGES, language_of, words

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the navigation."""

    key: str
    """In the catalogue's table ``nav``."""
    path: str
    permission: Permission


SECTIONS: Final = (
    Section("worklist", "/", Permission.SEE_WORKLIST),
    Section("system", "/system", Permission.SEE_SYSTEM),
    Section("quality", "/quality", Permission.SEE_QUALITY),
    Section("oversight", "/oversight", Permission.OVERSEE),
    Section("exports", "/exports", Permission.REVIEW_EXPORTS),
    Section("audit", "/audit", Permission.SEE_LEDGER),
    Section("people", "/people", Permission.KEEP_PEOPLE),
    Section("consents", "/consents", Permission.KEEP_CONSENTS),
    Section("settings", "/settings", Permission.SEE_SETTINGS),
)


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make a page.

    Parameters
    ----------
    request
        What is answered; its ``state.caller`` says who asks.
    template
        File name, e.g. ``login.html``.
    context
        What the template needs beside what every template has.
    status_code, headers
        Of the answer.
    """
    text = _environment().get_template(template).render(_shared(request) | dict(context or {}))
    return HTMLResponse(text, status_code, _HEADERS | dict(headers or {}))


def page_of(permissions: frozenset[Permission]) -> str:
    """Give the first page that somebody of these permissions may see; the account's where there is none."""
    return next((section.path for section in SECTIONS if section.permission in permissions), "/account")


def local_path(address: str, default: str = "/") -> str:
    r"""Give `address` if it is a path on this very site, else `default`: no page sends people elsewhere.

    Examples
    --------
    >>> local_path("/studies/1.2?x=1"), local_path("//evil.example"), local_path("/\\evil"), local_path("x")
    ('/studies/1.2?x=1', '/', '/', '/')
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return default
    is_local = address.startswith("/") and not address.startswith(("//", "/\\"))
    is_plain = address.isprintable() and "\\" not in address and len(address) <= 2000
    return address if is_local and is_plain and not parts.scheme and not parts.netloc else default


def _shared(request: Request) -> dict[str, Any]:
    language = language_of(request)
    said = words(language)
    caller = getattr(request.state, "caller", None)
    permissions: frozenset[Permission] = getattr(caller, "permissions", frozenset())
    return {
        "t": said.t,
        "tn": said.tn,
        "w": said.w,
        "language": language,
        "other_language": next(other for other in LANGUAGES if other != language),
        "caller": caller,
        "person": getattr(caller, "person", None),
        "csrf": getattr(caller, "csrf", ""),
        "may": lambda name: Permission(name) in permissions,
        "sections": _open_sections(permissions),
        "here": _here(request),
        "emergency_until": getattr(request.state, "emergency_until", None),
        "static": static_files.address,
        "person_name": lambda value: formats.person_name(value, language),
    }


def _open_sections(permissions: frozenset[Permission]) -> Sequence[Section]:
    return [section for section in SECTIONS if section.permission in permissions]


def _here(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


@cache
def _environment() -> Environment:
    folders = [FileSystemLoader(home / "templates") for home in HOMES]
    environment = Environment(
        loader=ChoiceLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "date": formats.date,
        "time": formats.time,
        "iso": formats.iso,
        "size": formats.size,
        "percent": formats.percent,
    }
    return environment
