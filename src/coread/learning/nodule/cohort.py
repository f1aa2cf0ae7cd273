"""LIDC-IDRI nodules as published slices, with every reader's outline and rating kept apart.

Armato et al., Med Phys 2011, doi:10.1118/1.3528204; data doi:10.7937/K9/TCIA.2015.LO9QL9SX (CC BY 3.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Float = NDArray[np.float64]
Split = Literal["train", "val", "test"]

TRAITS = (
    "subtlety", "internalStructure", "calcification", "sphericity", "margin", "lobulation", "spiculation",
    "texture",
)  # fmt: skip
"""Characteristics that each reader rated 1-5 (calcification 1-6, internalStructure 1-4)."""


@dataclass(frozen=True)
class Nodule:
    """One nodule.

    Attributes
    ----------
    nodule_id, patient, split, vendor
        As published; a patient lies in one split.
    sex, age_years
        Of the patient, where known.
    readers
        How many of the four marked it: its outlines stand in the first so many slots.
    ratings
        Each reader's rating by trait and ``malignancy``.
    diameter_mm, diameters_mm
        Median of the readers, and each reader's longest in-plane diameter.
    spacing_mm, slice_spacing_mm
        Pixel spacing (rows and columns alike) and distance of the slices (an estimate).
    rows
        Its slices as places in `Slices`, along z.
    whole
        Whether every slice of it is there: seven at most were published.
    """

    nodule_id: str
    patient: str
    split: Split
    vendor: str
    sex: str
    age_years: float | None
    readers: int
    ratings: dict[str, tuple[float, ...]]
    diameter_mm: float
    diameters_mm: tuple[float, ...]
    spacing_mm: float
    slice_spacing_mm: float
    rows: tuple[int, ...]
    whole: bool

    @property
    def malignancy(self) -> float:
        """Median of the readers' impression, 1-5; not pathology."""
        return float(np.median(self.ratings["malignancy"]))

    @property
    def malignant(self) -> int | None:
        """1 if the median is above 3.5, 0 if below 2.5, None if indeterminate."""
        return 1 if self.malignancy > 3.5 else 0 if self.malignancy < 2.5 else None

    def trait(self, name: str) -> float:
        """Mean of the readers' ratings of one trait."""
        return float(np.mean(self.ratings[name]))


@dataclass(frozen=True, eq=False)
class Slices:
    """The pictures.

    Attributes
    ----------
    images
        uint8 [slice, 96, 96], each stretched by its own least and greatest value: no Hounsfield units.
    masks
        uint8 0/1 [slice, 4, 96, 96], one outline per reader's slot.
    """

    images: Grey
    masks: Grey

    def of_readers(self, nodule: Nodule, row: int) -> NDArray[np.bool_]:
        """Outlines [reader, 96, 96] of those who marked the nodule; empty where one left this slice out."""
        return self.masks[row, : nodule.readers].astype(bool)

    def agreement(self, nodule: Nodule, row: int) -> NDArray[np.float32]:
        """Share of the nodule's readers that marked each pixel, [96, 96]."""
        return np.asarray(self.of_readers(nodule, row).mean(0), dtype=np.float32)

    def consensus(self, nodule: Nodule, row: int) -> NDArray[np.bool_]:
        """Pixels that at least half of the nodule's readers marked, [96, 96]."""
        return np.asarray(self.agreement(nodule, row) >= 0.5)


@dataclass(frozen=True, eq=False)
class Cohort:
    """Nodules and their slices."""

    nodules: tuple[Nodule, ...]
    slices: Slices

    def where(self, split: Split, at_least_readers: int = 1) -> tuple[Nodule, ...]:
        """Nodules of one split that so many readers marked."""
        return tuple(n for n in self.nodules if n.split == split and n.readers >= at_least_readers)


def lidc(data: Path) -> Cohort:
    """Read the published nodules.

    Parameters
    ----------
    data
        Folder that holds ``lidc_nodules``.
    """
    folder = data / "lidc_nodules"
    with np.load(folder / "slices.npz") as held:
        images = held["images"]
    with np.load(folder / "masks.npz") as held:
        masks = np.unpackbits(held["masks_packed"], axis=-1)
    kept = {"patient": str, "nodule_id": str}
    rows = pd.read_csv(folder / "slices.csv", dtype=kept).sort_values(["nodule_id", "slice_index"])
    table = pd.read_csv(folder / "nodules.csv", dtype={**kept, "sex": str})
    at = dict(tuple(rows.groupby("nodule_id")))
    return Cohort(
        tuple(_nodule(line, at[line.nodule_id]) for line in table.itertuples()), Slices(images, masks)
    )


def _nodule(line: Any, slices: pd.DataFrame) -> Nodule:
    return Nodule(
        nodule_id=line.nodule_id,
        patient=line.patient,
        split=line.split,
        vendor=line.vendor,
        sex="" if pd.isna(line.sex) else line.sex,
        age_years=None if pd.isna(line.age) else float(line.age),
        readers=int(line.n_readers),
        ratings={name: _numbers(getattr(line, name)) for name in (*TRAITS, "malignancy")},
        diameter_mm=float(line.diameter_mm),
        diameters_mm=_numbers(line.diameter_mm_per_reader),
        spacing_mm=float(line.pixel_spacing_mm),
        slice_spacing_mm=float(line.slice_spacing_mm),
        rows=tuple(int(row) for row in slices.row),
        whole=len(slices) >= int(line.n_slices),
    )


def _numbers(text: Any) -> tuple[float, ...]:
    return tuple(float(part) for part in str(text).split("|") if part not in ("", "nan"))


def patients_of(nodules: Sequence[Nodule]) -> list[str]:
    """Patient of each nodule."""
    return [nodule.patient for nodule in nodules]
