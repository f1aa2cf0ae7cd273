"""One question of each of four sets, at the size of image that the trunk was made for or near it.

The questions and sizes were named before any figure of theirs was seen on test patients. Two of the four sets
are asked something else than at 96 x 96 pixels, where a small network from scratch answered with an area of
0.97 and 0.99 and so left no room: bacterial against viral pneumonia (the second question of Kermany et al.,
Cell 2018, doi:10.1016/j.cell.2018.02.010), and band against segmented neutrophils.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.learning.blood.sets import cells
from coread.learning.transfer_study.tasks import SPLITS, Task, chests, colour, nodules

CHEST_SIDE = 160
"""Rows and columns of a radiograph."""

CROP_SIDE = 128
"""Rows and columns of a nodule and of a cell (which is published at 128)."""

NODULE_PIXELS = 48
"""Rows and columns of the middle of a nodule's crop, of 96, that are enlarged: about 34 mm."""

INFECTIONS = {"virus": 0, "bacteria": 1}

NEUTROPHILS = ("SNE_", "BNE_")
"""How file names of segmented and of band neutrophils begin."""


def adults(data: Path) -> Task:
    """Adults' chest radiographs: pneumonia against no finding."""
    return chests(data / "cxr_nih", lambda row: int(row["folder_label"] == "pneumonia"), CHEST_SIDE)


def infections(data: Path) -> Task:
    """Children's chest radiographs with pneumonia: bacterial against viral."""
    return chests(data / "cxr_paediatric", lambda row: INFECTIONS.get(row["label"]), CHEST_SIDE)


def enlarged_nodules(data: Path) -> Task:
    """LIDC: nodules rated malignant against benign, the middle of the crop enlarged."""
    task = nodules(data)
    images = np.stack([middle(image[0]) for image in task.images])[:, None]
    return replace(task, images=images)


def neutrophils(data: Path) -> Task:
    """PBC: band against segmented neutrophils, in colour."""
    parts = [(split, cells(data, split)) for split in SPLITS]
    held = [
        (split, name, part.image(number))
        for split, part in parts
        for number, name in enumerate(part.names)
        if name.startswith(NEUTROPHILS)
    ]
    return Task(
        "blood_pbc",
        np.stack([colour(image, CROP_SIDE) for _, _, image in held]),
        np.array([NEUTROPHILS.index(name[:4]) for _, name, _ in held], dtype=np.int64),
        np.array([name for _, name, _ in held]),
        np.array([split for split, _, _ in held]),
        2,
        turns=True,
    )


LARGER: dict[str, Callable[[Path], Task]] = {
    "cxr_nih": adults,
    "cxr_paediatric": infections,
    "lidc_nodules": enlarged_nodules,
    "blood_pbc": neutrophils,
}
"""Each task by its set's name."""

QUESTIONS = {
    "cxr_nih": "pneumonia against no finding, 160 x 160",
    "cxr_paediatric": "bacterial against viral pneumonia, 160 x 160",
    "lidc_nodules": "malignant against benign, the middle 48 x 48 enlarged to 128 x 128",
    "blood_pbc": "band against segmented neutrophils, 128 x 128",
}
"""What each task asks, in words."""


def middle(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a nodule's crop, enlarged; uint8 [row, column]."""
    start = (len(image) - NODULE_PIXELS) // 2
    inner = image[start : start + NODULE_PIXELS, start : start + NODULE_PIXELS]
    large = Image.fromarray(inner).resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC)
    return np.asarray(large, np.uint8)
