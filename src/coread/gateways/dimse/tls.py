"""DICOM TLS (PS3.15 annex B, BCP 195 profile): our certificate, and whose certificates we trust."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one end of a TLS connection."""

    certificate: Path
    """Our certificate, with the chain that leads to its authority."""
    key: Path
    """Our private key."""
    authorities: Path | None = None
    """Certificates of those whose signature we trust; None: those of the system."""
    require_peer_certificate: bool = True
    """Whether a caller must show a certificate of our `authorities`."""
    check_host: bool = True
    """Whether a peer that we call must show a certificate for the name that we call."""


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of the end that is called."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    if files.authorities is not None:
        context.load_verify_locations(files.authorities)
    if files.require_peer_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of the end that calls; the peer's certificate is always verified."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=files.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    context.check_hostname = files.check_host
    return context
