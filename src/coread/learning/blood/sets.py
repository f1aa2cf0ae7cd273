"""The two sets: fields with boxes around cells, and single cells with a class."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.readers.blood_smear.cells import CLASSES

Colour = NDArray[np.uint8]

KIND_NAMES = ("WBC", "RBC", "Platelets")
"""The set's names, in the order of `coread.readers.blood_smear.cells.KINDS`."""

FIELDS, CELLS = "blood_bccd", "blood_pbc"
"""Folders of the two sets."""

LEAKS = frozenset({"BloodImage_00037.jpg", "MO_415531.jpg"})
"""Images of the training and validation splits that are copies of test images (BloodImage_00038, MO_231316):
left out, so that the test splits stay as published."""


@dataclass(frozen=True)
class Field:
    """One field with its annotated cells.

    Attributes
    ----------
    path
        Where the image lies.
    split
        train, val or test.
    boxes
        float [cell, 4]: left, top, width, height, pixels.
    kind
        int [cell]: index into `KIND_NAMES`.
    """

    path: Path
    split: str
    boxes: NDArray[np.float64]
    kind: NDArray[np.int64]

    def image(self) -> Colour:
        """The field, uint8 [row, column, 3]."""
        return colour(self.path.read_bytes())

    def shape_rc(self) -> tuple[int, int]:
        """Rows and columns, without decoding the image."""
        with Image.open(self.path) as image:
            return image.height, image.width


@dataclass(frozen=True)
class CellSet:
    """Single cells of one split.

    Attributes
    ----------
    jpegs
        Encoded image of each cell.
    labels
        int [cell]: index into `coread.readers.blood_smear.cells.CLASSES`.
    names
        File name of each cell, its identity in the source.
    """

    jpegs: tuple[bytes, ...]
    labels: NDArray[np.int64]
    names: tuple[str, ...]

    def image(self, index: int) -> Colour:
        """One cell, uint8 [128, 128, 3]."""
        return colour(self.jpegs[index])

    def first(self, count: int | None) -> CellSet:
        """The first cells, all of them for None."""
        return self if count is None else self.of(np.arange(min(count, len(self.labels))))

    def of(self, chosen: NDArray[np.int64]) -> CellSet:
        """The chosen cells."""
        jpegs, names = (tuple(part[i] for i in chosen) for part in (self.jpegs, self.names))
        return CellSet(jpegs, self.labels[chosen], names)


def colour(encoded: bytes) -> Colour:
    """Decode an image file as uint8 [row, column, 3]."""
    with Image.open(BytesIO(encoded)) as image:
        return np.asarray(image.convert("RGB"))


def fields(data: Path, split: str) -> tuple[Field, ...]:
    """The fields of one split.

    Parameters
    ----------
    data
        Folder of the published sets.
    split
        train, val or test. *Does not* keep fields of one smear together: the set names no patient.
    """
    folder = data / FIELDS
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for row in _table(folder / "annotations.csv"):
        left, top, right, bottom = (float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
        if right > left and bottom > top:  # one box of the set has no area
            kind = KIND_NAMES.index(row["class"])
            boxes.setdefault(row["file"], []).append((left, top, right - left, bottom - top, kind))
    rows = _rows(folder, split)
    return tuple(_field(folder / "images" / row["file"], split, boxes.get(row["file"], [])) for row in rows)


def cells(data: Path, split: str) -> CellSet:
    """The single cells of one split.

    Parameters
    ----------
    data
        Folder of the published sets.
    split
        train, val or test. *Does not* keep cells of one donor together: the set names none, so that figures
        within it are optimistic.
    """
    folder = data / CELLS
    with np.load(folder / "images.npz") as held:
        joined, offsets = held["jpeg"], held["offsets"]
    rows = _rows(folder, split)
    numbers = [int(row["row"]) for row in rows]
    jpegs = tuple(joined[offsets[i] : offsets[i + 1]].tobytes() for i in numbers)
    labels = np.array([list(CLASSES).index(row["label"]) for row in rows], dtype=np.int64)
    return CellSet(jpegs, labels, tuple(row["file"] for row in rows))


def _rows(folder: Path, split: str) -> list[dict[str, str]]:
    """Lines of one split without the known copies of test images."""
    return [r for r in _table(folder / "cases.csv") if r["split"] == split and r["file"] not in LEAKS]


def _field(path: Path, split: str, boxes: list[tuple[float, ...]]) -> Field:
    held = np.array(boxes, dtype=np.float64).reshape(-1, 5)
    return Field(path, split, held[:, :4], held[:, 4].astype(np.int64))


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
