"""What the study of malignancy says: every figure with its interval, the naive answer beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, brier, calibration_line, expected_calibration_error
from coread.learning.nodule.cohort import Nodule, patients_of
from coread.learning.nodule.rating.curves import CURVES, choose
from coread.learning.nodule.rating.ranking import EQUAL, area, area_gain, equal_size_area
from coread.learning.nodule.scoring import mean_interval

Float = NDArray[np.floating[Any]]
Found = Sequence[Mapping[str, Any]]

BLACK_BOXES = ("network", "network_and_size", "features_logistic", "features_trees")
"""Of these the one with the greatest mean area on validation patients is *the* black box."""

BASE = "readers' area alone"
NONE = (None, "")

WORDS = {
    "bottleneck": "concept bottleneck",
    "neighbours": "case-based (5 most similar)",
    "size": "own size alone",
}

AGES = ((0, 60, "under 60"), (60, 70, "60 to 69"), (70, 120, "70 and over"))
SIZES = ((0, 8, "under 8 mm"), (8, 15, "8 to 15 mm"), (15, 100, "15 mm and over"))


UNSEEN = -10.0
"""Scores below stand for nodules on which nothing was outlined: the clinic gives them no probability."""

DRAWS = 400
"""Times that labels are drawn from the probabilities themselves, for the error of a perfect curve."""


def conclude(found: Found, test: Sequence[Nodule], val: Sequence[Nodule]) -> dict[str, Any]:
    """The whole result of the study; `val` are the judged nodules that curves were fitted to."""
    truth = np.array([nodule.malignant for nodule in test])
    chosen = black_box(found)
    patients = patients_of(test)
    held = {name: scores_of(found, "test", name) for name in found[0]["splits"]["test"]["scores"]}
    areas = {name: figure(area(truth, scores, patients), len(truth)) for name, scores in held.items()}
    return {
        "title": "Rated malignancy of lung nodules (LIDC-IDRI)",
        "evidence_grade": "retrospective",
        "truth": "median of two readers or more above 3.5 against below 2.5; an impression, not pathology",
        "nodules": len(truth), "malignant": int(truth.sum()), "patients": len(set(patients)),
        "seeds": len(found),
        "black_box": chosen,
        "areas": areas,
        "equal_size": equal_sizes(truth, held, test, chosen),
        "concepts": concept_areas(found),
        "presence": presence(found),
        "sizes": sizes(found),
        "calibration": calibration(found, truth, patients_of(val)),
        "subgroups": subgroups(truth, held, test),
        "wrong_labels": wrong_labels(found),
        "rows": rows(found, truth, held, test, chosen),
        "did_not_work": [],
    }  # fmt: skip


def scores_of(found: Found, split: str, name: str) -> Float:
    """Scores [seed, nodule] of one way of answering."""
    return np.array([each["splits"][split]["scores"][name] for each in found], dtype=np.float64)


def black_box(found: Found) -> str:
    """The best black box on validation patients."""
    truth = np.array(found[0]["validation_truth"])
    patients = [str(i) for i in range(len(truth))]
    values = {name: area(truth, scores_of(found, "val", name), patients).value for name in BLACK_BOXES}
    return max(values, key=lambda name: values[name])


def figure(interval: Interval, count: int) -> dict[str, Any]:
    """An interval as results keep it."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": count}


def equal_sizes(
    truth: Float, held: Mapping[str, Float], test: Sequence[Nodule], chosen: str
) -> dict[str, Any]:
    """Areas among pairs of nodules whose diameters differ by no more than `EQUAL`."""
    diameters = np.array([nodule.diameter_mm for nodule in test])
    report: dict[str, Any] = {"factor": EQUAL}
    for name in ("readers_area", "size", "bottleneck", "bottleneck_corrected", chosen):
        interval, pairs = equal_size_area(truth, held[name], diameters, patients_of(test))
        report[name] = figure(interval, pairs)
    return report


def concept_areas(found: Found) -> dict[str, Any]:
    """How well each value of each concept is told, against what most readers said."""
    report: dict[str, Any] = {}
    for concept, first in found[0]["splits"]["test"]["concepts"].items():
        said = np.array(first["said"])
        for value in range(said.shape[1]) if said.shape[1] > 2 else (1,):
            truth = (said[:, value] > 0.5).astype(int)
            if min(truth.sum(), len(truth) - truth.sum()) < 5:
                continue
            each = [
                np.array(one["splits"]["test"]["concepts"][concept]["predicted"])[:, value] for one in found
            ]
            if len({len(row) for row in each}) > 1:
                each = each[:1]  # seeds saw different nodules: the first stands for all
            patients = found[0]["splits"]["test"]["concept_patients"]
            report[f"{concept}/{value}"] = {
                **figure(area(truth, np.array(each), patients), len(truth)), "positives": int(truth.sum()),
            }  # fmt: skip
    return report


