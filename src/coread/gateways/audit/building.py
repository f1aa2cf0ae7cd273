"""From settings to witnesses, repositories and the clerk."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from coread import __version__
from coread.clinic import Clinic, now
from coread.errors import SettingsFault
from coread.gateways.audit.clerk import Clerk
from coread.gateways.audit.fhir_witness import FhirWitness
from coread.gateways.audit.forwarding import Forwarder, fhir_repository, syslog_repository
from coread.gateways.audit.syslog import SyslogTls
from coread.gateways.audit.time_stamps import TimeStampWitness
from coread.gateways.outgoing import Access, tls_context
from coread.ledger import AuditSource, Forwarded, Witness
from coread.settings import Settings

#: The clerk asks again later; and it must not keep the clinic from stopping.
_PATIENCE_S = 10.0


def equip(clinic: Clinic) -> None:
    """Give the clinic's notary the witnesses that speak a protocol; done once.

    Raises
    ------
    SettingsFault
        If a file of certificates cannot be read.
    """
    known = {witness.name for witness in clinic.notary.witnesses}
    added = [witness for witness in _witnesses(clinic.settings) if witness.name not in known]
    clinic.notary.witnesses = (*clinic.notary.witnesses, *added)


def clerk_of(clinic: Clinic) -> Clerk:
    """Return the clerk of a clinic, not yet at work.

    Raises
    ------
    SettingsFault
        If a file of certificates cannot be read.
    """
    equip(clinic)
    return Clerk(clinic.notary, tuple(_forwarders(clinic)), clinic.settings.ledger.head_interval_s)


def audit_source(settings: Settings) -> AuditSource:
    """Return who speaks in our audit records."""
    scheme = "https" if settings.web.certificate else "http"
    address = settings.web.public_url or f"{scheme}://{settings.web.host}:{settings.web.port}"
    return AuditSource(settings.audit.source, settings.audit.site, address, __version__)


def _witnesses(settings: Settings) -> Iterator[Witness]:
    wanted, calls = settings.ledger, settings.calls
    tls = tls_context(calls.authorities, calls.certificate, calls.key)
    access = Access(timeout_s=_PATIENCE_S, tls=tls)
    if wanted.witness_fhir:
        yield FhirWitness(wanted.witness_fhir, access)
    if wanted.time_stamps:
        yield TimeStampWitness(wanted.time_stamps, wanted.authorities, access)


def _forwarders(clinic: Clinic) -> Iterator[Forwarder]:
    wanted, source = clinic.settings.audit, audit_source(clinic.settings)
    forwarded = Forwarded(clinic.database)
    if wanted.fhir_url:
        tls = _context(clinic.settings) if wanted.authorities or wanted.certificate else None
        access = Access(timeout_s=_PATIENCE_S, tls=tls)
        repository = fhir_repository(wanted.fhir_url, source, access)
        yield Forwarder("fhir", clinic.ledger, forwarded, repository, now)
    if wanted.syslog_host:
        context = _context(clinic.settings)

        def connect() -> SyslogTls:
            return SyslogTls(wanted.syslog_host, wanted.syslog_port, context, _PATIENCE_S)

        yield Forwarder("syslog", clinic.ledger, forwarded, syslog_repository(connect, source), now)


def _context(settings: Settings) -> ssl.SSLContext:
    wanted = settings.audit
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=wanted.authorities)
        if wanted.certificate and wanted.key:
            context.load_cert_chain(wanted.certificate, wanted.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsFault(
            f"certificates that cannot be used ({type(error).__name__})",
            "PEM files",
            "correct the files that audit.authorities, audit.certificate and audit.key name",
            where="audit",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # BCP 195
    return context
