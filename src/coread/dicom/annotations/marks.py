"""Points and shapes of a presentation state: where somebody else has already pointed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from coread.dicom.annotations.items import items, referenced_frame, text
from coread.dicom.objects import DicomObject
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.domain.finding import Box

#: Softcopy presentation states that hold the Graphic Annotation module (PS3.3 section A.33).
PRESENTATION_SOP_CLASS_UIDS = frozenset(f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (1, 2, 3, 4, 12))

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mark:
    """One graphic on one frame: a point, or the box round a shape; pixels as of `Box`."""

    sop_instance_uid: str
    frame: int
    point: tuple[float, float] | None = None
    box: Box | None = None


def marks_of(state: DicomObject) -> tuple[Mark, ...]:
    """Return the points and shapes of a presentation state, each on every image that it refers to.

    Coordinates in PIXEL units have their origin at the outer corner of the top left pixel, as ours have
    (PS3.3 section C.10.5.1.2). *Does not* read graphics that are tied to the display, or compound ones.
    """
    try:
        return tuple(_marks(state.dataset))
    except LIBRARY_ERRORS:
        return ()


def _marks(dataset: Dataset) -> Iterator[Mark]:
    for annotation in items(dataset, "GraphicAnnotationSequence"):
        images = list(items(annotation, "ReferencedImageSequence")) or _only_image(dataset)
        for graphic in items(annotation, "GraphicObjectSequence"):
            shape = _shape(graphic)
            if shape is None:
                continue
            for image in images:
                yield Mark(text(image, "ReferencedSOPInstanceUID"), referenced_frame(image), *shape)


def _only_image(dataset: Dataset) -> list[Dataset]:
    """Return the one image of the whole state; none where it has several."""
    series = list(items(dataset, "ReferencedSeriesSequence"))
    images = [image for one in series for image in items(one, "ReferencedImageSequence")]
    return images if len(images) == 1 else []


def _shape(graphic: Dataset) -> tuple[tuple[float, float] | None, Box | None] | None:
    """Return point or box of a graphic; None for one that is neither."""
    if text(graphic, "GraphicAnnotationUnits") != "PIXEL":
        return None
    numbers = np.array([float(number) for number in graphic.get("GraphicData") or ()])
    if numbers.size < 2 or numbers.size % 2 or not np.isfinite(numbers).all():
        return None
    points: Points = numbers.reshape(-1, 2)
    kind = text(graphic, "GraphicType")
    if kind == "POINT":
        return (float(points[0, 0]), float(points[0, 1])), None
    if kind == "CIRCLE" and len(points) == 2:
        radius = float(np.linalg.norm(points[1] - points[0]))
        points = np.stack([points[0] - radius, points[0] + radius])
    is_closed = kind in ("CIRCLE", "ELLIPSE") or bool((points[0] == points[-1]).all())
    box = _around(points)
    return (None, box) if is_closed and min(box.width_px, box.height_px) > 0 else None


def _around(points: Points) -> Box:
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Box(left, top, right - left, bottom - top)
