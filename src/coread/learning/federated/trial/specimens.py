"""Real patients that come with scikit-learn: needle aspirates of the breast, divided into three hospitals.

Breast Cancer Wisconsin (Diagnostic), 569 patients, 30 measurements of cell nuclei each, benign or malignant
(Street, Wolberg & Mangasarian 1993, doi:10.1117/12.148698; data doi:10.24432/C5DW2B, CC BY 4.0). The division
into hospitals is ours, by a hash, uneven in size and prevalence; the patients are of one hospital in truth.
Measurements are easy to tell apart: areas near 1 say that the machinery works, not that a reader is good.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from coread.errors import CohortRefused
from coread.evaluation.discrimination import roc_auc
from coread.learning.federated.task import Count, Parameters, SiteData, Update

HOSPITALS = ("north", "south", "east")
#: Share of the malignant and of the benign patients at each hospital.
_SHARES = {1: (60, 30, 10), 0: (30, 30, 40)}
_PARTS = {"train": 60, "val": 15, "test": 25}
FEATURES = 30


@dataclass(frozen=True)
class Specimens:
    """Logistic regression on a hospital's specimens.

    Attributes
    ----------
    pace_s
        Seconds that a round takes at least, as training on images would.
    """

    pace_s: float = 0.0
    name: str = "specimens"

    def initial(self, seed: int) -> Parameters:
        """Zeros: the loss is convex."""
        return {"weight": np.zeros(FEATURES, np.float32), "bias": np.zeros(1, np.float32)}

    def count(self, data: SiteData) -> Count:
        """Count the hospital's patients; each is one specimen."""
        _, truth, part = _of(data)
        parts = dict(Counter(map(str, part)))
        train = Counter(
            "malignant" if t else "benign" for t, p in zip(truth, part, strict=True) if p == "train"
        )
        return Count(parts, parts, dict(train))

    def local(
        self, data: SiteData, parameters: Parameters, instructions: Mapping[str, Any], seed: int
    ) -> Update:
        """Take gradient steps on batches of training patients."""
        started, rng = time.monotonic(), np.random.default_rng(seed)
        x, y = self._part(data, "train")
        weight, bias = parameters["weight"].astype(np.float64), float(parameters["bias"][0])
        for _ in range(int(instructions["steps"])):
            rows = rng.integers(0, len(y), int(instructions["batch"]))
            error = _probability(x[rows] @ weight + bias) - y[rows]
            weight = weight - float(instructions["rate"]) * x[rows].T @ error / len(rows)
            bias -= float(instructions["rate"]) * float(error.mean())
        loss = float(np.mean(np.logaddexp(0.0, (1 - 2 * y) * (x @ weight + bias))))
        time.sleep(max(0.0, self.pace_s - (time.monotonic() - started)))
        made = {"weight": weight.astype(np.float32), "bias": np.array([bias], np.float32)}
        return Update(made, len(y), {"loss": loss})

    def evaluate(self, data: SiteData, parameters: Parameters, part: str) -> Mapping[str, float]:
        """Area under the ROC curve on a part of the hospital's own patients."""
        x, y = self._part(data, part)
        counts = {"cases": float(len(y)), "positives": float(y.sum())}
        if not 0 < y.sum() < len(y):
            return counts
        return {**counts, "auc": roc_auc(y, x @ parameters["weight"] + parameters["bias"][0])}

    def _part(self, data: SiteData, wanted: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        x, y, part = _of(data)
        train = x[part == "train"]
        ready = (x - train.mean(0)) / (train.std(0) + 1e-6)
        return ready[part == wanted], y[part == wanted]


def specimens(pace_s: float = 0.0) -> Specimens:
    """Make the task, as a plan names it."""
    return Specimens(pace_s)


def _of(data: SiteData) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.str_]]:
    hospital = data.query.get("hospital")
    if hospital not in HOSPITALS:
        expected = " or ".join(HOSPITALS)
        raise CohortRefused(f"hospital {hospital!r}", expected, "mend the site's selection", data.site)
    x, y, part, where = _divided()
    return x[where == hospital], y[where == hospital], part[where == hospital]


@cache
def _divided() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.str_], NDArray[np.str_]]:
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - takes a second to load

    held = load_breast_cancer()
    x, y = np.asarray(held.data, np.float64), 1 - np.asarray(held.target, np.int64)
    where = [
        _drawn(f"hospital {i}", dict(zip(HOSPITALS, _SHARES[int(t)], strict=True))) for i, t in enumerate(y)
    ]
    part = [_drawn(f"part {i}", _PARTS) for i in range(len(y))]
    return x, y, np.array(part), np.array(where)


def _drawn(what: str, shares: Mapping[str, int]) -> str:
    """Draw by hash, by shares of a hundred."""
    at = crc32(what.encode()) % 100
    for name, share in shares.items():
        if at < share:
            return name
        at -= share
    raise ValueError("shares that do not make a hundred")


def _probability(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -50, 50))))
