"""FHIR R4: the results to read here, consents in and out, the client for sending results to others."""

from coread.gateways.fhir.client import send_fhir
from coread.gateways.fhir.consent import resource_of, resources_in, said_of
from coread.gateways.fhir.consent_service import consent_app
from coread.gateways.fhir.server import fhir_app

__all__ = ["consent_app", "fhir_app", "resource_of", "resources_in", "said_of", "send_fhir"]
