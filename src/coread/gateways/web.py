"""The HTTP service whole: DICOMweb, FHIR, health, and the reading room's pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coread.archive import Archive, Resources, Studies
from coread.domain.person import Permission
from coread.errors import AccessDenied
from coread.gateways.answers import fault_response, json_fault_handlers
from coread.gateways.dicomweb import StoreLimits, dicomweb_app
from coread.gateways.fhir import fhir_app
from coread.gateways.pages import CONTENT_SECURITY_POLICY
from coread.gateways.pages.faults import negotiated_fault_handlers
from coread.gateways.pages.static_files import MOUNT
from coread.gateways.reading_room import ReadingRoom
from coread.intake import Intake

_ONE_YEAR = "max-age=31536000"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Nothing that a service gives may run or be framed; DICOM strings are somebody else's words. The pages
    # bring a policy of their own.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class WebRooms(Protocol):
    """The rooms that the service speaks for; a `coread.clinic.Clinic` is one."""

    @property
    def archive(self) -> Archive:
        """Images."""
        ...

    @property
    def intake(self) -> Intake:
        """The way in."""
        ...

    @property
    def studies(self) -> Studies:
        """How far each study's arrival is."""
        ...

    @property
    def resources(self) -> Resources:
        """What the readers and doctors said, in FHIR."""
        ...


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What the service allows."""

    allowed_origins: tuple[str, ...] = ()
    """Origins of web viewers on other hosts, e.g. ``https://ohif.example``; for OHIF."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, beside loopback, by which the service may be called on a loopback address."""
    public_url: str = ""
    """Address of the service as clients know it, where a proxy stands before it; no trailing slash."""
    max_body_bytes: int = 64 << 30
    """Largest request body."""


def web_app(
    rooms: WebRooms,
    options: WebOptions | None = None,
    room: ReadingRoom | None = None,
    consents: ASGIApp | None = None,
) -> Starlette:
    """Build the service: ``/dicomweb``, ``/fhir``, ``/health``, ``/ready``, and the pages of a reading room.

    Parameters
    ----------
    rooms
        A clinic, or whatever else has these rooms.
    options
        What the service allows.
    room
        Pages, and who may come in; None: the services alone, open to whoever reaches them.
    consents
        What answers at ``/fhir/Consent``; None: nothing does.
    """
    options = options or WebOptions()
    root = options.public_url.rstrip("/")
    dicomweb: ASGIApp = dicomweb_app(
        rooms.archive,
        rooms.intake,
        limits=StoreLimits(max_body_bytes=options.max_body_bytes),
        public_url=root and f"{root}/dicomweb",
    )
    fhir: ASGIApp = fhir_app(rooms.resources, public_url=root and f"{root}/fhir", has_consents=bool(consents))
    if room and room.guards_services:
        dicomweb, fhir = (
            room.identity.guard(app, Permission.SEE_IMAGES, Permission.STORE_IMAGES)
            for app in (dicomweb, fhir)
        )
    if consents:
        keep = Permission.KEEP_CONSENTS
        fhir = Beside(fhir, "/Consent", room.identity.guard(consents, keep, keep) if room else consents)
    routes = [
        Route("/health", _health),
        Route("/ready", _Readiness(rooms).answer),
        *((*room.identity.routes(), *room.pages.routes()) if room else ()),
        Mount("/dicomweb", dicomweb),
        Mount("/fhir", fhir),
    ]
    handlers = negotiated_fault_handlers() if room else json_fault_handlers()
    return Starlette(routes=routes, middleware=_middleware(options, room), exception_handlers=handlers)


class Beside:
    """Gives what lies at one path to another app, and all else to the first.

    Parameters
    ----------
    app
        Answers all else.
    path
        Below where the app is mounted, e.g. ``/Consent``.
    other
        Answers there.
    """

    def __init__(self, app: ASGIApp, path: str, other: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the app that it is for."""
        here = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
        is_other = here == self._path or here.startswith(f"{self._path}/")
        await (self._other if is_other else self._app)(scope, receive, send)


class LoopbackGuard:
    """Answers on a loopback address only to those who call it by a loopback name.

    Else a page in a browser on this machine could have its own name resolved to
    127.0.0.1 and read the archive as if it were its own site ("DNS rebinding").
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and not self._is_allowed(scope):
            await fault_response(_FOREIGN_HOST)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        address = (scope.get("server") or ("", 0))[0]
        name = _host_name(Headers(scope=scope).get("host", ""))
        return not _is_loopback(address) or _is_loopback(name) or name in self._allowed


class SecurityHeaders:
    """Adds to each answer what browsers are told.

    Parameters
    ----------
    app
        What answers.
    is_behind_tls
        Whether people reach the service over https only, be it by a proxy.
    """

    def __init__(self, app: ASGIApp, is_behind_tls: bool = False) -> None:
        self._app = app
        self._is_behind_tls = is_behind_tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, add headers to the answer."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if scope["path"].startswith(f"{MOUNT}/"):  # a worker obeys the policy of its own script
                    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
                if self._is_behind_tls or scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", _ONE_YEAR)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)


class _Readiness:
    def __init__(self, rooms: WebRooms) -> None:
        self._rooms = rooms

    def answer(self, _request: Request) -> Response:
        """Say whether objects can be taken and found now; an OutOfRoom is answered by 507."""
        self._rooms.archive.store.check_room()
        self._rooms.studies.list(limit=1)
        return JSONResponse({"status": "ready"})


def _health(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


def _middleware(options: WebOptions, room: ReadingRoom | None) -> list[Middleware]:
    hosts = (*options.allowed_hosts, _host_name(options.public_url.partition("://")[2].partition("/")[0]))
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(options.allowed_origins),
        allow_methods=["GET", "HEAD", "POST", "OPTIONS"],
        allow_headers=["Accept", "Authorization", "Content-Type", "Prefer"],
        expose_headers=["Content-Length", "Content-Type", "Warning", "Retry-After"],
    )
    return [
        Middleware(LoopbackGuard, allowed_hosts=[host for host in hosts if host]),
        Middleware(SecurityHeaders, is_behind_tls=options.public_url.startswith("https://")),
        *([cors] if options.allowed_origins else []),
        *([Middleware(room.identity.middleware)] if room else []),
    ]


def _host_name(host: str) -> str:
    """Return the name in a Host header, without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


_FOREIGN_HOST = AccessDenied(
    "a request on a loopback address under another name",
    "localhost, or a name that the settings allow",
    "call it as localhost, or name the public address in the settings",
    where="Host header",
)