def presence(found: Found) -> dict[str, Any]:
    """Nodules against places beside them: area, and both error rates at the shipped limit of one half."""
    parts = [each["presence"]["test"] for each in found]
    truth = np.r_[np.ones(len(parts[0]["at"])), np.zeros(len(parts[0]["beside"]))]
    patients = [*parts[0]["patients"], *parts[0]["patients"]]
    scores = np.array([[*part["at"], *part["beside"]] for part in parts])
    seen = mean_interval(list((scores[:, truth == 1] >= 0.5).mean(0)), parts[0]["patients"])
    false = mean_interval(list((scores[:, truth == 0] >= 0.5).mean(0)), parts[0]["patients"])
    count = len(parts[0]["at"])
    return {"area": figure(area(truth, scores, patients), 2 * count), "outlined_nodules": figure(seen, count),
            "outlined_beside": figure(false, count)}  # fmt: skip


def sizes(found: Found) -> dict[str, Any]:
    """Errors of the first seed's sizes, and how often the stated interval holds the readers' size."""
    val, test = (found[0]["sizes"][split] for split in ("val", "test"))
    report: dict[str, Any] = {}
    for name in ("long_mm", "short_mm", "volume_mm3"):
        bounds = np.quantile(ratios(val, name)[0], [0.025, 0.975])
        ratio, patients = ratios(test, name)
        inside = (ratio >= bounds[0]) & (ratio <= bounds[1])
        report[name] = {
            "ratio_bounds_from_validation": bounds.tolist(),
            "coverage": figure(mean_interval(list(inside.astype(float)), patients), len(ratio)),
            "median_absolute_error_percent": float(100 * np.median(np.abs(ratio - 1))),
        }
    spread = [np.ptp(each) / np.mean(each) for each in test["diameters_mm"] if len(each) > 1]
    report["readers_spread_percent"] = float(100 * np.median(spread))
    report["dice"] = figure(mean_interval(test["dice"], test["patients"]), len(test["dice"]))
    report["stack_dice"] = figure(
        mean_interval(test["stack_dice"], test["patients"]), len(test["stack_dice"])
    )
    return report


def ratios(held: Mapping[str, Any], name: str) -> tuple[Float, list[str]]:
    """Readers' size over the measured one, and the patient of each.

    Every reader's diameter counts for the long axis; the mean of the readers for the others.
    """
    pairs: list[tuple[float, str]] = []
    for at, patient in enumerate(held["patients"]):
        read = held["diameters_mm"][at] if name == "long_mm" else [held[f"read_{name}"][at]]
        pairs += [(_ratio(each, held[name][at]), patient) for each in read]
    known = [(ratio, patient) for ratio, patient in pairs if np.isfinite(ratio)]
    return np.array([ratio for ratio, _ in known]), [patient for _, patient in known]


def _ratio(read: float | None, own: float | None) -> float:
    return float(read) / float(own) if read and own else float("nan")


def calibration(found: Found, truth: Float, val_patients: Sequence[str]) -> dict[str, Any]:
    """Of the bottleneck's probability, by seed: the curve chosen and fitted on validation patients.

    Nodules on which nothing was outlined have no probability and take no part. Beside the error stands the
    one that a perfect curve would show on so few nodules: it is not 0.
    """
    report: dict[str, Any] = {}
    for each in found:
        for name, value in _calibrated(each, truth, val_patients).items():
            report.setdefault(f"{name}_by_seed", []).append(value)
    share = float(truth.mean())
    return report | {"brier_of_prevalence": share * (1 - share)}


def _calibrated(each: Mapping[str, Any], truth: Float, val_patients: Sequence[str]) -> dict[str, Any]:
    val, test = (np.array(each["splits"][part]["scores"]["bottleneck"]) for part in ("val", "test"))
    learned, judged = val > UNSEEN, test > UNSEEN
    old = np.array(each["validation_truth"])[learned]
    patients = [name for name, keep in zip(val_patients, learned, strict=True) if keep]
    chosen, losses = choose(old, val[learned], patients)
    probability = CURVES[chosen](old, val[learned], np.ones(len(old)))(test[judged])
    line = calibration_line(truth[judged], probability)
    return {
        "curve": chosen, "log_loss_held_back": losses,
        "ece_10_equal_mass": expected_calibration_error(truth[judged], probability),
        "ece_of_a_perfect_curve": _perfect(probability),
        "brier": brier(truth[judged], probability), "slope": line.slope, "intercept_at_slope": line.intercept,
        "nodules": int(judged.sum()), "not_outlined": int((~judged).sum()),
    }  # fmt: skip


def _perfect(probability: Float) -> float:
    """Mean calibration error if each nodule's chance were exactly its probability."""
    rng = np.random.default_rng(0)
    drawn = (rng.random((DRAWS, len(probability))) < probability).astype(int)
    return float(np.mean([expected_calibration_error(row, probability) for row in drawn]))


