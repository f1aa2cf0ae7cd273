"""The radiographs a chest reader learns from, and the foreign images its gate must refuse.

Reads the published sets from a folder that is given as an argument; the splits are those of the sets
themselves (by patient, so nobody lies in two).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Split = Literal["train", "val", "test"]
Grey = NDArray[np.uint8]

NIH_FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia",
    "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip


@dataclass(frozen=True)
class Radiograph:
    """One frontal chest radiograph with what is known of it.

    Attributes
    ----------
    path
        Where the image lies.
    site, patient, split
        Source, patient (unique over all sites) and split.
    opacity
        1 for pneumonia-like opacity, 0 for none.
    kind
        The source's own class: pneumonia, no_finding, bacteria, virus or normal.
    view, sex, age_years
        As published; None where unknown.
    findings
        0/1 in the order of `NIH_FINDINGS`; None where the source gives none.
    box_xywh
        Published pneumonia box (left, top, width, height), pixels of the stored image; None where there is
        none.
    """

    path: Path
    site: str
    patient: str
    split: Split
    opacity: int
    kind: str
    view: str | None = None
    sex: str | None = None
    age_years: float | None = None
    findings: tuple[int, ...] | None = None
    box_xywh: tuple[float, float, float, float] | None = None


def chest_cohort(data: Path) -> tuple[Radiograph, ...]:
    """All labelled frontal chest radiographs, adult (nih) and paediatric.

    Parameters
    ----------
    data
        Folder that holds `cxr_nih` and `cxr_paediatric`.

    Returns
    -------
    tuple of Radiograph
        In the order of the sets' own tables.
    """
    adult = [_adult(data / "cxr_nih", row) for row in table(data / "cxr_nih" / "cases.csv")]
    child = [_child(data / "cxr_paediatric", row) for row in table(data / "cxr_paediatric" / "cases.csv")]
    return (*adult, *child)


def shifted_cohort(data: Path) -> tuple[Path, ...]:
    """Chest radiographs of a third source (COVID-19), never trained on: for the gate's false refusals."""
    folder = data / "cxr_covid_ccby"
    return tuple(folder / "images" / row["file"] for row in table(folder / "cases.csv"))


def grey(path: Path) -> Grey:
    """Read an image file as uint8 [row, column]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file as dictionaries of text."""
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _adult(folder: Path, row: dict[str, str]) -> Radiograph:
    box = tuple(float(row[f"pneumonia_box_{k}"] or "nan") for k in "xywh")
    return Radiograph(
        path=folder / "images" / row["file"], site="nih", patient=f"nih-{row['patient']}", split=_split(row),
        opacity=int(row["folder_label"] == "pneumonia"), kind=row["folder_label"], view=row["view"] or None,
        sex=row["sex"] or None, age_years=float(row["age"]) if row["age"] else None,
        findings=tuple(int(row[name]) for name in NIH_FINDINGS),
        box_xywh=None if np.isnan(box).any() else (box[0], box[1], box[2], box[3]),
    )  # fmt: skip


def _child(folder: Path, row: dict[str, str]) -> Radiograph:
    return Radiograph(
        path=folder / "images" / row["file"], site="paediatric", patient=f"paediatric-{row['patient']}",
        split=_split(row), opacity=int(row["label"] != "normal"), kind=row["label"],
    )  # fmt: skip


def _split(row: dict[str, str]) -> Split:
    name = row["split"]
    if name not in ("train", "val", "test"):
        raise ValueError(f"a split is train, val or test; found {name!r}")
    return name  # type: ignore[return-value]


def foreign_images(data: Path, split: Split, per_set: int) -> Iterator[tuple[str, Grey]]:
    """Images that are no frontal chest radiograph, at most `per_set` from each set, evenly drawn.

    Parameters
    ----------
    data
        Folder that holds the published sets.
    split
        Which split to draw from.
    per_set
        Most images per set.

    Yields
    ------
    (str, Grey)
        Name of the set and a uint8 image [row, column].
    """
    for name, source in FOREIGN.items():
        loaders = source(data, split)
        step = max(1, -(-len(loaders) // per_set))
        for load in loaders[::step]:
            yield name, load()


Loaders = list[Callable[[], Grey]]


def _ct_crops(data: Path, split: Split) -> Loaders:
    nodules = {row["nodule_id"]: row["split"] for row in table(data / "lidc_nodules" / "nodules.csv")}
    slices = np.load(data / "lidc_nodules" / "slices.npz")["images"]
    rows = table(data / "lidc_nodules" / "slices.csv")
    return _views(slices, [int(r["row"]) for r in rows if nodules[r["nodule_id"]] == split])


def _ct_slices(data: Path, split: Split) -> Loaders:
    folder = data / "ct_series"
    patients = {row["patient"] for row in table(folder / "slices.csv") if row["split"] == split}
    loaders: Loaders = []
    for patient in sorted(patients):
        volume = _stretched(np.load(folder / f"{patient}.npz")["z_milli"])
        loaders += _views(volume, range(len(volume)))
    return loaders


def _ultrasound(data: Path, split: Split) -> Loaders:
    folder = data / "pocus_lung"
    loaders: Loaders = []
    for row in table(folder / "cases.csv"):
        if row["split"] == split:
            frames = np.load(folder / "clips" / row["file"])["frames"]
            loaders += _views(frames, range(len(frames)))
    return loaders


def _blood_cells(data: Path, split: Split) -> Loaders:
    folder = data / "blood_pbc"
    archive = np.load(folder / "images.npz")
    joined, offsets = archive["jpeg"], archive["offsets"]
    rows = [int(r["row"]) for r in table(folder / "cases.csv") if r["split"] == split]
    return [partial(_decoded, joined[offsets[i] : offsets[i + 1]].tobytes()) for i in rows]


def _blood_fields(data: Path, split: Split) -> Loaders:
    folder = data / "blood_bccd"
    rows = table(folder / "cases.csv")
    return [partial(grey, folder / "images" / row["file"]) for row in rows if row["split"] == split]


FOREIGN: dict[str, Callable[[Path, Split], Loaders]] = {
    "ct_crop": _ct_crops,
    "ct_slice": _ct_slices,
    "ultrasound": _ultrasound,
    "blood_cell": _blood_cells,
    "blood_field": _blood_fields,
}
"""The foreign sets by the name they bear in the evaluation."""


def _decoded(jpeg: bytes) -> Grey:
    with Image.open(BytesIO(jpeg)) as image:
        return np.asarray(image.convert("L"))


def _views(stack: Grey, rows: Iterable[int]) -> Loaders:
    return [partial(stack.__getitem__, row) for row in rows]


def _stretched(volume: NDArray[np.int16]) -> Grey:
    """Each slice of a volume stretched to 0..255 by its own range: the set's values have no physical unit."""
    low = volume.min(axis=(1, 2), keepdims=True).astype(np.float32)
    high = volume.max(axis=(1, 2), keepdims=True).astype(np.float32)
    return np.asarray((volume - low) / (high - low) * 255, dtype=np.uint8)
