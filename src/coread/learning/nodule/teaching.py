"""Training of the network that ships: every reader's outline, ratings beside, and places without a nodule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coread.learning.nodule.cohort import Cohort, Nodule
from coread.learning.nodule.export import export_onnx
from coread.learning.nodule.outlining import Lessons, Plan, lessons_of, train
from coread.learning.nodule.unet import RATED
from coread.learning.runs.run import Run

PLAN = Plan(steps=900, batch=8, width=12, rating_weight=0.3, elsewhere=0.2)

WEIGHTS = "weights.onnx"


def lessons(cohort: Cohort, nodules: Sequence[Nodule]) -> Lessons:
    """All slices of the nodules, the share of readers as target, the mean ratings of the nodule beside."""
    slices = cohort.slices
    parts = [
        (slices.images[row], slices.agreement(nodule, row), owner, False)
        for owner, nodule in enumerate(nodules)
        for row in nodule.rows
    ]
    return lessons_of(parts, standardised_ratings(nodules))


def standardised_ratings(nodules: Sequence[Nodule]) -> NDArray[np.float32]:
    """Mean rating of each of `RATED`, mean 0 and deviation 1 over the nodules, [nodule, rating]."""
    raw = np.array([[nodule.trait(name) for name in RATED] for nodule in nodules])
    return np.asarray((raw - raw.mean(0)) / np.maximum(raw.std(0), 0.1), dtype=np.float32)


def teach(cohort: Cohort, run: Run, plan: Plan = PLAN, at_most: int | None = None) -> None:
    """Train on the training patients and write the network into the run, unless it is there.

    Nodules that one reader marked are learned from, too: the clinic meets them as well.
    """
    if run.path(WEIGHTS).exists():
        return
    net = train(lessons(cohort, cohort.where("train")[:at_most]), plan, run, "network")
    export_onnx(net, run.path(WEIGHTS))
