"""What the FHIR service can do, said in FHIR.

Source: https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Mapping

import coread
from coread.archive import SEARCH_PARAMETERS

Json = dict[str, object]

#: Resource types served, with their own search parameters beside those of every type.
RESOURCE_TYPES: Mapping[str, tuple[str, ...]] = {
    "Bundle": (),
    "Device": ("identifier", "status"),
    "DiagnosticReport": ("identifier", "status", "code", "based-on", "result", "imaging-study", "study"),
    "ImagingStudy": ("identifier", "status", "study"),
    "Media": ("identifier", "status", "study"),
    "Observation": ("identifier", "status", "code", "derived-from", "study"),
    "Practitioner": ("identifier",),
    "Provenance": ("target", "study"),
}

#: Answered by looking up the study of the ImagingStudy that they name.
BY_IMAGING_STUDY = frozenset({"imaging-study", "derived-from"})

_PUBLISHED = "2026-01-01"
_TOKENS = frozenset({"_id", "identifier", "status", "code", "study"})


_CONSENT: Json = {
    "type": "Consent",
    "documentation": "One decision on one use each; provision.purpose of urn:coread:use.",
    "interaction": [{"code": "create"}, {"code": "read"}, {"code": "search-type"}],
    "searchParam": [{"name": "patient", "type": "reference", "documentation": "patient:identifier only"}],
}


def capability_statement(base_url: str, *, has_consents: bool = False) -> Json:
    """Return the CapabilityStatement of the service at `base_url`."""
    own = [_CONSENT] if has_consents else []
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _PUBLISHED,
        "kind": "instance",
        "software": {"name": "CoRead", "version": coread.__version__},
        "implementation": {"description": "Results of AI readers", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{"mode": "server", "resource": [*map(_resource, RESOURCE_TYPES), *own]}],
    }


def searchable(kind: str) -> frozenset[str]:
    """Return the search parameters of a resource type."""
    return frozenset({"_id", *RESOURCE_TYPES[kind]}) & (SEARCH_PARAMETERS | BY_IMAGING_STUDY)


def _resource(kind: str) -> Json:
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [
            {"name": name, "type": "token" if name in _TOKENS else "reference"}
            for name in sorted(searchable(kind))
        ],
    }
