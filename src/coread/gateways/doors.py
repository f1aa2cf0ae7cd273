"""The clinic with its doors open: DICOM network and HTTP around the rooms."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from coread.clinic import Clinic, Role, now
from coread.gateways import dimse
from coread.gateways.audit import Clerk, clerk_of
from coread.gateways.dicomweb import send_stow
from coread.gateways.fhir import consent_app, send_fhir
from coread.gateways.outgoing import Access, tls_context
from coread.gateways.reading_room import ReadingRoom, reading_room
from coread.gateways.serving import TlsFiles as WebTlsFiles
from coread.gateways.serving import WebServer
from coread.gateways.web import WebOptions, web_app
from coread.settings import DestinationSettings, Settings, Tls
from coread.workflow import Destination, Sender

_MB = 1 << 20


class Doors:
    """A running clinic: what ``coread serve``, ``gateway`` and ``worker`` keep open.

    Parameters
    ----------
    settings
        As :func:`coread.settings.load` read them.
    role
        ``all``; ``gateway`` takes images and answers HTTP; ``worker`` only reads.
    """

    def __init__(self, settings: Settings, role: Role = "all") -> None:
        self.clinic = Clinic(settings, senders(settings))
        self._settings = settings
        self._role: Role = role
        self.receiver: dimse.Receiver | None = None
        self.web: WebServer | None = None
        self._room: ReadingRoom | None = None
        self._clerk: Clerk | None = None

    @property
    def dicom_port(self) -> int:
        """TCP port of the DICOM service; 0 while it is closed."""
        return self.receiver.port if self.receiver else 0

    def open(self) -> None:
        """Start the rooms, then let callers in."""
        self.clinic.start(self._role)
        if self._role == "worker":
            return
        self.receiver = _receiver(self._settings, self.clinic)
        self.receiver.start()
        self._room = reading_room(self.clinic)
        self.web = _web(self._settings, self.clinic, self._room)
        self.web.start()
        if self._settings.ledger.head_interval_s:
            self._clerk = clerk_of(self.clinic)
            self._clerk.start()

    def close(self) -> None:
        """Let nobody in any more, then stop the rooms."""
        if self.receiver:
            self.receiver.stop()
        if self._room:
            self._room.pages.close()
        if self.web:
            self.web.stop()
        if self._clerk:
            self._clerk.stop()
        self.clinic.stop()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def peer(settings: Settings, destination: Destination | DestinationSettings) -> dimse.Peer:
    """Say how a DICOM destination is called."""
    return dimse.Peer(
        destination.host,
        destination.port,
        destination.ae_title,
        calling_ae_title=settings.dimse.ae_title,
        timeout_s=destination.timeout_s,
        tls=tls_files(settings.dimse.tls) if destination.tls else None,
    )


def senders(settings: Settings) -> dict[str, Sender]:
    """One way of sending for each kind of destination."""
    tls = tls_context(settings.calls.authorities, settings.calls.certificate, settings.calls.key)

    def by_dimse(destination: Destination, data: bytes) -> None:
        dimse.send_store(peer(settings, destination), [data])

    def by_stow(destination: Destination, data: bytes) -> None:
        send_stow(destination.url, [data], Access(timeout_s=destination.timeout_s, tls=tls))

    def by_fhir(destination: Destination, data: bytes) -> None:
        send_fhir(destination.url, data, Access(timeout_s=destination.timeout_s, tls=tls))

    return {"dimse": by_dimse, "stow": by_stow, "fhir": by_fhir}


def tls_files(tls: Tls) -> dimse.TlsFiles | None:
    """Our certificate, if the settings name one."""
    if tls.certificate is None or tls.key is None:
        return None
    return dimse.TlsFiles(tls.certificate, tls.key, tls.authorities, tls.require_peer_certificate)


def _receiver(settings: Settings, clinic: Clinic) -> dimse.Receiver:
    wanted = settings.dimse
    address = dimse.Address(wanted.host, wanted.port, wanted.ae_title, frozenset(wanted.allowed_calling_aes))
    limits = dimse.Limits(
        max_associations=wanted.max_associations,
        max_pdu_bytes=wanted.max_pdu_bytes,
        max_object_bytes=wanted.max_object_mb * _MB,
        idle_timeout_s=wanted.idle_timeout_s,
        stall_timeout_s=wanted.idle_timeout_s,
    )
    return dimse.Receiver(address, clinic.intake, limits, tls_files(wanted.tls))


def _web(settings: Settings, clinic: Clinic, room: ReadingRoom) -> WebServer:
    web = settings.web
    options = WebOptions(web.allowed_origins, web.allowed_hosts, web.public_url, web.max_body_mb * _MB)
    tls = WebTlsFiles(web.certificate, web.key) if web.certificate and web.key else None
    root = web.public_url.rstrip("/")
    consents = consent_app(clinic.consents, now, public_url=root and f"{root}/fhir")
    return WebServer(web_app(clinic, options, room, consents), web.host, web.port, tls=tls)
