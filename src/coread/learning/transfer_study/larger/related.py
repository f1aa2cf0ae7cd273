"""The related question that a network may learn first, for each task: labels that are easier to come by.

None of it says anything about the question itself, and none of it holds a test patient. Where question and
lesson are of one set, both are learnt from its training patients.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from coread.learning.blood.sets import cells
from coread.learning.transfer_study.larger.tasks import CHEST_SIDE, CROP_SIDE, middle
from coread.learning.transfer_study.tasks import SPLITS, Task, chests, colour, table
from coread.readers.blood_smear.cells import CLASSES

CHILDREN = {"normal": 0, "virus": 1, "bacteria": 1}

SIZES = 4
"""Classes of size that nodules are sorted into, by the quartiles of the training nodules."""


def children(data: Path) -> Task:
    """Children's chest radiographs: pneumonia, of whatever cause, against normal."""
    return _learnt_from(chests(data / "cxr_paediatric", lambda row: CHILDREN.get(row["label"]), CHEST_SIDE))


def sizes(data: Path) -> Task:
    """LIDC: the quartile of the diameter of every outlined nodule, whatever its rating."""
    folder = data / "lidc_nodules"
    held = {row["nodule_id"]: row for row in table(folder / "nodules.csv") if row["diameter_mm"]}
    rows = [r for r in table(folder / "slices.csv") if r["slice_offset"] == "0" and r["nodule_id"] in held]
    slices = np.load(folder / "slices.npz")["images"]
    images = np.stack([middle(slices[int(row["row"])]) for row in rows])[:, None]
    split = np.array([row["split"] for row in rows])
    diameters = np.array([float(held[row["nodule_id"]]["diameter_mm"]) for row in rows])
    edges = np.quantile(diameters[split == "train"], np.arange(1, SIZES) / SIZES)
    labels = np.searchsorted(edges, diameters).astype(np.int64)
    patients = np.array([row["patient"] for row in rows])
    return _learnt_from(Task("lidc_nodules", images, labels, patients, split, SIZES, turns=True))


def classes(data: Path) -> Task:
    """PBC: the eight classes of cells; all neutrophils are one."""
    parts = [(split, cells(data, split)) for split in SPLITS if split != "test"]
    images = [colour(part.image(i), CROP_SIDE) for _, part in parts for i in range(len(part.labels))]
    return Task(
        "blood_pbc",
        np.stack(images),
        np.concatenate([part.labels for _, part in parts]),
        np.array([name for _, part in parts for name in part.names]),
        np.concatenate([np.full(len(part.labels), split) for split, part in parts]),
        len(CLASSES),
        turns=True,
    )


RELATED: dict[str, Callable[[Path], Task]] = {
    "cxr_nih": children,
    "cxr_paediatric": children,
    "lidc_nodules": sizes,
    "blood_pbc": classes,
}
"""The related question of each task, by the task's set."""

LESSONS = {
    "cxr_nih": "pneumonia against normal in children (another set)",
    "cxr_paediatric": "pneumonia of whatever cause against normal, all training children",
    "lidc_nodules": "the quartile of the outlined diameter, all training nodules",
    "blood_pbc": "the eight classes of cells, all training cells",
}
"""The related question of each task, in words."""


def _learnt_from(task: Task) -> Task:
    """The task without its test images."""
    rows = np.flatnonzero(task.split != "test")
    parts = task.images[rows], task.labels[rows], task.patients[rows], task.split[rows]
    return Task(task.name, *parts, task.classes, task.turns)
