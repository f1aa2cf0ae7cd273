"""Sends objects to another system by STOW-RS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from coread.errors import DestinationRefused
from coread.gateways.dicomweb.media import DICOM, DICOM_JSON
from coread.gateways.dicomweb.multipart import encode_parts
from coread.gateways.outgoing import Access, Answer, Outgoing, refused, unreachable

_REFERENCED, _FAILED, _OTHER_FAILURES, _REASON = "00081199", "00081198", "0008119A", "00081197"


def send_stow(url: str, objects: Sequence[bytes], access: Access | None = None) -> None:
    """Store objects at another system, all of them or with an error.

    Parameters
    ----------
    url
        Base of the service, e.g. ``https://pacs.example/dicom-web``; ``/studies`` is added.
    objects
        Whole PS3.10 files.
    access
        Credentials and trust.

    Raises
    ------
    DestinationUnreachable
        If there was no answer, or the peer is out of room: worth another try.
    DestinationRefused
        If the peer refused any object, or does not say that it stored each one.

    Notes
    -----
    Success is believed only when the answer lists as many stored objects as were
    sent and no failed one (PS3.18 section 10.5.3).
    """
    if not objects:
        return
    boundary = _boundary(objects)
    headers = {
        "Content-Type": f'multipart/related; type="{DICOM}"; boundary={boundary}',
        "Content-Length": str(sum(map(len, encode_parts(boundary, DICOM, objects)))),
        "Accept": DICOM_JSON,
    }
    with Outgoing(access or Access()) as outgoing:
        content = encode_parts(boundary, DICOM, objects)
        answer = outgoing.ask("POST", f"{url.rstrip('/')}/studies", headers, content)
    _check(answer, len(objects))


def _check(answer: Answer, sent: int) -> None:
    outcome = _data_set(answer)
    failures = _items(outcome, _FAILED) + _items(outcome, _OTHER_FAILURES)
    if failures:
        _raise_for_failures(answer, failures, sent)
    if answer.status not in (200, 202):
        raise refused(answer, "an answer that is no success")
    stored = len(_items(outcome, _REFERENCED))
    if stored < sent:
        raise refused(answer, f"an answer that lists {stored} of {sent} objects as stored")


def _raise_for_failures(answer: Answer, failures: list[dict[str, Any]], sent: int) -> None:
    reasons = sorted({_reason(item) for item in failures})
    listed = ", ".join(f"0x{reason:04X}" for reason in reasons)
    found = f"{len(failures)} of {sent} objects failed, reason {listed}"
    # PS3.18 table I.2-2: A7xx is "out of resources", which may pass.
    if all(reason >> 8 == 0xA7 for reason in reasons):
        raise unreachable(found, answer.where)
    raise refused(answer, found)


def _reason(item: dict[str, Any]) -> int:
    values = item.get(_REASON, {}).get("Value", [])
    return values[0] if values and isinstance(values[0], int) else 0


def _data_set(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body or b"{}")
    except ValueError:
        found = {}
    if isinstance(found, list):  # some servers wrap the data set in an array
        found = found[0] if found else {}
    return found if isinstance(found, dict) else {}


def _items(data_set: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    element = data_set.get(tag)
    values = element.get("Value", []) if isinstance(element, dict) else []
    return [item for item in values if isinstance(item, dict)]


def _boundary(objects: Sequence[bytes]) -> str:
    """Make a boundary that stands in none of the objects, the same for the same objects."""
    digest = hashlib.sha256()
    for data in objects:
        digest.update(data[-4096:])
    for attempt in range(256):
        boundary = hashlib.sha256(digest.digest() + bytes([attempt])).hexdigest()[:40]
        if not any(boundary.encode() in data for data in objects):
            return boundary
    raise DestinationRefused("objects that hold every boundary tried")  # pragma: no cover
