"""FHIR R4: the results to read here, the client for sending them to others."""

from coread.gateways.fhir.client import send_fhir
from coread.gateways.fhir.server import fhir_app

__all__ = ["fhir_app", "send_fhir"]
