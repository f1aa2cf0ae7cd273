"""What makes bedside radiographs harder: the gap between the views by patient folds, head by head.

Only a third of the adults are test patients. Here every training and validation patient is scored by heads
that were fitted without that patient, so that gaps of a few points can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.certainty import cross_folds
from coread.learning.chest.crossing.table import FLOOR_STRENGTH, figure
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.chest.sites.gaps import Areas, areas_by, difference
from coread.learning.chest.sites.heads import balanced, fit_head
from coread.learning.chest.sites.mixing import STRENGTH
from coread.learning.chest.sites.places import placed

Float = NDArray[np.float64]

FOLDS, SEEDS = 5, (0, 1, 2)


Features = Callable[[Atlas], NDArray[np.float32]]


@dataclass(frozen=True)
class Arm:
    """One way to read.

    Attributes
    ----------
    features
        Of all images of an atlas; where there are several, the scores of their heads are joined in equal
        shares of their spread.
    strength
        Inverse penalty.
    even
        Whether views are even in each label.
    """

    features: tuple[Features, ...]
    strength: float
    even: bool = True


def _sharp(atlas: Atlas) -> NDArray[np.float32]:
    return placed(atlas.seen("plain").deep)


def _soft(atlas: Atlas) -> NDArray[np.float32]:
    return placed(atlas.seen("plain", "plain").deep)


FLOOR = "floor: raw images, plain regression"

ARMS = {
    FLOOR: Arm((lambda atlas: atlas.last("raw"),), FLOOR_STRENGTH, even=False),
    "prepared, views even": Arm((lambda atlas: atlas.means("plain"),), 0.001),
    "prepared, views even, nine fields": Arm((_sharp,), 0.005),
    "prepared, views even, low pass": Arm((lambda atlas: atlas.means("plain", "plain"),), 0.001),
    "prepared, views even, nine fields, low pass": Arm((_soft,), STRENGTH),
    "prepared, views even, nine fields, without and with low pass": Arm((_sharp, _soft), STRENGTH),
    "lungs cut out and alike in grey, views even": Arm((lambda atlas: atlas.means("lungs alike"),), 0.001),
}


def view_gap(atlas: Atlas) -> dict[str, Any]:
    """Areas of adults by view, of each arm, by patient folds of training and validation.

    Parameters
    ----------
    atlas
        Of the cohort, with the look "lungs alike".
    """
    measured = {name: _areas(atlas, arm) for name, arm in ARMS.items()}
    return {name: _report(held, measured[FLOOR], len(_rows(atlas))) for name, held in measured.items()}


def _rows(atlas: Atlas) -> NDArray[np.int64]:
    return np.sort(np.concatenate([atlas.rows("train", "nih"), atlas.rows("val", "nih")]))


def _areas(atlas: Atlas, arm: Arm) -> Areas:
    rows = _rows(atlas)
    items, truth, patients = atlas.some(rows), atlas.truth(rows), atlas.patients(rows)
    each = [features(atlas)[rows] for features in arm.features]
    scores = [np.zeros(len(rows)) for _ in each]
    for seed in SEEDS:
        for learn, rest in cross_folds(patients, FOLDS, seed):
            learners = [item for item, kept in zip(items, learn, strict=True) if kept]
            weight = balanced(learners) if arm.even else None
            for score, features in zip(scores, each, strict=True):
                head = fit_head(features[learn], truth[learn], weight, arm.strength)
                score[rest] += head(features[rest])
    joint = np.sum([score / score.std() for score in scores], axis=0)
    return areas_by(truth, joint, [str(item.view) for item in items], patients)


def _report(held: Areas, floor_held: Areas, count: int) -> dict[str, Any]:
    return {
        **{name: figure(held.interval(name), count) for name in ("whole", "within", "gap")},
        "by_view": {name: figure(part, count) for name, part in held.parts().items()},
        "whole_over_floor": figure(difference(held.whole, floor_held.whole), count),
        "gap_less_half_of_the_floors": figure(difference(held.gap, floor_held.gap / 2), count),
    }


def gap_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines of the lab's page."""
    base = found[FLOOR]
    return [
        {
            "what": f"PA less AP by patient folds of training and validation: {name}",
            "figure": held["gap"], "baseline": base["gap"], "baseline_name": FLOOR,
            "goal": "half the floor's, no lower AUC",
            "met": held["gap"]["value"] <= base["gap"]["value"] / 2
            and held["whole"]["value"] >= base["whole"]["value"],
            "note": f"AP {held['by_view']['AP']['value']:.3f}, PA {held['by_view']['PA']['value']:.3f}, "
            f"both {held['whole']['value']:.3f}",
        }
        for name, held in found.items()
        if name != FLOOR
    ]  # fmt: skip
