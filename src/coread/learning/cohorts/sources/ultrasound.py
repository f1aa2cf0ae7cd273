"""Bedside lung ultrasound: each frame of a clip is an image, the clip is its series."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coread.learning.cohorts.codebook import CodeBook
from coread.learning.cohorts.form import CohortImage, Label
from coread.learning.cohorts.sources.tables import Row, TableSource, facts, number, rows_of, sha256, word
from coread.learning.cohorts.taking import Found

CLASSES = ("regular", "covid-19", "bacterial", "viral")
SIGNS = ("effusion", "consolidations", "b_lines", "a_lines", "pleural_irregular")


def pocus(data: Path) -> TableSource:
    """Clips of 14 patients; for pipelines, not for claims."""
    folder = data / "pocus_lung"
    traps = (
        "25 of 26 regular clips show 4 persons of a source without disease: the source predicts the label.",
        "No validation part; bacterial and viral only in test.",
    )
    book = CodeBook(word(name) for name in (*CLASSES, *SIGNS))
    rows = [
        {**clip, "frame": str(frame)}
        for clip in rows_of(folder / "cases.csv")
        for frame in range(int(clip["frames"]))
    ]
    return TableSource("pocus_lung", book, traps, rows, partial(_frame, folder))


@lru_cache(maxsize=2)
def _clip(path: Path) -> NDArray[np.uint8]:
    with np.load(path) as held:
        return np.asarray(held["frames"])


def _frame(folder: Path, row: Row) -> Found:
    frame = int(row["frame"])
    pixels = _clip(folder / "clips" / row["file"])[frame]
    clip = Path(row["file"]).stem
    name = f"{clip}_f{frame:02d}"
    image = CohortImage(
        image=name, patient=f"pocus-{row['patient']}", series=clip, site=f"source {row['source_id']}",
        device=row["probe"], modality="US", sex=row["sex"], age_years=number(row["age"]), split=row["split"],
        position=frame, source=f"pocus_lung/clips/{row['file']}#{frame}", source_sha256=sha256(pixels),
        licence=row["license"], credit=row["doi"] or row["url"] or row["title"],
        facts=facts(fps=number(row["fps"]), type=row["type"]),
    )  # fmt: skip
    labels = [Label(name, "born-et-al", c, value=float(c == row["label"])) for c in CLASSES]
    labels += [Label(name, "born-et-al", sign, value=float(row[sign])) for sign in SIGNS if row[sign]]
    return Found(image, pixels, tuple(labels))
