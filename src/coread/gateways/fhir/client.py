"""Sends resources to a FHIR R4 server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from coread.errors import DestinationRefused
from coread.gateways.outgoing import Access, Answer, Outgoing, refused, unreachable

_FHIR_JSON = "application/fhir+json"
_HEADERS = {"Content-Type": _FHIR_JSON, "Accept": _FHIR_JSON}

# What is referred to goes first, for servers that look whether it exists.
_ORDER = (
    "Device",
    "Practitioner",
    "ImagingStudy",
    "Media",
    "Observation",
    "DiagnosticReport",
    "Provenance",
)
_EXECUTED = ("transaction", "batch")

Resource = dict[str, Any]
Sendable = bytes | str | Resource


def send_fhir(base_url: str, resources: Sendable | Sequence[Sendable], access: Access | None = None) -> None:
    """Put resources on a FHIR server, all of them or with an error.

    Each resource is put under its own id, so that sending twice changes nothing. A
    Bundle of type transaction or batch is posted for the server to carry out.

    Parameters
    ----------
    base_url
        Base of the service, e.g. ``https://ehr.example/fhir``.
    resources
        One or several, as JSON text or parsed; sent in an order in which each one's references exist.
    access
        Credentials and trust.

    Raises
    ------
    DestinationUnreachable
        If there was no answer, or one that asks to try again.
    DestinationRefused
        If the server refused a resource, or an entry of a bundle.
    """
    base = base_url.rstrip("/")
    several = [resources] if isinstance(resources, bytes | str | dict) else resources
    with Outgoing(access or Access()) as outgoing:
        for resource in _sorted(map(_parsed, several)):
            if _is_bundle(resource):
                _carry_out(outgoing, base, resource)
            else:
                _put(outgoing, base, resource)


def _put(outgoing: Outgoing, base: str, resource: Resource) -> None:
    address = f"{base}/{quote(resource['resourceType'])}/{quote(str(resource['id']), safe='')}"
    answer = outgoing.ask("PUT", address, _HEADERS, _json(resource))
    if answer.status not in (200, 201):
        raise refused(answer, f"{resource['resourceType']} refused: {_issues(answer)}")


def _carry_out(outgoing: Outgoing, base: str, bundle: Resource) -> None:
    answer = outgoing.ask("POST", base, _HEADERS, _json(bundle))
    if answer.status not in (200, 201):
        raise refused(answer, f"bundle refused: {_issues(answer)}")
    statuses = _entry_statuses(answer)
    if len(statuses) != len(bundle.get("entry", [])):
        raise refused(answer, "an answer that does not tell what became of each entry")
    failed = [status for status in statuses if not status.startswith("2")]
    if failed and all(status.startswith(("5", "429", "408")) for status in failed):
        raise unreachable(f"{len(failed)} of {len(statuses)} entries put off", answer.where)
    if failed:
        raise refused(answer, f"{len(failed)} of {len(statuses)} entries of a bundle refused")


def _entry_statuses(answer: Answer) -> list[str]:
    entries = _object(answer).get("entry", [])
    responses = [entry.get("response", {}) for entry in entries if isinstance(entry, dict)]
    return [str(response.get("status", "")) for response in responses]


def _issues(answer: Answer) -> str:
    """Return the codes of an OperationOutcome; its texts may hold values of the resource."""
    issues = _object(answer).get("issue", [])
    codes = [str(issue.get("code", "")) for issue in issues if isinstance(issue, dict)]
    return ", ".join(code for code in codes if code.replace("-", "").isalpha()) or "no reason given"


def _object(answer: Answer) -> Resource:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parsed(resource: bytes | str | Resource) -> Resource:
    found = resource if isinstance(resource, dict) else json.loads(resource)
    if not (isinstance(found, dict) and found.get("resourceType") and (found.get("id") or _is_bundle(found))):
        raise DestinationRefused("something that is no FHIR resource with an id", where="what is to be sent")
    return found


def _is_bundle(resource: Resource) -> bool:
    return resource["resourceType"] == "Bundle" and resource.get("type") in _EXECUTED


def _sorted(resources: Iterable[Resource]) -> list[Resource]:
    return sorted(
        resources, key=lambda r: _ORDER.index(r["resourceType"]) if r["resourceType"] in _ORDER else 99
    )


def _json(resource: Resource) -> bytes:
    return json.dumps(resource, ensure_ascii=False).encode()
