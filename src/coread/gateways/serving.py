"""Serves an ASGI application over HTTP/1.1, patient with nobody for ever.

Uvicorn leaves open a connection that says nothing, that sends its request one
byte an hour, or that never reads its answer. The protocol below gives each of
them a limit. Addresses are never logged: by the DICOM standard a search holds
the patient's name in its query.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from coread.errors import SettingsFault


@dataclass(frozen=True, slots=True)
class ServingLimits:
    """How much one peer may ask of the server."""

    max_connections: int = 512
    """Beyond these a request is answered with 503. Each open window holds one for live updates."""
    max_head_bytes: int = 32_768
    """Request line and headers."""
    head_s: float = 15.0
    """From a connection's opening, or a request's first byte, to the end of its headers."""
    stall_s: float = 60.0
    """Longest wait for the next bytes of a body, and for room to write the next of an answer."""
    keep_alive_s: int = 15
    shutdown_s: int = 10
    """How long running requests may take to end when the server stops."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate chain and private key in PEM."""

    certificate: Path
    key: Path


class WebServer:
    """One HTTP server in a thread of its own.

    Parameters
    ----------
    app
        What answers.
    host
        Address to listen on; loopback by default.
    port
        0 for any free one; see `port` after construction.
    limits
        Bounds on what a peer may ask.
    tls
        For https.

    Raises
    ------
    SettingsFault
        If the address cannot be listened on.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: ServingLimits | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        limits = limits or ServingLimits()
        self._socket = _listen(host, port)
        self.host = host
        self.port = int(self._socket.getsockname()[1])
        self.scheme = "https" if tls else "http"
        self._server = uvicorn.Server(_config(app, limits, tls))
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def url(self) -> str:
        """Where the server is, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def start(self) -> None:
        """Begin to answer; connections made before are waiting and are answered."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, let the running ones end, and return when all has ended."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> WebServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


class PatientProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol with limits on a peer's slowness."""

    limits = ServingLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        # asyncio does so only for sockets whose protocol number was named when they were made.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.access_log = False  # uvicorn's own switch is overruled by a handler of the root logger
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_for = ""
        self._wait(self._reading())

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all waiting."""
        self._wait("")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give a slow body another while; give slow headers none."""
        super().data_received(data)
        if not self.transport.is_closing() and self._waiting_for != "writer":
            self._wait(self._reading())

    def pause_writing(self) -> None:
        """Begin to wait for a reader that does not read."""
        super().pause_writing()
        self._wait("writer")

    def resume_writing(self) -> None:
        """The peer reads again."""
        super().resume_writing()
        self._wait(self._reading())

    def on_response_complete(self) -> None:
        """Wait for the next request by the keep-alive limit only."""
        super().on_response_complete()
        self._wait("")

    def _reading(self) -> str:
        if self.conn.their_state is h11.IDLE:
            return "head"
        return "body" if self.conn.their_state is h11.SEND_BODY else ""

    def _wait(self, what: str) -> None:
        if what == "head" == self._waiting_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._waiting_for = what
        patience_s = self.limits.head_s if what == "head" else self.limits.stall_s
        self._timer = self.loop.call_later(patience_s, self._give_up) if what else None

    def _give_up(self) -> None:
        if self._waiting_for == "body" and self.flow.read_paused:
            self._timer = self.loop.call_later(self.limits.stall_s, self._give_up)
            return
        self.transport.abort()


class PlainTracebacks(logging.Filter):
    """Keeps an unforeseen error's place and kind in the log, not its message, which may hold values."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's traceback."""
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            kind, _, place = record.exc_info
            frames = "".join(traceback.format_tb(place))
            record.msg, record.args = "%s: %s\n%s", ("Unforeseen error", kind.__name__, frames)
            record.exc_info = None
        return True


def _config(app: ASGIApp, limits: ServingLimits, tls: TlsFiles | None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").addFilter(_PLAIN)
    return uvicorn.Config(
        app,
        http=_protocol(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.max_connections,
        h11_max_incomplete_event_size=limits.max_head_bytes,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=limits.shutdown_s,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )


_PLAIN = PlainTracebacks()


def _protocol(limits: ServingLimits) -> type[asyncio.Protocol]:
    members: dict[str, Any] = {"limits": limits}
    return type("LimitedProtocol", (PatientProtocol,), members)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise SettingsFault(
            found=f"an address that cannot be listened on (port {port}: {error.strerror})",
            remedy="choose a free port and an address of this machine",
            where="web address",
        ) from error
