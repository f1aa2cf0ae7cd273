"""FHIR resources on their way: what is sent is what holds now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from coread.archive import Resources
from coread.errors import NotFound

Json = dict[str, Any]
_PRELIMINARY = "preliminary"


def newest(resources: Resources, bundle: str) -> str:
    """Return a transaction Bundle with the newest version of each resource, and with all that they refer to.

    A Bundle that waited for its destination must not put a preliminary statement over one that a
    doctor has decided on since, nor refer to a resource that the destination may lack.
    """
    shell: Json = json.loads(bundle)
    pending = [entry["resource"] for entry in shell.get("entry", ())]
    entries: dict[str, Json] = {}
    while pending:
        resource = pending.pop(0)
        name = f"{resource['resourceType']}/{resource['id']}"
        if name in entries:
            continue
        resource = _kept(resources, name) or resource
        entries[name] = _entry(name, resource)
        known = (_kept(resources, other) for other in _references(resource) if other not in entries)
        pending += [other for other in known if other is not None]
    return json.dumps({**shell, "entry": list(entries.values())}, ensure_ascii=False, separators=(",", ":"))


def is_decided(resources: Resources, kind: str, identifier: str, text: str) -> bool:
    """Tell whether a preliminary resource comes too late: a doctor has decided on it already.

    A step that was cut off before a doctor signed may be done again after it.
    """
    if json.loads(text).get("status") != _PRELIMINARY:
        return False
    kept = _kept(resources, f"{kind}/{identifier}")
    return kept is not None and kept.get("status") != _PRELIMINARY


def _kept(resources: Resources, name: str) -> Json | None:
    kind, _, identifier = name.partition("/")
    try:
        found: Json = json.loads(resources.get(kind, identifier))
    except NotFound:
        return None
    return found


def _entry(name: str, resource: Json) -> Json:
    return {
        "fullUrl": f"urn:uuid:{resource['id']}",
        "resource": resource,
        "request": {"method": "PUT", "url": name},
    }


def _references(value: Any) -> Iterator[str]:
    """Yield what a resource refers to as ``<type>/<id>``."""
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and reference.count("/") == 1:
            yield reference
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)
