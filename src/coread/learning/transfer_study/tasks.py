"""Four tasks on real sets, each as small images with label, patient and split."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.learning.blood.sets import cells
from coread.readers.blood_smear.cells import CLASSES
from coread.readers.blood_smear.field import balanced

Pixels = NDArray[np.uint8]

SIDE = 96
"""Rows and columns that every arm is given: small enough for a laptop, the same for all."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Task:
    """Images of one set.

    Attributes
    ----------
    name
        Of the set.
    images
        uint8 [image, channel, row, column], square.
    labels
        Class number [image], 0..classes - 1.
    patients
        [image]; the image itself where the set names no patient.
    split
        train, val or test [image].
    classes
        Number of classes.
    turns
        Whether an image upside down is still one of its kind.
    """

    name: str
    images: Pixels
    labels: NDArray[np.int64]
    patients: NDArray[np.str_]
    split: NDArray[np.str_]
    classes: int
    turns: bool

    def rows(self, split: str) -> NDArray[np.int64]:
        """Numbers of the images of one split."""
        return np.flatnonzero(self.split == split)

    def floats(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images in 0..1, float32 [row, channel, side, side]."""
        return self.images[rows].astype(np.float32) / np.float32(255)

    def few(self, share: float, seed: int) -> NDArray[np.int64]:
        """Training images of a share of the training patients, drawn by `seed`.

        Of each class at least two patients are drawn; the draw of a smaller share lies within that of a
        larger one.
        """
        rows = self.rows("train")
        if share >= 1:
            return rows
        order = np.random.default_rng([seed, 97]).permutation(np.unique(self.patients[rows]))
        chosen: set[str] = set()
        for label in range(self.classes):
            of_class = set(self.patients[rows[self.labels[rows] == label]].tolist())
            ranked = [name for name in order.tolist() if name in of_class]
            chosen.update(ranked[: max(2, round(share * len(ranked)))])
        return rows[np.isin(self.patients[rows], sorted(chosen))]


def blood_cells(data: Path) -> Task:
    """PBC: eight classes of cells, in colour."""
    parts = [cells(data, split) for split in SPLITS]
    images = [colour(part.image(i)) for part in parts for i in range(len(part.labels))]
    split = np.concatenate(
        [np.full(len(part.labels), name) for part, name in zip(parts, SPLITS, strict=True)]
    )
    names = np.array([name for part in parts for name in part.names])
    labels = np.concatenate([part.labels for part in parts])
    return Task("blood_pbc", np.stack(images), labels, names, split, len(CLASSES), turns=True)


def children(data: Path) -> Task:
    """Children's chest radiographs: pneumonia against normal."""
    return chests(data / "cxr_paediatric", lambda row: int(row["label"] != "normal"))


def adults(data: Path) -> Task:
    """Adults' chest radiographs: pneumonia against no finding."""
    return chests(data / "cxr_nih", lambda row: int(row["folder_label"] == "pneumonia"))


def nodules(data: Path) -> Task:
    """LIDC: nodules rated malignant (median above 3.5) against benign (below 2.5) by two readers or more."""
    folder = data / "lidc_nodules"
    held = {row["nodule_id"]: row for row in table(folder / "nodules.csv") if int(row["n_readers"]) >= 2}
    rating = {name: median(row["malignancy"]) for name, row in held.items()}
    sure = {name: int(value > 3.5) for name, value in rating.items() if value > 3.5 or value < 2.5}
    middle = [r for r in table(folder / "slices.csv") if r["slice_offset"] == "0" and r["nodule_id"] in sure]
    slices = np.load(folder / "slices.npz")["images"]
    return Task(
        "lidc_nodules",
        slices[[int(row["row"]) for row in middle]][:, None],
        np.array([sure[row["nodule_id"]] for row in middle], dtype=np.int64),
        np.array([row["patient"] for row in middle]),
        np.array([row["split"] for row in middle]),
        2,
        turns=True,
    )


TASKS: dict[str, Callable[[Path], Task]] = {
    "blood_pbc": blood_cells,
    "cxr_nih": adults,
    "cxr_paediatric": children,
    "lidc_nodules": nodules,
}
"""Each task by its set's name."""


def chests(folder: Path, label: Callable[[dict[str, str]], int | None], side: int = SIDE) -> Task:
    """Radiographs of one set, windowed.

    Parameters
    ----------
    folder
        Of the set.
    label
        Class number of a row of its table; none leaves the image out.
    side
        Rows and columns of each image.
    """
    held = [(row, number) for row in table(folder / "cases.csv") if (number := label(row)) is not None]
    return Task(
        folder.name,
        np.stack([_grey(folder / "images" / row["file"], side) for row, _ in held]),
        np.array([number for _, number in held], dtype=np.int64),
        np.array([row["patient"] for row, _ in held]),
        np.array([row["split"] for row, _ in held]),
        2,
        turns=False,
    )


def _grey(path: Path, side: int) -> Pixels:
    """A radiograph windowed to its 0.5th to 99.5th percentile, uint8 [1, side, side]."""
    with Image.open(path) as image:
        small = image.convert("L").resize((side, side), Image.Resampling.BILINEAR)
    level = np.asarray(small, np.float32)
    low, high = np.percentile(level, (0.5, 99.5))
    return np.asarray(np.clip((level - low) / max(float(high - low), 1.0) * 255, 0, 255), np.uint8)[None]


def colour(image: Pixels, side: int = SIDE) -> Pixels:
    """A cell with its background set to white, uint8 [3, side, side]."""
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    level = balanced(np.asarray(small, np.float32) / np.float32(255))
    return np.asarray(level * 255 + 0.5, np.uint8).transpose(2, 0, 1)


def median(ratings: str) -> float:
    """Of several readers' ratings, as the set writes them: a|b|c."""
    return float(np.median([float(part) for part in ratings.split("|") if part]))


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a set's table, as text."""
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
