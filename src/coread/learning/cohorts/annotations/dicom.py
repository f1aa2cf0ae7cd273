"""DICOM annotations as labels of the images that they speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coread.dicom import Plane
from coread.dicom.annotations import Annotation
from coread.domain.codes import Code
from coread.learning.cohorts.codebook import CodeBook, Concept
from coread.learning.cohorts.form import Kind as LabelKind
from coread.learning.cohorts.form import Label, LeftOut
from coread.learning.cohorts.regions import runs_of

FAR_MM = 0.6
"""A contour's point further from its image's plane than this is on another slice: half the thinnest usual CT
slice (1.25 mm) less rounding."""


@dataclass(frozen=True, eq=False)
class Place:
    """An image that may be annotated: its name in the cohort, size and plane."""

    image: str
    rows: int
    columns: int
    plane: Plane | None = None


@dataclass
class Placed:
    """Labels by image, and what could not be placed."""

    labels: dict[str, list[Label]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


def place_annotations(
    annotations: Iterable[Annotation],
    places: Mapping[tuple[str, int], Place],
    book: CodeBook,
    name_author: Callable[[Annotation], str],
) -> Placed:
    """Turn annotations into labels, each under its author.

    Parameters
    ----------
    annotations
        As `coread.dicom.annotations.read_annotations` gives them.
    places
        Images by SOP Instance UID and frame.
    book
        Words to keep; what is called otherwise is listed and left out.
    name_author
        Pseudonym of an author.
    """
    placed = Placed()
    for annotation in annotations:
        found = _label(annotation, places, book, name_author)
        if isinstance(found, LeftOut):
            placed.left_out.append(found)
        elif found not in placed.labels.setdefault(found.image, []):
            placed.labels[found.image].append(found)
    return placed


def _label(
    annotation: Annotation,
    places: Mapping[tuple[str, int], Place],
    book: CodeBook,
    name_author: Callable[[Annotation], str],
) -> Label | LeftOut:
    what = f"{annotation.kind} {annotation.words!r}"
    concept = _concept(annotation.code, annotation.words, book)
    answer = _concept(annotation.answer, "", book) if annotation.answer else None
    place = places.get((annotation.sop_instance_uid, annotation.frame))
    if concept is None and answer is None:
        return LeftOut(what, "unknown-label", "neither its code nor its words are in the code book")
    if place is None:
        return LeftOut(what, "unknown-image", "it names no image of this cohort")
    said = _said(annotation, concept, answer, place)
    if isinstance(said, str):
        return LeftOut(what, "unusable-annotation", said)
    return Label(
        place.image, name_author(annotation), said.name, said.kind, said.value, said.region, annotation.target
    )


@dataclass(frozen=True)
class _Said:
    name: str
    kind: LabelKind
    value: float = 1.0
    region: tuple[float, ...] = ()


def _said(
    annotation: Annotation, concept: Concept | None, answer: Concept | None, place: Place
) -> _Said | str:
    """What is said in the words of the code book; a sentence where it cannot be said."""
    named = answer if annotation.kind == "evaluation" else concept
    if named is None:
        return "its code or answer is not in the code book"
    if annotation.kind in ("evaluation", "finding"):
        return _Said(named.name, "class", 0.0 if annotation.value == 0 else 1.0)
    return (
        _number(annotation, named) if annotation.kind == "measurement" else _region(annotation, named, place)
    )


def _region(annotation: Annotation, concept: Concept, place: Place) -> _Said | str:
    if annotation.mask is not None:
        if annotation.mask.shape != (place.rows, place.columns):
            return f"a mask of {annotation.mask.shape} on an image of {(place.rows, place.columns)}"
        return _Said(concept.name, "mask", 1.0, runs_of(annotation.mask))
    points = _pixels(annotation, place)
    return (
        points
        if isinstance(points, str)
        else _Said(concept.name, "points", 1.0, tuple(points.ravel().tolist()))
    )


def _number(annotation: Annotation, concept: Concept) -> _Said | str:
    value = annotation.value
    if value is None or (concept.unit and annotation.unit != concept.unit):
        return f"unit {annotation.unit!r} where the code book says {concept.unit!r}"
    if not concept.low <= value <= concept.high:
        return f"{value:g} outside {concept.low:g} to {concept.high:g}"
    return _Said(concept.name, "number", value)


def _concept(code: Code | None, words: str, book: CodeBook) -> Concept | None:
    by_code = book.find(code.value) if code else None
    return by_code or (book.find(code.meaning) if code else None) or book.find(words)


def _pixels(annotation: Annotation, place: Place) -> NDArray[np.float64] | str:
    """Points float64 [point, (x, y)] in pixels, origin at the outer corner of the top left pixel."""
    if annotation.points_lps_mm is None:
        return np.array(annotation.points_px, dtype=np.float64)
    if place.plane is None:
        return "points in the patient on an image without a place in the patient"
    indices = np.array([place.plane.index_of(point) for point in annotation.points_lps_mm])
    if np.abs(indices[:, 2]).max() > FAR_MM:
        return f"points {np.abs(indices[:, 2]).max():.1f} mm away from their image"
    return indices[:, 1::-1] + 0.5
