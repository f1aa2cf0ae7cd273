"""Measurement groups of a structured report by TID 1500 (PS3.16): findings, numbers, answers, places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from coread.dicom.annotations.annotation import Annotation, Kind
from coread.dicom.annotations.items import code_of, items, referenced_frame, text
from coread.dicom.objects import DicomObject
from coread.domain.codes import Code

# Code values of scheme DCM (PS3.16 annex D).
_GROUP = "125007"
_FINDING = "121071"
_SEGMENTATIONS = ("121191", "121214")
_PRESENCE = "121052"
_ABSENT, _INDETERMINATE = "2667000", "82334004"
_TRACKING_UID = "112040"
_TRACKING_ID = "112039"
_PERSON = "121008"
_DEVICE_NAME = "121013"
_ALGORITHM_NAME = "111001"
_ALGORITHM_VERSION = "111003"

_NO_ANSWER = {_FINDING, _PRESENCE, "121049", "121005", "111000", "363698007", "G-C0E3", "276214006"}
"""Also language, observer type, algorithm family, finding site (SCT, SRT), finding category: no answers."""

_OUTLINES = {"POLYLINE", "POLYGON"}

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Author:
    name: str
    is_algorithm: bool


def report_groups(report: DicomObject) -> Iterator[Annotation]:
    """Give what each measurement group says, one annotation for each image or place that it names."""
    author = _author(report.dataset) or _Author("", is_algorithm=False)
    for group in _groups(report.dataset):
        yield from _of_group(group, author)


def _groups(item: Dataset) -> Iterator[Dataset]:
    for child in items(item, "ContentSequence"):
        if _named(child, _GROUP):
            yield child
        elif text(child, "ValueType") == "CONTAINER":
            yield from _groups(child)


def _named(item: Dataset, value: str) -> bool:
    name = code_of(item, "ConceptNameCodeSequence")
    return name is not None and name.value == value


def _author(holder: Dataset) -> _Author | None:
    """Who speaks: an algorithm that is named, else the person observer, else the device observer."""
    said = {
        name.value: text(child, "TextValue") or text(child, "PersonName")
        for child in items(holder, "ContentSequence")
        if (name := code_of(child, "ConceptNameCodeSequence"))
    }
    if said.get(_ALGORITHM_NAME):
        version = said.get(_ALGORITHM_VERSION, "")
        return _Author(f"{said[_ALGORITHM_NAME]} {version}".strip(), is_algorithm=True)
    for value, is_algorithm in ((_PERSON, False), (_DEVICE_NAME, True)):
        if said.get(value):
            return _Author(said[value], is_algorithm=is_algorithm)
    return None


def _of_group(group: Dataset, author: _Author) -> Iterator[Annotation]:
    children = list(items(group, "ContentSequence"))
    finding = _finding(children)
    speaker = _author(group) or author
    about = Annotation(
        kind="finding",
        words=finding.meaning if finding else "",
        code=finding,
        author=speaker.name,
        is_algorithm=speaker.is_algorithm,
        target=_target(children),
    )
    places = list(_places(children, about))
    yield from places
    images = list(dict.fromkeys(_images(children, places)))
    for statement in _statements(children, about):
        for uid, frame in images or [("", 1)]:
            yield replace(statement, sop_instance_uid=uid, frame=frame)


def _finding(children: list[Dataset]) -> Code | None:
    return next((code_of(c, "ConceptCodeSequence") for c in children if _named(c, _FINDING)), None)


def _target(children: list[Dataset]) -> str:
    uids = (text(child, "UID") for child in children if _named(child, _TRACKING_UID))
    names = (text(child, "TextValue") for child in children if _named(child, _TRACKING_ID))
    return next(uids, "") or next(names, "")


def _statements(children: list[Dataset], about: Annotation) -> Iterator[Annotation]:
    """Numbers and coded answers of a group, and the finding: 1 where it is present, 0 where it is absent."""
    said = []
    for child in children:
        name, kind = code_of(child, "ConceptNameCodeSequence"), text(child, "ValueType")
        if name is None or name.value in _NO_ANSWER:
            continue
        if kind == "NUM" and (measured := _measured(child)):
            value, unit = measured
            said.append(
                replace(about, kind="measurement", words=name.meaning, code=name, value=value, unit=unit)
            )
        elif kind == "CODE" and (answer := code_of(child, "ConceptCodeSequence")):
            said.append(replace(about, kind="evaluation", words=name.meaning, code=name, answer=answer))
    yield from said
    presence = next((code_of(c, "ConceptCodeSequence") for c in children if _named(c, _PRESENCE)), None)
    if about.code is not None and (presence is None or presence.value != _INDETERMINATE):
        yield replace(about, value=float(presence is None or presence.value != _ABSENT))


def _measured(item: Dataset) -> tuple[float, str] | None:
    for measured in items(item, "MeasuredValueSequence"):
        unit = code_of(measured, "MeasurementUnitsCodeSequence")
        if text(measured, "NumericValue"):
            return float(measured.NumericValue), unit.value if unit else ""
    return None


def _places(children: list[Dataset], about: Annotation) -> Iterator[Annotation]:
    for child in children:
        kind = text(child, "ValueType")
        if kind == "SCOORD":
            yield from _planar(child, about)
        elif kind == "SCOORD3D" and (shape := _shape(child, 3)):
            yield replace(about, kind=shape[0], points_lps_mm=shape[1])


def _planar(item: Dataset, about: Annotation) -> Iterator[Annotation]:
    shape = _shape(item, 2)
    if shape is None:
        return
    kind, points = shape
    pixels = tuple((float(x), float(y)) for x, y in points)
    for uid, frame in _named_images(item):
        yield replace(about, kind=kind, points_px=pixels, sop_instance_uid=uid, frame=frame)


def _shape(item: Dataset, dimensions: int) -> tuple[Kind, Points] | None:
    """Kind and points [point, dimension]; circles and ellipses as outlines of 36 points."""
    data = np.array([float(value) for value in item.get("GraphicData") or ()]).reshape(-1, dimensions)
    graphic = text(item, "GraphicType")
    if graphic == "POINT":
        return "point", data[:1]
    if graphic in _OUTLINES:
        return "outline", data
    if graphic in ("CIRCLE", "ELLIPSE") and dimensions == 2:
        return "outline", _round(graphic, data)
    return None


def _round(graphic: str, data: Points) -> Points:
    """Points on a circle (centre, a point on it) or an ellipse (ends of major, then minor axis)."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)[:, None]
    if graphic == "CIRCLE":
        centre, across = data[0], np.array([float(np.linalg.norm(data[1] - data[0])), 0.0])
        along = across[::-1]
    else:
        centre, across, along = (data[0] + data[1]) / 2, (data[1] - data[0]) / 2, (data[3] - data[2]) / 2
    return np.asarray(centre + np.cos(angle) * across + np.sin(angle) * along)


def _named_images(item: Dataset) -> Iterator[tuple[str, int]]:
    for child in items(item, "ContentSequence"):
        if text(child, "ValueType") == "IMAGE":
            yield from _references(child)


def _references(item: Dataset) -> Iterator[tuple[str, int]]:
    for reference in items(item, "ReferencedSOPSequence"):
        yield text(reference, "ReferencedSOPInstanceUID"), referenced_frame(reference)


def _images(children: list[Dataset], places: list[Annotation]) -> Iterator[tuple[str, int]]:
    """Images that a group speaks of: those of its places, and those that it names itself."""
    yield from ((place.sop_instance_uid, place.frame) for place in places if place.sop_instance_uid)
    for child in children:
        if text(child, "ValueType") == "IMAGE" and not any(_named(child, s) for s in _SEGMENTATIONS):
            yield from _references(child)
        elif text(child, "ValueType") == "NUM":
            yield from _named_images(child)
