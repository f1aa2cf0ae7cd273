"""The evaluation that ships with the chest reader.

With it, what the reader must beat: the patient's age, sex and view; the mean grey; the backbone as it came.
Test patients, at limits set on validation patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from coread.evaluation import (
    Cases,
    Interval,
    Subgroup,
    auc_interval,
    calibration_report,
    delong_interval,
    operating,
    subgroups,
    wilson_interval,
)
from coread.evaluation.subgroups import subgroup
from coread.learning.chest.cohort import Radiograph, grey
from coread.readers.uncertainty import Calibration

Float = NDArray[np.floating]

AGE_BANDS = ((0, 18, "under 18"), (18, 40, "18-39"), (40, 65, "40-64"), (65, 200, "65 and over"))


@dataclass(frozen=True)
class Marked:
    """Radiographs with the reader's answers.

    Attributes
    ----------
    items
        The radiographs.
    cases
        Truth, score, calibrated probability, patient.
    abstained
        Whether the reader declined to call, [case].
    threshold
        Calibrated probability at and above which opacity is called.
    """

    items: tuple[Radiograph, ...]
    cases: Cases
    abstained: NDArray[np.bool_]
    threshold: float

    def where(self, chosen: NDArray[np.bool_]) -> Marked:
        """The radiographs for which `chosen` [case] is true."""
        items = tuple(item for item, keep in zip(self.items, chosen, strict=True) if keep)
        return Marked(items, self.cases.where(chosen), self.abstained[chosen], self.threshold)

    def of_site(self, site: str) -> Marked:
        """The radiographs of one source."""
        return self.where(np.array([item.site == site for item in self.items]))


def marked(items: Sequence[Radiograph], logits: Float, calibration: Calibration, threshold: float) -> Marked:
    """Mark radiographs as the clinic would."""
    probability = np.array([calibration.confidence(float(logit)).probability for logit in logits])
    abstained = np.array([calibration.band.holds(p) for p in probability])
    truth = np.array([item.opacity for item in items])
    cases = Cases(truth, logits.astype(np.float64), probability, tuple(item.patient for item in items))
    return Marked(tuple(items), cases, abstained, threshold)


def site_report(part: Marked) -> dict[str, Any]:
    """Everything measured on one source."""
    whole = subgroup("all", part.cases, part.threshold)
    called = part.where(~part.abstained)
    return {
        **subgroup_report(whole),
        "auc_delong": delong_interval(part.cases.truth, part.cases.score),
        "calibration": calibration_report(part.cases.truth, part.cases.probability),
        "abstention": {
            "share": wilson_interval(int(part.abstained.sum()), len(part.abstained)),
            "called": operating(called.cases.truth, called.cases.probability, part.threshold),
        },
    }


def subgroup_report(part: Subgroup) -> dict[str, Any]:
    """One subgroup in plain words."""
    return {
        "images": part.cases, "patients": part.patients, "positives": part.at_threshold.positives,
        "negatives": part.at_threshold.negatives, "enough_cases": part.enough, "auc": part.auc,
        "sensitivity": part.at_threshold.sensitivity, "specificity": part.at_threshold.specificity,
    }  # fmt: skip


def adult_subgroups(adults: Marked) -> dict[str, dict[str, Any]]:
    """By view, sex and age band."""
    groups = {
        "view": [item.view for item in adults.items],
        "sex": [item.sex for item in adults.items],
        "age_years": [age_band(item.age_years) for item in adults.items],
    }
    return {
        by: {part.name: subgroup_report(part) for part in subgroups(adults.cases, names, adults.threshold)}
        for by, names in groups.items()
    }


def child_subgroups(children: Marked) -> dict[str, dict[str, Any]]:
    """Each kind of pneumonia against the same healthy children."""
    kinds = np.array([item.kind for item in children.items])
    report = {}
    for kind in ("bacteria", "virus"):
        part = children.where((kinds == kind) | (kinds == "normal"))
        report[f"{kind} against normal"] = subgroup_report(subgroup(kind, part.cases, part.threshold))
    return {"kind": report}


def age_band(age_years: float | None) -> str | None:
    """Name of the age band, None if the age is unknown."""
    if age_years is None:
        return None
    return next((name for low, high, name in AGE_BANDS if low <= age_years < high), None)


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