def subgroups(truth: Float, held: Mapping[str, Float], test: Sequence[Nodule]) -> dict[str, Any]:
    """The bottleneck's area by vendor, sex, age and size; size alone beside; few cases are flagged."""
    groups: dict[str, list[str]] = {
        "vendor": [nodule.vendor for nodule in test],
        "sex": [nodule.sex or "unknown" for nodule in test],
        "age_years": [band(nodule.age_years, AGES) for nodule in test],
        "diameter": [band(nodule.diameter_mm, SIZES) for nodule in test],
    }
    report: dict[str, Any] = {}
    for by, names in groups.items():
        for name in sorted(set(names)):
            chosen = np.array([other == name for other in names])
            part = truth[chosen]
            few = int(min(part.sum(), len(part) - part.sum()))
            if few < 3:
                continue
            patients = [nodule.patient for nodule, keep in zip(test, chosen, strict=True) if keep]
            report[f"{by}: {name}"] = {
                "bottleneck": figure(area(part, held["bottleneck"][:, chosen], patients), len(part)),
                "size": figure(area(part, held["size"][:, chosen], patients), len(part)),
                "rarer_class": few, "enough_cases": few >= 20,
            }  # fmt: skip
    return report


def band(value: float | None, bands: Sequence[tuple[float, float, str]]) -> str:
    """Name of the band that holds a value; ``unknown`` for none."""
    if value is None:
        return "unknown"
    return next((name for low, high, name in bands if low <= value < high), "unknown")


def wrong_labels(found: Found) -> dict[str, Any]:
    """Planted wrong labels by rate: areas with and without confident learning, how many are found."""
    truth = np.array(found[0]["noise"]["truth"])
    patients = found[0]["noise"]["patients"]
    same = [each for each in found if each["noise"]["truth"] == found[0]["noise"]["truth"]]
    report: dict[str, Any] = {"seeds": len(same)}
    for rate in found[0]["noise"]["rates"]:
        each = [one["noise"]["rates"][rate] for one in same]
        noisy, pruned = (np.array([part[name] for part in each]) for name in ("noisy", "pruned"))
        planted, called, hit = (sum(part[name] for part in each) for name in ("planted", "called", "found"))
        report[rate] = {
            "noisy": figure(area(truth, noisy, patients), len(truth)),
            "pruned": figure(area(truth, pruned, patients), len(truth)),
            "gain": figure(area_gain(truth, pruned, noisy, patients), len(truth)),
            "recall_of_wrong": hit / planted if planted else None,
            "precision_of_called": hit / called if called else None,
        }
    return report


def rows(
    found: Found, truth: Float, held: Mapping[str, Float], test: Sequence[Nodule], chosen: str
) -> list[dict[str, Any]]:
    """The lines of the page."""
    patients, count = patients_of(test), len(truth)
    base = figure(area(truth, held["readers_area"], patients), count)
    lines = []
    told = {chosen: f"black box ({chosen})", **WORDS}
    for name, words in told.items():
        own = figure(area(truth, held[name], patients), count)
        gain = area_gain(truth, held[name], held["readers_area"], patients)
        note = f"difference to the area {gain}"
        met = gain.value > 0 if name in (chosen, "bottleneck") else None
        lines.append(_row(f"AUC, {words}", own, (base, BASE), ("> area alone", met), note))
    less = area_gain(truth, held["bottleneck"], held[chosen], patients)
    near = (">= -0.02", less.value >= -0.02)
    what = "AUC, concept bottleneck minus black box"
    lines.append(_row(what, figure(less, count), NONE, near, "black box chosen on validation patients"))
    diameters = np.array([nodule.diameter_mm for nodule in test])
    among = {}
    for name in ("readers_area", chosen, "bottleneck"):
        interval, pairs = equal_size_area(truth, held[name], diameters, patients)
        among[name] = figure(interval, pairs)
    beside, note = (among["readers_area"], BASE), f"pairs within a factor of {EQUAL}"
    for name in (chosen, "bottleneck"):
        better = ("> 0.5", among[name]["lower"] > 0.5)
        lines.append(_row(f"AUC at equal size, {name}", among[name], beside, better, note))
    more = area_gain(truth, held["bottleneck_corrected"], held["bottleneck"], patients)
    lines.append(_row("gain in AUC when a doctor corrects all characteristics", figure(more, count), NONE,
                      ("> 0", more.value > 0), "corrected to what the nodule's readers said"))  # fmt: skip
    return lines


Base = tuple[Any, str]
Goal = tuple[str, bool | None]


def _row(what: str, held: Any, base: Base, goal: Goal, note: str) -> dict[str, Any]:
    return {
        "what": what, "figure": held, "baseline": base[0], "baseline_name": base[1],
        "goal": goal[0], "met": goal[1], "note": note,
    }  # fmt: skip
