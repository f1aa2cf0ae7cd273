"""Labelled images for one finding: from a cohort, from a table, or from two folders."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.errors import CohortRefused
from coread.learning.cohorts import open_cohort

SPLITS = ("train", "val", "test")

SHARES = (0.6, 0.2, 0.2)
"""Shares of the patients where the source names no split; with 200 images, a smaller validation or test part
would say nothing."""

FEWEST = 5
"""Fewest images with and without the finding in each split."""

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})


@dataclass(frozen=True)
class Examples:
    """Labelled images.

    Attributes
    ----------
    paths
        Image files.
    labels
        1 with the finding, 0 without it, [image].
    patients
        Whose image it is; the image itself where nobody is named.
    split
        train, val or test, [image].
    channels
        1 if all images are grey, else 3.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    patients: tuple[str, ...]
    split: NDArray[np.str_]
    channels: int

    def rows(self, split: str) -> NDArray[np.int64]:
        """Numbers of the images of one split."""
        return np.flatnonzero(self.split == split)

    def pixels(self, index: int) -> NDArray[Any]:
        """One image: float32 [row, column] in 0..1, or uint8 [row, column, 3] where `channels` is 3."""
        with Image.open(self.paths[index]) as image:
            if self.channels == 3:
                return np.asarray(image.convert("RGB"))
            level = np.asarray(image if image.mode.startswith("I") else image.convert("L"), np.float32)
            return level / max(255.0, float(level.max()))

    def names(self, split: str) -> list[str]:
        """Patients of the images of one split, in order."""
        return [self.patients[row] for row in self.rows(split)]


def examples(source: Path, finding: str) -> Examples:
    """Gather labelled images.

    Parameters
    ----------
    source
        A cohort (``cohort.json`` in it); or a folder with ``cases.csv`` of the columns file and label, and
        patient and split if known; or a folder with one folder of images for each label.
    finding
        The label, or word of the code book, that means the finding is there.

    Raises
    ------
    CohortRefused
        If there is no such label, a patient lies in two splits, or a split holds too few of either kind.
    """
    if (source / "cohort.json").is_file():
        rows = _of_cohort(source, finding)
    elif (source / "cases.csv").is_file():
        rows = _of_table(source)
    else:
        rows = _of_folders(source)
    if not any(label == finding for _, label, _, _ in rows):
        known = ", ".join(sorted({label for _, label, _, _ in rows})) or "none"
        raise CohortRefused(
            f"no image labelled {finding!r}", f"one of: {known}", "name the finding", source.name
        )
    return _checked(rows, finding, source)


Row = tuple[Path, str, str, str]
"""File, label, patient, split; the last two empty where unknown."""


def _of_cohort(source: Path, finding: str) -> list[Row]:
    cohort = open_cohort(source)
    rows = []
    for image in cohort.images:
        said = [
            one.value for one in cohort.labels_of(image.image) if one.name == finding and one.kind == "class"
        ]
        if said:  # several annotators: the majority, and a tie is no finding
            label = finding if np.mean(said) > 0.5 else f"no {finding}"
            rows.append((source / image.path, label, image.group or image.patient, image.split))
    return rows


def _of_table(source: Path) -> list[Row]:
    with (source / "cases.csv").open(newline="", encoding="utf-8") as lines:
        held = list(csv.DictReader(lines))
    return [
        (_file(source, row["file"]), row["label"], row.get("patient", ""), row.get("split", ""))
        for row in held
    ]


def _file(source: Path, name: str) -> Path:
    place = source / name
    return place if place.is_file() else source / "images" / name


def _of_folders(source: Path) -> list[Row]:
    files = sorted(path for path in source.glob("*/*") if path.suffix.lower() in ENDINGS)
    return [(path, path.parent.name, "", "") for path in files]


def _checked(rows: Sequence[Row], finding: str, source: Path) -> Examples:
    missing = [path.name for path, *_ in rows if not path.is_file()]
    if missing:
        raise CohortRefused(
            f"{len(missing)} files that are not there", "every file", "mend the table", missing[0]
        )
    patients = tuple(patient or path.name for path, _, patient, _ in rows)
    split = _splits(patients, [split for *_, split in rows])
    labels = np.array([int(label == finding) for _, label, _, _ in rows], dtype=np.int64)
    found = Examples(
        tuple(path for path, *_ in rows), labels, patients, split, _channels([r[0] for r in rows])
    )
    _demand(found, source)
    return found


def _splits(patients: Sequence[str], given: Sequence[str]) -> NDArray[np.str_]:
    """The splits given, or by a hash of the patient where none are."""
    if all(split in SPLITS for split in given):
        return np.array(given)
    ends = np.cumsum(SHARES)[:-1]
    share = [int(sha256(name.encode()).hexdigest()[:8], 16) / 2**32 for name in patients]
    return np.array([SPLITS[int(np.searchsorted(ends, value, side="right"))] for value in share])


def _channels(paths: Sequence[Path]) -> int:
    """1 if no image has colour: of each of the first twenty all channels are equal."""
    for path in paths[:20]:
        with Image.open(path) as image:
            level = np.asarray(image.convert("RGB"), np.int16)
        if (
            image.mode not in {"L", "1"}
            and not image.mode.startswith("I")
            and np.ptp(level, axis=2).max() > 2
        ):
            return 3
    return 1


def _demand(found: Examples, source: Path) -> None:
    splits: dict[str, set[str]] = {}
    for name, split in zip(found.patients, found.split.tolist(), strict=True):
        splits.setdefault(name, set()).add(split)
    torn = [name for name, held in splits.items() if len(held) > 1]
    if torn:
        remedy = "split by patient, or leave the split column out"
        raise CohortRefused(f"{len(torn)} patients in two splits", "each patient in one", remedy, source.name)
    for split in SPLITS:
        sick = int(found.labels[found.rows(split)].sum())
        well = len(found.rows(split)) - sick
        if min(sick, well) < FEWEST:
            counted = f"{sick} images with and {well} without the finding in {split}"
            remedy = "label more images, or another split"
            raise CohortRefused(counted, f"at least {FEWEST} of each", remedy, source.name)
