"""What a reader must beat: the patient's age, sex and view; the mean grey; the backbone as it came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from coread.evaluation import Interval, auc_interval
from coread.learning.cohort import Radiograph, grey

Float = NDArray[np.floating]


def without_image(learners: Sequence[Radiograph], examined: Sequence[Radiograph]) -> dict[str, Interval]:
    """Areas of logistic regressions on age, sex and view of the adults, and on the view alone.

    Parameters
    ----------
    learners, examined
        Fitted on the first, measured on the second; only radiographs with age, sex and view count, so
        children, of whom nothing but the image is known, have no such baseline.
    """
    old, new = ([item for item in items if item.view and item.sex] for items in (learners, examined))
    columns = {"age_sex_view": slice(None), "view_only": slice(2, 3)}
    return {
        name: _fitted(_known(old)[:, part], old, _known(new)[:, part], new) for name, part in columns.items()
    }


def mean_grey(learners: Sequence[Radiograph], examined: Sequence[Radiograph]) -> Interval:
    """Area of the mean grey value, its sense taken from the first radiographs."""
    return _fitted(_brightness(learners), learners, _brightness(examined), examined)


def frozen_features(
    old: Float, learners: Sequence[Radiograph], new: Float, examined: Sequence[Radiograph]
) -> Interval:
    """Area of a logistic regression on features [n, d] of the backbone as it came (ImageNet)."""
    return _fitted(old, learners, new, examined, strength=0.01)


def _known(items: Sequence[Radiograph]) -> Float:
    """Age in decades (missing: 5), male, PA [n, 3]."""
    rows = [((item.age_years or 50) / 10, item.sex == "M", item.view == "PA") for item in items]
    return np.array(rows, dtype=np.float64)


def _brightness(items: Sequence[Radiograph]) -> Float:
    return np.array([[grey(item.path).mean() / 255] for item in items])


def _fitted(
    old: Float,
    learners: Sequence[Radiograph],
    new: Float,
    examined: Sequence[Radiograph],
    strength: float = 1.0,
) -> Interval:
    """Area on the examined of a logistic regression fitted on the learners."""
    mean, scale = old.mean(0), old.std(0) + 1e-6
    model = LogisticRegression(C=strength, max_iter=2000).fit(
        (old - mean) / scale, [i.opacity for i in learners]
    )
    score = model.decision_function((new - mean) / scale)
    return auc_interval([i.opacity for i in examined], score, [i.patient for i in examined])
