"""A site's part of a bundle: statistics of its validation patients, figures on its test patients.

Only what is returned here leaves the site. Counts of 1 to 10 do not, nor figures that rest on so few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import (
    Interval,
    calibration_line,
    expected_calibration_error,
    fit_platt,
    operating,
    patient_weights,
    percentile_interval,
    wilson_interval,
)
from coread.evaluation.discrimination import weighted_auc
from coread.learning.federated.packing.packed import Packable
from coread.learning.federated.sites.counting import LEAST_SHOWN, suppressed
from coread.learning.federated.task import Parameters, SiteData
from coread.learning.federated.tasks.cases import FLOOR, Judged
from coread.readers.chest_radiograph.gate import FeatureHead

Float = NDArray[np.floating[Any]]

REPEATS = 2000
"""Draws of patients for an interval: see `coread.learning.federated.studies.figures`."""

LINES = 200
"""Refits of the line from score to probability: enough for a 95 % percentile interval to two digits."""

SPREADS = 3.0
"""The gate lets in what lies so many deviations beyond the mean distance of the validation images."""


def calibrating(task: Packable, data: SiteData, parameters: Parameters, noised: bool) -> dict[str, Any]:
    """Statistics of a site's validation patients, of which the bundle's curve and gate are made.

    Parameters
    ----------
    task, data, parameters
        What is packed, of whom, with which parameters.
    noised
        Whether the plan promises differential privacy to training patients: then nothing here may come from
        them, and the gate's centre comes from validation patients too.
    """
    said = task.judged(data, parameters, "val")
    sick = int((said.truth == 1).sum())
    found: dict[str, Any] = {"gate": _centre(task, data, "val" if noised else "train")}
    if min(sick, len(said.truth) - sick) < LEAST_SHOWN:
        return found
    drawn = patient_weights(said.patients, LINES, 0)
    fits = [fit_platt(said.truth, said.score)]
    fits += [fit_platt(said.truth, said.score, w) for w in drawn if 0 < (w * said.truth).sum() < w.sum()]
    lines = [[fit.slope, fit.intercept] for fit in fits]
    return {**found, "lines": lines, "cases": len(said.truth), "scores": _range(said.score)}


def _centre(task: Packable, data: SiteData, part: str) -> dict[str, Any] | None:
    """Mean and deviation [feature] of what the gate sees, and how far validation images lie from it."""
    seen, judges = (np.asarray(task.seen(data, which), np.float64) for which in (part, "val"))
    if min(len(seen), len(judges)) < LEAST_SHOWN:
        return None
    mean, scale = seen.mean(0), seen.std(0) + FLOOR
    apart = np.sqrt((((judges - mean) / scale) ** 2).mean(1))
    return {
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "reach": float(apart.mean() + SPREADS * apart.std()),
    }


def _range(score: Float) -> list[float]:
    """Where scores lie: the 5th and 95th percentile, which are no single patient's."""
    return [float(value) for value in np.percentile(score, [5, 95])]


def appraising(
    task: Packable, data: SiteData, models: tuple[Parameters, Parameters], told: Mapping[str, Any]
) -> dict[str, Any]:
    """Figures on a site's test patients, of the federation's model and of its own.

    Parameters
    ----------
    task, data
        What is packed, of whom.
    models
        The federation's parameters, and those of the site's own model.
    told
        ``curve`` (score, probability), ``threshold`` and ``gate``, as the bundle will hold them.
    """
    ours, own = (task.judged(data, model, "test") for model in models)
    counts = {
        "cases": len(ours.truth),
        "positives": int((ours.truth == 1).sum()),
        "negatives": int((ours.truth == 0).sum()),
        "patients": len(set(ours.patients)),
    }
    found: dict[str, Any] = {"counts": suppressed(counts)}
    if counts["cases"] >= LEAST_SHOWN:
        found["refused_by_gate"] = _refused(task, data, told["gate"])
    if min(counts["positives"], counts["negatives"]) >= LEAST_SHOWN:
        found |= _areas(ours, own) | _called(ours, told)
    return found


def _areas(ours: Judged, own: Judged) -> dict[str, Any]:
    """Areas of both models and their difference, on the same draws of patients."""
    n = len(ours.truth)
    weights = np.vstack([np.ones((1, n)), patient_weights(ours.patients, REPEATS, 0)])
    together, alone = (weighted_auc(one.truth == 1, one.score, weights) for one in (ours, own))
    gain = figure(_interval(together - alone), n)
    return {
        "auc": figure(_interval(together), n),
        "auc_alone": figure(_interval(alone), n),
        "gain": gain,
        "loses": bool(gain["upper"] < 0),
    }


def _interval(draws: Float) -> Interval:
    return percentile_interval(float(draws[0]), draws[1:])


def _called(ours: Judged, told: Mapping[str, Any]) -> dict[str, Any]:
    curve = told["curve"]
    probability = np.interp(ours.score, curve["score"], curve["probability"])
    at = operating(ours.truth, probability, float(told["threshold"]))
    slope = calibration_line(ours.truth, probability).slope
    return {
        "sensitivity": figure(at.sensitivity, at.positives),
        "specificity": figure(at.specificity, at.negatives),
        "calibration": {
            "ece_10_equal_mass": expected_calibration_error(ours.truth, probability),
            "slope": slope,
        },
    }


def _refused(task: Packable, data: SiteData, held: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    gate = FeatureHead.of_arrays({name: np.asarray(value) for name, value in held.items()})
    far = gate.distances(np.asarray(task.seen(data, "test"), np.float32)) > gate.most_distance
    return figure(wilson_interval(int(far.sum()), len(far)), len(far))


def figure(interval: Interval, n: int) -> dict[str, Any]:
    """A figure as an evaluation holds it."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": n}
