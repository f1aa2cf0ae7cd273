"""From a table of answers to everything that can be said of them.

One line per case: what any reader, of this house or another's, said of patients whom it had not seen.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import (
    Cases,
    auc_interval,
    calibration_report,
    delong_interval,
    operating,
    subgroups,
)
from coread.evaluation.baselines import beside
from coread.evaluation.certainty import cases_for_half_width, selective_risk
from coread.evaluation.decision_curves import decision_curve
from coread.evaluation.robustness import failures, gap
from coread.evaluation.subgroup_tests import contrasts
from coread.learning.evidence.grades import grade_of

NEEDED = ("case", "patient", "truth", "score", "probability")
BASELINE, SITE = "baseline:", "site"
"""A column ``baseline:NAME`` is the score of a naive baseline; ``site`` names the place."""

NET_BENEFIT_AT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Threshold probabilities of the decision curve."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers on test cases.

    Attributes
    ----------
    cases
        Truth, score, probability, patient.
    names
        Of the cases.
    baselines
        Score of each naive baseline, [case].
    groups
        Further columns by name: sex, age band, device ...; empty = unknown.
    """

    cases: Cases
    names: tuple[str, ...]
    baselines: Mapping[str, NDArray[np.float64]]
    groups: Mapping[str, tuple[str, ...]]


def read_predictions(path: Path) -> Predictions:
    """Read a CSV table.

    Parameters
    ----------
    path
        Columns case, patient, truth (0 or 1), score, probability (0..1); ``baseline:NAME`` for baselines;
        every other column is a grouping.

    Raises
    ------
    ValueError
        If a column is missing, a case comes twice, a probability is none, or a class is empty.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        columns = tuple(table.fieldnames or ())
        rows = list(table)
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ValueError(f"{path.name} lacks the column(s) {', '.join(missing)}")
    names = tuple(row["case"] for row in rows)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{len(twice)} case(s) come more than once, the first is {twice[0]}")
    truth, score, probability = (np.array([float(row[c]) for row in rows]) for c in NEEDED[2:])
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a probability lies between 0 and 1")
    if set(np.unique(truth).tolist()) != {0.0, 1.0}:
        raise ValueError(
            f"truth needs both 0 and 1 and nothing else; found {sorted(set(truth.tolist()))[:5]}"
        )
    cases = Cases(truth.astype(np.int64), score, probability, tuple(row["patient"] for row in rows))
    of_baseline = [c for c in columns if c.startswith(BASELINE)]
    others = [c for c in columns if c not in NEEDED and c not in of_baseline]
    return Predictions(
        cases, names,
        {c.removeprefix(BASELINE): np.array([float(row[c]) for row in rows]) for c in of_baseline},
        {c: tuple(row[c] for row in rows) for c in others},
    )  # fmt: skip


def appraise(
    held: Predictions, threshold: float, grade: str, home: str = "", prevalence: float | None = None
) -> dict[str, Any]:
    """Everything that can be said of a table of answers.

    Parameters
    ----------
    held
        Test cases.
    threshold
        Calibrated probability from which a case is called positive, chosen on other patients.
    grade
        Of the evidence.
    home
        Value of the column ``site`` where the reader was made; the other sites are then external.
    prevalence
        Of the disease where the reader will be used, for the net benefit; that of the cases if left out.

    Returns
    -------
    dict
        JSON types; intervals are 95 %.
    """
    cases = held.cases
    report: dict[str, Any] = {
        "evidence_grade": grade_of(grade),
        "cases": len(cases.truth),
        "patients": len(set(cases.patient)),
        "threshold": threshold,
        "performance": _performance(cases),
        "operating": asdict(operating(cases.truth, cases.probability, threshold)),
        "precision": _precision(cases, threshold),
        "baselines": [asdict(b) for b in beside(cases.truth, cases.score, held.baselines, cases.patient)],
        "calibration": calibration_report(cases.truth, cases.probability),
        "decision_curve": [
            asdict(b)
            for b in decision_curve(cases.truth, cases.probability, cases.patient, NET_BENEFIT_AT, prevalence)
        ],
        "selective": _selective(cases, threshold),
        "subgroups": {n: [asdict(s) for s in subgroups(cases, g, threshold)] for n, g in held.groups.items()},
        "contrasts": {n: [asdict(c) for c in contrasts(cases, g)] for n, g in held.groups.items()},
        "failures": _failures(held, threshold),
    }
    return report | _external(held, threshold, home)


def _performance(cases: Cases) -> dict[str, Any]:
    by_patient = auc_interval(cases.truth, cases.score, cases.patient)
    delong = delong_interval(cases.truth, cases.score)
    return {"auc": {**asdict(by_patient), "n": len(cases.truth)}, "auc_delong_by_case": asdict(delong)}


def _precision(cases: Cases, threshold: float) -> dict[str, Any]:
    """Half widths that were reached, and cases that +- 5 points would need."""
    at = operating(cases.truth, cases.probability, threshold)
    return {
        name: {
            "half_width": (rate.upper - rate.lower) / 2,
            "cases": count,
            "cases_for_5_points": cases_for_half_width(rate.value, 0.05),
        }
        for name, rate, count in (
            ("sensitivity", at.sensitivity, at.positives),
            ("specificity", at.specificity, at.negatives),
        )
    }


def _selective(cases: Cases, threshold: float) -> dict[str, Any]:
    wrong = (cases.probability >= threshold) != cases.truth.astype(bool)
    risk = selective_risk(wrong, np.abs(cases.probability - threshold), cases.patient)
    kept = {f"errors_if_{100 * share:.0f}_percent_kept": risk.at(share) for share in (0.5, 0.8, 0.9)}
    return {"area": asdict(risk.area), "excess": risk.excess, "errors_if_all_kept": risk.full, **kept}


def _failures(held: Predictions, threshold: float) -> list[dict[str, Any]]:
    part = next(iter(held.groups.values()), None)
    return [{**asdict(f), "case": held.names[f.index]} for f in failures(held.cases, threshold, part=part)]


def _external(held: Predictions, threshold: float, home: str) -> dict[str, Any]:
    sites = held.groups.get(SITE, ())
    if not home or home not in sites:
        return {}
    at_home = np.array([site == home for site in sites])
    parts = {site: np.array([s == site for s in sites]) for site in sorted(set(sites) - {home, ""})}
    judged = {site: part for site, part in parts.items() if _both(held.cases, part)}
    return {
        "external": {site: _performance(held.cases.where(part)) for site, part in judged.items()},
        "gap": {
            site: asdict(gap(held.cases.where(at_home), held.cases.where(part), threshold))
            for site, part in judged.items()
        },
    }


def _both(cases: Cases, part: NDArray[np.bool_]) -> bool:
    """Whether a part has at least two cases of each class."""
    sick = int(cases.truth[part].sum())
    return min(sick, int(part.sum()) - sick) >= 2


def sites_of(held: Predictions) -> Sequence[str]:
    """Sites that are named."""
    return sorted(set(held.groups.get(SITE, ())) - {""})
