"""What the study page is given: the review as JSON, field names as in Python."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

import numpy as np

from coread.archive import Archive
from coread.domain.borders import borders
from coread.domain.finding import HeatMap, Outline
from coread.domain.review import SignedReport
from coread.errors import NotFound
from coread.gateways.pages.formats import iso
from coread.review import FindingPanel, ReadingView, StudyReview

Json: TypeAlias = Any


def plain(value: Any) -> Json:
    """Write a frozen value as JSON: a dataclass as an object of its fields.

    Examples
    --------
    >>> from coread.domain.finding import Box
    >>> plain((Box(1, 2, 3, 4),))
    [{'left_px': 1, 'top_px': 2, 'width_px': 3, 'height_px': 4, 'label': None, 'probability': None}]
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if is_dataclass(value):
        special = _SPECIAL.get(type(value))
        return special(value) if special else fields_of(value)
    return [plain(item) for item in value]


def fields_of(value: Any, *, without: tuple[str, ...] = ()) -> dict[str, Json]:
    """Write a dataclass as an object of its fields."""
    return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name not in without}


def review_json(review: StudyReview) -> dict[str, Json]:
    """Write a review; each reader's card stands once, by the reader's name."""
    body = fields_of(review)
    cards = {panel.reader.name: panel.card for panel in review.findings if panel.card}
    cards |= {view.reader.name: view.card for view in review.readings if view.card}
    return body | {"cards": {name: plain(card) for name, card in cards.items()}}


def _heat_map(heat_map: HeatMap) -> dict[str, Json]:
    values = np.ascontiguousarray(heat_map.values, dtype="<f4")
    rows, columns = values.shape
    return {
        "rows": int(rows),
        "columns": int(columns),
        "values": base64.b64encode(values.tobytes()).decode("ascii"),
        "extent": plain(heat_map.extent),
        "frame": heat_map.frame,
        "method": heat_map.method,
    }


def _outline(outline: Outline) -> dict[str, Json]:
    """Write a mask as its borders: closed polygons of [x, y] in pixels of the stored frame."""
    polygons = [polygon.tolist() for polygon in borders(outline)]
    return {"image": plain(outline.image), "frame": outline.frame, "polygons": polygons}


def _panel(panel: FindingPanel) -> dict[str, Json]:
    return fields_of(panel, without=("card",)) | {"finding_uid": panel.finding_uid}


def _reading(view: ReadingView) -> dict[str, Json]:
    return fields_of(view, without=("card",))


def _report(report: SignedReport) -> dict[str, Json]:
    kept = ("number", "draft", "mode", "person_id", "person_name", "signed_at", "predecessor_uid")
    return {name: plain(getattr(report, name)) for name in kept} | {
        "uid": report.uid,
        "is_addendum": report.is_addendum,
        "finding_uids": [decision.finding_uid for decision in report.decisions],
    }


_SPECIAL: Mapping[type, Callable[[Any], Json]] = {
    HeatMap: _heat_map,
    Outline: _outline,
    FindingPanel: _panel,
    ReadingView: _reading,
    SignedReport: _report,
}


def image_names(review: StudyReview, archive: Archive) -> dict[str, tuple[str, str]]:
    """Give series and instance number, as people name images, of each image that the review speaks of."""
    stated = (d.statement.image for d in review.decisions if d.statement and d.statement.image)
    asked = (place.prompt.image for place in review.asked)
    images = [*(panel.finding.image for panel in review.findings), *stated, *asked]
    names: dict[str, tuple[str, str]] = {}
    for uid in dict.fromkeys(image.sop_instance_uid for image in images):
        try:
            facts = archive.get(uid).header.facts
        except NotFound:  # the image was deleted after it was read
            continue
        names[uid] = (facts.get("SeriesNumber", ""), facts.get("InstanceNumber", ""))
    return names
