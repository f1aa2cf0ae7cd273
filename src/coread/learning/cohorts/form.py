"""The one form of a cohort: images, labels and what was left out, as frozen rows.

``docs/cohorts.md`` describes the same form for people who read the files without this package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.learning.cohorts.codebook import CodeBook

SPLITS = ("train", "val", "test")

Kind = Literal["class", "number", "box", "points", "mask"]
"""class: the image (or target) as a whole; number: a grade or quantity; box: x, y, width, height; points: one
point, or the corners of a closed outline; mask: run lengths."""

KINDS: tuple[Kind, ...] = ("class", "number", "box", "points", "mask")


@dataclass(frozen=True, slots=True)
class CohortImage:
    """One image of a cohort. Empty text and None mean unknown.

    Attributes
    ----------
    image
        Name, unique in the cohort.
    path, sha256
        File below the cohort's folder (PNG, 8 or 16 bits, or the source's JPEG), and the hash of its bytes.
    patient, study, series
        Pseudonyms, or the published identifiers of a public set, unique over all sites.
    site, device
        Where and with what it was taken.
    modality
        As DICOM writes it (PS3.3 C.7.3.1.1.1).
    view, sex, age_years
        View position, patient's sex (F, M, O), age when it was taken.
    split
        train, val or test.
    rows, columns, channels
        Size in pixels; 1 channel is grey, 3 are red, green, blue.
    spacing_mm
        Distance of pixel centres (between rows, between columns).
    slice_mm, position
        Distance to the next slice, and the place in the order of slices, where the image is one of a stack.
    grey_unit, grey_slope, grey_offset
        What stored values mean: value = stored x slope + offset, in this unit. ``HU`` Hounsfield units;
        ``display`` as shown, 0..255; ``rgb``; ``stretched`` by the image's own range; ``score`` standard
        deviations; ``share`` 0..1; ``raw`` without meaning.
    fingerprint
        What near-duplicates are found by (see `coread.learning.cohorts.selecting.duplicates`).
    group
        Images of one patient, and near-duplicates of these, bear one group; a group lies in one split.
    steps
        What was done to the source's pixels, as JSON that `coread.learning.cohorts.harmonising` replays.
    source, source_sha256
        Where it came from (never a path of this machine), and the hash of those bytes.
    licence, credit
        Terms and attribution.
    facts
        Whatever else is known, as JSON.
    """

    image: str
    patient: str
    site: str
    modality: str
    path: str = ""
    sha256: str = ""
    study: str = ""
    series: str = ""
    device: str = ""
    view: str = ""
    sex: str = ""
    age_years: float | None = None
    split: str = ""
    rows: int = 0
    columns: int = 0
    channels: int = 1
    spacing_mm: tuple[float, float] | None = None
    slice_mm: float | None = None
    position: int | None = None
    grey_unit: str = "display"
    grey_slope: float = 1.0
    grey_offset: float = 0.0
    fingerprint: str = ""
    group: str = ""
    steps: str = "[]"
    source: str = ""
    source_sha256: str = ""
    licence: str = ""
    credit: str = ""
    facts: str = "{}"

    def fact(self, name: str) -> Any:
        """One of the further facts, None where it is not known."""
        return json.loads(self.facts).get(name)


@dataclass(frozen=True, slots=True)
class Label:
    """What one annotator says of one image. Annotators are never merged.

    Attributes
    ----------
    image
        Name of the image.
    annotator
        Who says it: a reader's pseudonym, an algorithm, or a process such as ``report-text``.
    name
        Word of the code book.
    kind
        See `KINDS`.
    value
        0 or 1 for absence and presence, else the grade or quantity; within the concept's bounds.
    region
        box: (x, y, width, height); points: (x0, y0, x1, y1, ...); both in pixels of the stored image, origin
        at the outer corner of the top left pixel. mask: run lengths, as COCO writes them (see `regions`).
    target
        Names the one lesion or cell that several labels speak of; unique within a patient.
    """

    image: str
    annotator: str
    name: str
    kind: Kind = "class"
    value: float = 1.0
    region: tuple[float, ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the source that the cohort does not hold, and why."""

    what: str
    """Place in the source; never a patient's name."""
    code: str
    """Stable word: missing-file, unreadable, all-black, too-small, unknown-label, no-consent, ..."""
    reason: str


@dataclass(frozen=True)
class Cohort:
    """A cohort in memory; pixels are read when asked for."""

    name: str
    folder: Path
    images: tuple[CohortImage, ...]
    labels: tuple[Label, ...]
    book: CodeBook
    left_out: tuple[LeftOut, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Origin, plan, traps that the source is known to hold."""

    def of_split(self, split: str) -> tuple[CohortImage, ...]:
        """Images of one split, in the order of the manifest."""
        return tuple(image for image in self.images if image.split == split)

    def labels_of(self, image: str, annotator: str | None = None) -> tuple[Label, ...]:
        """Labels of one image, of one annotator if one is named."""
        return tuple(label for label in self.by_image.get(image, ()) if annotator in (None, label.annotator))

    @property
    def by_image(self) -> Mapping[str, tuple[Label, ...]]:
        """Labels by the image that they speak of; gathered once."""
        held: dict[str, tuple[Label, ...]] | None = self.__dict__.get("_by_image")
        if held is None:
            held = _gathered(self.labels)
            object.__setattr__(self, "_by_image", held)
        return held

    def annotators(self) -> tuple[str, ...]:
        """All annotators, sorted."""
        return tuple(sorted({label.annotator for label in self.labels}))

    def stored(self, image: CohortImage) -> NDArray[Any]:
        """Stored pixels: uint8 or uint16 [row, column], or uint8 [row, column, 3]."""
        return stored_pixels(self.folder / image.path, image.channels)

    def values(self, image: CohortImage) -> NDArray[np.float32]:
        """Pixels in their unit: float32 [row, column] or [row, column, 3]."""
        scaled = self.stored(image).astype(np.float32) * np.float32(image.grey_slope)
        return np.asarray(scaled + np.float32(image.grey_offset), dtype=np.float32)


def stored_pixels(path: Path, channels: int) -> NDArray[Any]:
    """Read an image file: 16-bit grey as uint16, other grey as uint8, colour as uint8 [row, column, 3]."""
    with Image.open(path) as image:
        if channels == 3:
            return np.asarray(image.convert("RGB"))
        if image.mode.startswith("I"):
            return np.asarray(image).astype(np.uint16)
        return np.asarray(image.convert("L"))


def _gathered(labels: Iterable[Label]) -> dict[str, tuple[Label, ...]]:
    held: dict[str, list[Label]] = {}
    for label in labels:
        held.setdefault(label.image, []).append(label)
    return {image: tuple(of_it) for image, of_it in held.items()}
