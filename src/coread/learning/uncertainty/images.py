"""The image sets of the uncertainty studies, each image made on demand as a frozen trunk takes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.learning.blood.sets import cells, fields
from coread.learning.chest.cohort import chest_cohort, foreign_images, grey, shifted_cohort
from coread.readers.blood_smear.cells import CLASSES

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]
Load = Callable[[], Pixels]

SIDE = 160
"""Rows and columns that the trunk is given: a compromise between detail and minutes on one core."""

SPLITS = ("train", "val", "test")

PER_SET = 250
"""About the most images of a foreign set and split: bounds a share of 1 to within 1.5 %."""


@dataclass(frozen=True)
class ImageSet:
    """Images of one source and split.

    Attributes
    ----------
    name, split
        Of the set.
    loads
        Each gives uint8 [row, column] or [row, column, 3].
    label
        Class of each image; all 0 where the set has no classes of interest.
    patient
        Patient of each image; the image itself where the set names none.
    facts
        Further columns by name, such as view and sex; empty text = unknown.
    """

    name: str
    split: str
    loads: tuple[Load, ...]
    label: NDArray[np.int64]
    patient: tuple[str, ...]
    facts: dict[str, tuple[str, ...]]

    def first(self, count: int | None) -> ImageSet:
        """Evenly drawn images, at most `count`; all for None."""
        if count is None or count >= len(self.loads):
            return self
        rows = np.linspace(0, len(self.loads) - 1, count).astype(int)
        facts = {key: tuple(values[i] for i in rows) for key, values in self.facts.items()}
        loads, patients = tuple(self.loads[i] for i in rows), tuple(self.patient[i] for i in rows)
        return ImageSet(self.name, self.split, loads, self.label[rows], patients, facts)


def chests(data: Path, split: str) -> ImageSet:
    """Chest radiographs of adults and children: opacity or not; site, view, sex, age and kind known."""
    items = [item for item in chest_cohort(data) if item.split == split]
    facts = {
        "site": tuple(i.site for i in items),
        "cell": tuple(f"{i.site} {i.view}" if i.view else i.site for i in items),
        "view": tuple(i.view or "" for i in items),
        "sex": tuple(i.sex or "" for i in items),
        "age": tuple(_age_band(i.age_years) for i in items),
        "band": tuple(f"{i.site} {_age_band(i.age_years)}".strip() for i in items),
        "fine band": tuple(f"{i.site} {_fine_age_band(i.age_years)}".strip() for i in items),
        "kind": tuple(i.kind for i in items),
    }
    loads = tuple(partial(grey, item.path) for item in items)
    label = np.array([item.opacity for item in items], dtype=np.int64)
    return ImageSet("chest", split, loads, label, tuple(item.patient for item in items), facts)


def children(data: Path, split: str) -> ImageSet:
    """Children's radiographs alone: normal, bacterial or viral."""
    whole = chests(data, split)
    rows = [i for i, site in enumerate(whole.facts["site"]) if site == "paediatric"]
    kinds = [whole.facts["kind"][i] for i in rows]
    loads, patients = tuple(whole.loads[i] for i in rows), tuple(whole.patient[i] for i in rows)
    label = np.array([("normal", "bacteria", "virus").index(kind) for kind in kinds], dtype=np.int64)
    return ImageSet("children", split, loads, label, patients, {"kind": tuple(kinds)})


def blood(data: Path, split: str) -> ImageSet:
    """Single blood cells of eight classes, in colour."""
    part = cells(data, split)
    loads = tuple(partial(part.image, i) for i in range(len(part.labels)))
    words = tuple(CLASSES)
    names = tuple(words[k] for k in part.labels)
    return ImageSet("blood", split, loads, part.labels.astype(np.int64), part.names, {"class": names})


def foreign_to_chests(data: Path, split: str) -> tuple[ImageSet, ...]:
    """Images that are no frontal chest radiograph, by set."""
    by_name: dict[str, list[Load]] = {}
    for name, image in foreign_images(data, split, PER_SET):  # type: ignore[arg-type]
        by_name.setdefault(name, []).append(partial(np.asarray, image))
    return tuple(_unlabelled(name, split, loads) for name, loads in by_name.items())


def foreign_to_blood(data: Path, split: str) -> tuple[ImageSet, ...]:
    """Images that are no single stained blood cell, by set; whole smears are."""
    smears: list[Load] = [field.image for field in fields(data, split)]
    found = [part for part in foreign_to_chests(data, split) if not part.name.startswith("blood")]
    films = chests(data, split).first(PER_SET)
    return (_unlabelled("blood_field", split, smears), *found, films)


def other_hospital(data: Path) -> ImageSet:
    """Chest radiographs of a third source: not foreign, but shifted."""
    return _unlabelled("covid_chest", "test", [partial(grey, path) for path in shifted_cohort(data)])


def as_input(image: Pixels, channels: int) -> Float:
    """A square image as the trunk takes it, float32 [channel, `SIDE`, `SIDE`] in 0..1.

    Grey images are stretched between their 0.5th and 99.5th percentile, so that brightness alone tells
    nothing.
    """
    picture = Image.fromarray(image).convert("L" if channels == 1 else "RGB")
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float32)
    if channels == 3:
        return np.asarray(small.transpose(2, 0, 1) / 255)
    low, high = np.percentile(small, (0.5, 99.5))
    return np.asarray(np.clip((small - low) / max(float(high - low), 1.0), 0, 1)[None], dtype=np.float32)


def _unlabelled(name: str, split: str, loads: list[Load]) -> ImageSet:
    patients = tuple(f"{name}-{i}" for i in range(len(loads)))
    return ImageSet(name, split, tuple(loads), np.zeros(len(loads), dtype=np.int64), patients, {})


def _age_band(age_years: float | None) -> str:
    if age_years is None:
        return ""
    return "under 40" if age_years < 40 else "40-64" if age_years < 65 else "65 and over"


def _fine_age_band(age_years: float | None) -> str:
    """The bands of `_age_band`, the first two halved."""
    if age_years is None:
        return ""
    ends = ((25, "under 25"), (40, "25-39"), (53, "40-52"), (65, "53-64"), (math.inf, "65 and over"))
    return next(name for end, name in ends if age_years < end)
