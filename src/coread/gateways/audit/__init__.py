"""The ledger's way out: witnesses that keep its heads, audit repositories that take its events."""

from coread.gateways.audit.building import audit_source, clerk_of, equip
from coread.gateways.audit.clerk import Clerk
from coread.gateways.audit.fhir_witness import FhirWitness
from coread.gateways.audit.forwarding import Forwarder, fhir_repository, syslog_repository
from coread.gateways.audit.syslog import SyslogTls
from coread.gateways.audit.time_stamps import TimeStampWitness

__all__ = [
    "Clerk",
    "FhirWitness",
    "Forwarder",
    "SyslogTls",
    "TimeStampWitness",
    "audit_source",
    "clerk_of",
    "equip",
    "fhir_repository",
    "syslog_repository",
]
