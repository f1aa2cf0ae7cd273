"""CT: LIDC-IDRI nodules with the outlines and ratings of up to four readers, and two short series."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coread.domain.codes import LUNG_NODULE
from coread.learning.cohorts.codebook import CodeBook, Concept
from coread.learning.cohorts.form import CohortImage, Label
from coread.learning.cohorts.regions import runs_of
from coread.learning.cohorts.sources.tables import Row, TableSource, facts, number, rows_of, sha256, word
from coread.learning.cohorts.taking import Found

RATINGS = {
    "subtlety": 5, "internalStructure": 4, "calcification": 6, "sphericity": 5, "margin": 5,
    "lobulation": 5, "spiculation": 5, "texture": 5, "malignancy": 5,
}  # fmt: skip
"""Greatest grade of each rating of LIDC-IDRI (Armato et al. 2011, doi:10.1118/1.3528204); the least is 1."""

_CREDIT = "LIDC-IDRI, doi:10.7937/K9/TCIA.2015.LO9QL9SX"
_NODULE = Concept("nodule", LUNG_NODULE)


def lidc(data: Path) -> TableSource:
    """Slices of 96 x 96 pixels round each nodule. Reader k of one patient is not reader k of another."""
    folder = data / "lidc_nodules"
    book = CodeBook([_NODULE, *(word(name, high=float(top), low=1.0) for name, top in RATINGS.items())])
    traps = (
        "Each slice was stretched by its own least and greatest value: no Hounsfield units.",
        "Size drives the malignancy rating: mask area alone gives an AUC of 0.958.",
        "Malignancy is the readers' impression, no pathology; characteristics come from the same readers.",
        "Crops are centred on nodules: there are no negatives.",
        "One grade lies beyond its scale (LIDC-IDRI-0510_n7, internalStructure 5 of 4) and is left out.",
    )
    nodules = {row["nodule_id"]: row for row in rows_of(folder / "nodules.csv")}
    rows = [{**nodules[row["nodule_id"]], **row} for row in rows_of(folder / "slices.csv")]
    return TableSource("lidc_nodules", book, traps, rows, partial(_lidc_slice, folder))


@cache
def _arrays(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    with np.load(folder / "slices.npz") as slices, np.load(folder / "masks.npz") as masks:
        return slices["images"], masks["masks_packed"]


def _lidc_slice(folder: Path, row: Row) -> Found:
    slices, packed = _arrays(folder)
    at = int(row["row"])
    masks = np.unpackbits(packed[at], axis=-1)
    name = f"{row['nodule_id']}_s{int(row['slice_index']):02d}"
    in_plane = float(row["pixel_spacing_mm"])
    image = CohortImage(
        image=name, patient=row["patient"], series=row["nodule_id"], site=row["vendor"],
        device=f"{row['vendor']} {row['model']}", modality="CT", sex=row["sex"], age_years=number(row["age"]),
        split=row["split"], spacing_mm=(in_plane, in_plane), slice_mm=number(row["slice_spacing_mm"]),
        position=int(row["slice_index"]), grey_unit="stretched", source=f"lidc_nodules/slices.npz#{at}",
        source_sha256=sha256(slices[at]), licence="CC BY 3.0", credit=_CREDIT,
        facts=facts(diameter_mm=number(row["diameter_mm"]), n_readers=int(row["n_readers"])),
    )  # fmt: skip
    labels = [label for k in range(int(row["n_readers"])) for label in _of_reader(name, row, k, masks[k])]
    return Found(image, slices[at], tuple(labels))


def _of_reader(name: str, row: Row, k: int, mask: NDArray[np.uint8]) -> list[Label]:
    """Outline and, once for each nodule (on its middle slice), the ratings of one reader."""
    reader, nodule = f"{row['patient']}-reader-{k + 1}", row["nodule_id"]
    drawn = mask.astype(bool)  # empty where this reader ended the nodule on another slice
    labels = [Label(name, reader, "nodule", "mask", float(drawn.any()), runs_of(drawn), nodule)]
    if row["slice_offset"] == "0":
        grades = {rating: row[rating].split("|")[k] for rating in RATINGS}
        labels += [
            Label(name, reader, rating, "number", float(grade), (), nodule)
            for rating, grade in grades.items()
            if grade
        ]
    return labels


def ct_series(data: Path) -> TableSource:
    """Whole slices of 2 patients, filtered and scaled by their own deviation: no Hounsfield units."""
    folder = data / "ct_series"
    traps = (
        "Values are standard deviations of each slice after two filters, and 0 outside a rough lung mask.",
        "Some slices occur for two nodules: they are the same picture.",
    )
    rows = rows_of(folder / "slices.csv")
    seen: dict[str, int] = {}
    numbered = []
    for row in rows:
        numbered.append({**row, "row": str(seen.setdefault(row["patient"], 0))})
        seen[row["patient"]] += 1
    return TableSource("ct_series", CodeBook([_NODULE]), traps, numbered, partial(_ct_slice, folder))


@cache
def _volume(path: Path) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    with np.load(path) as held:
        return held["z_milli"], held["mask"]


def _ct_slice(folder: Path, row: Row) -> Found:
    volume, masks = _volume(folder / f"{row['patient']}.npz")
    at, in_plane = int(row["row"]), float(row["pixel_spacing_mm"])
    nodule = f"{row['patient']}_n{row['nodule']}"
    name = f"{nodule}_z{int(row['slice_no']):03d}"
    image = CohortImage(
        image=name, patient=row["patient"], series=nodule, site=row["vendor"], modality="CT",
        device=f"{row['vendor']} {row['model']}", split=row["split"], spacing_mm=(in_plane, in_plane),
        slice_mm=number(row["slice_spacing_mm"]), position=int(row["slice_no"]), grey_unit="score",
        grey_slope=0.001, source=f"ct_series/{row['patient']}.npz#{at}", source_sha256=sha256(volume[at]),
        licence="CC BY 3.0", credit=_CREDIT,
    )  # fmt: skip
    outline = Label(name, "consensus-of-half", "nodule", "mask", 1.0, runs_of(masks[at].astype(bool)), nodule)
    return Found(image, volume[at], (outline,))
