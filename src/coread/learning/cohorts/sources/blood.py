"""Blood smears: single cells of eight classes (Barcelona), and whole fields with boxes (BCCD)."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coread.learning.cohorts.codebook import CodeBook
from coread.learning.cohorts.form import CohortImage, Label
from coread.learning.cohorts.sources.tables import (
    Row,
    TableSource,
    decoded,
    facts,
    read_file,
    rows_of,
    sha256,
    word,
)
from coread.learning.cohorts.taking import Found

PBC_CLASSES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)


def pbc(data: Path) -> TableSource:
    """Single cells. No patient is known: each image counts as a patient of its own."""
    folder = data / "blood_pbc"
    traps = (
        "No patient identifier: cells of one donor can lie in train and test, so scores are optimistic.",
        "Class balance is artificial; the source holds label errors.",
        "MO_231316 (test) and MO_415531 (train) show one cell, photographed twice.",
    )
    book = CodeBook(word(name) for name in PBC_CLASSES)
    return TableSource("blood_pbc", book, traps, rows_of(folder / "cases.csv"), partial(_cell, folder))


@cache
def _joined(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with np.load(folder / "images.npz") as held:
        return held["jpeg"], held["offsets"]


def _cell(folder: Path, row: Row) -> Found:
    jpeg, offsets = _joined(folder)
    at = int(row["row"])
    data = jpeg[offsets[at] : offsets[at + 1]].tobytes()
    name = f"pbc-{Path(row['file']).stem}"
    image = CohortImage(
        image=name, patient=name, site="Hospital Clinic of Barcelona", device="CellaVision DM96",
        modality="GM", split=row["split"], grey_unit="rgb", source=f"blood_pbc/images.npz#{at}",
        source_sha256=sha256(data), licence="CC BY 4.0 (not verified in the copy)",
        credit="Acevedo et al., doi:10.17632/snkd93bnjr",
        facts=facts(subtype=row["subtype"], native_width=int(row["native_width"])),
    )  # fmt: skip
    labels = tuple(
        Label(name, "clinical-pathologists", c, value=float(c == row["label"])) for c in PBC_CLASSES
    )
    return Found(image, decoded(data), labels, data)


def bccd(data: Path) -> TableSource:
    """Whole fields with boxes round cells. No patient is known: each field counts as one."""
    folder = data / "blood_bccd"
    traps = (
        "Boxes are said to be incomplete on crowded fields.",
        "Fields of one smear may lie in different splits: no patient or smear is known.",
        "BloodImage_00037 (val) and _00038 (test) show one field, photographed twice.",
    )
    book = CodeBook([word("WBC"), word("RBC"), word("Platelets")])
    boxes: dict[str, list[Row]] = {}
    for row in rows_of(folder / "annotations.csv"):
        boxes.setdefault(row["file"], []).append(row)
    give = partial(_field, folder, boxes)
    return TableSource("blood_bccd", book, traps, rows_of(folder / "cases.csv"), give)


def _field(folder: Path, boxes: dict[str, list[Row]], row: Row) -> Found:
    pixels, data = read_file(folder / "images" / row["file"])
    name = Path(row["file"]).stem
    image = CohortImage(
        image=name, patient=name, site="BCCD", modality="GM", split=row["split"], grey_unit="rgb",
        source=f"blood_bccd/images/{row['file']}", source_sha256=sha256(data), licence="MIT",
        credit="shenggan, BCCD data set, 2017",
    )  # fmt: skip
    regions = ((box["class"], _xywh(box)) for box in boxes.get(row["file"], ()))
    labels = tuple(
        Label(name, "bccd", kind, "box", 1.0, region, f"{name}-{n}")
        for n, (kind, region) in enumerate(regions)
        if region[2] > 0 and region[3] > 0
    )
    return Found(image, pixels, labels, data)


def _xywh(box: Row) -> tuple[float, ...]:
    left, top, right, bottom = (float(box[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
    return (left, top, right - left, bottom - top)
