"""Study of conformal sets: do they cover as promised, over all and in each subgroup.

Features of the frozen trunk, logistic regression. Calibration scores come from training and validation
patients by cross-fitting (no patient is scored by a model that learnt from them); the test split is looked
at once. Beside each stand sets that trust the probabilities as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.certainty import (
    Conformal,
    Coverage,
    Promise,
    coverage,
    fit_conformal,
    selective_risk,
)
from coread.evaluation.certainty.conformal import Method
from coread.learning.runs.files import replace_file
from coread.learning.uncertainty.cross_fitting import choose_strength, fitted, held_out, softmax
from coread.learning.uncertainty.frozen import LAST, Looker
from coread.learning.uncertainty.images import SPLITS, ImageSet, blood, chests, children
from coread.learning.uncertainty.rows import Goal, bare, figure, row
from coread.learning.uncertainty.version_study import rows_of_versions

Float = NDArray[np.float64]
Tell = Callable[[str, float], None]

LEVEL = 0.9
SEEDS = (0, 1, 2)
MIN_SUBGROUP = 100
"""Test cases from which a subgroup's coverage is held to its goal: the standard error is then 3 points."""

QUICK = 200


@dataclass(frozen=True)
class Question:
    """One task of the study.

    Attributes
    ----------
    name
        In the table.
    images
        Gives the set of a split.
    channels
        Of the trunk.
    cell
        Fact, known before the reading, by which groups get limits of their own; empty for none. Each true
        class has limits of its own in any case.
    parts
        Facts by whose values coverage is looked at.
    """

    name: str
    images: Callable[[Path, str], ImageSet]
    channels: int
    cell: str
    parts: tuple[str, ...]


QUESTIONS = (
    Question("chest: opacity or none", chests, 1, "cell", ("site", "cell", "sex", "age", "kind")),
    Question("children: normal, bacterial, viral", children, 1, "", ("kind",)),
    Question("blood cells: eight classes", blood, 3, "", ("class",)),
)


def study(data: Path, out: Path, quick: bool, progress: Tell) -> dict[str, Any]:
    """Run the study; what it computed is kept in `out`."""
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for number, question in enumerate(QUESTIONS):

        def tell(share: float, number: int = number, name: str = question.name) -> None:
            progress(f"{name}: looking", (number + share) / len(QUESTIONS))

        found = _answer(question, data, out, quick, tell)
        details[question.name] = found
        rows += _rows(question.name, found)
    of_versions, details["new version"] = rows_of_versions(data, out, QUICK if quick else None)
    return {
        "title": "Conformal sets cover as promised; a new version needs a threshold of its own at each site",
        "evidence_grade": "retrospective",
        "level": LEVEL,
        "rows": rows + of_versions,
        "details": details,
        "did_not_work": _failures({q.name: details[q.name] for q in QUESTIONS}),
    }


def _answer(
    question: Question, data: Path, out: Path, quick: bool, tell: Callable[[float], None]
) -> dict[str, Any]:
    looker = Looker(out / "features", question.channels)
    sets = [question.images(data, split).first(QUICK if quick else None) for split in SPLITS]
    seen = [looker(part, partial(_part_of, tell, k / 4, 1 / 4))[:, -LAST:] for k, part in enumerate(sets)]
    train, val, test = sets
    strength = choose_strength((seen[0], train.label), (seen[1], val.label))
    known, label = np.vstack(seen[:2]), np.r_[train.label, val.label]
    patients = (*train.patient, *val.patient)
    cells = _cells(question, train) + _cells(question, val)
    model = softmax(fitted(known, label, strength).logits(seen[2]))
    scored = []
    for seed in SEEDS:
        tell((3 + (seed + 1) / (len(SEEDS) + 1)) / 4)
        path = out / f"{train.name}-{len(label)}-{seed}.npy"
        scored.append(_kept(path, partial(held_out, known, label, patients, strength, seed)))
    methods: tuple[Method, ...] = ("lac", "aps")
    return {
        "strength": strength,
        "calibration": {"images": len(label), "patients": len(set(patients))},
        "test": {"images": len(test.label), "patients": len(set(test.patient))},
        "accuracy": float((model.argmax(1) == test.label).mean()),
        "sets": {
            method: [
                _measured(question, _fit(question, p, label, cells, method), model, test) for p in scored
            ]
            for method in methods
        },
        "trusting": _as_lists(coverage(_trusting(model), test.label, patients=test.patient)),
        "selective": _selective(model, test),
    }


def _kept(path: Path, make: Callable[[], Float]) -> Float:
    """What an earlier, stopped run worked out, or what is made now and kept."""
    if not path.is_file():
        made = make()
        replace_file(path, lambda file: np.save(file, made))
    return np.asarray(np.load(path), dtype=np.float64)


def _part_of(tell: Callable[[float], None], start: float, width: float, share: float) -> None:
    """Tell the progress of a part of the whole."""
    tell(start + width * share)


def _cells(question: Question, images: ImageSet) -> list[str]:
    return list(images.facts[question.cell]) if question.cell else [""] * len(images.label)


def _fit(
    question: Question, p: Float, label: NDArray[np.int64], cells: Sequence[str], method: Method
) -> Conformal:
    groups = cells if question.cell else None
    return fit_conformal(p, label, Promise(LEVEL, method, by_class=True), groups)


def _measured(question: Question, fit: Conformal, p: Float, test: ImageSet) -> list[dict[str, Any]]:
    """Coverage over all test cases, and of each part with its size."""
    sets = fit.sets(p, _cells(question, test))
    found = [{"part": "all", **_as_lists(coverage(sets, test.label, patients=test.patient))[0]}]
    for part in question.parts:
        names = test.facts[part]
        known = np.array([bool(name) for name in names])
        kept = [(name, patient) for name, patient in zip(names, test.patient, strict=True) if name]
        groups, patients = ([pair[i] for pair in kept] for i in (0, 1))
        figures = coverage(sets[known], test.label[known], groups, patients)
        found += [{"part": part, **row} for row in _as_lists(figures[1:])]
    return found


def _trusting(p: Float) -> NDArray[np.bool_]:
    """The naive set: classes by falling probability until their probabilities sum to the level."""
    order = np.argsort(-p, axis=1)
    sorted_p = np.take_along_axis(p, order, axis=1)
    kept = np.cumsum(sorted_p, axis=1) - sorted_p < LEVEL
    out = np.empty_like(kept)
    np.put_along_axis(out, order, kept, axis=1)
    return np.asarray(out)


def _selective(p: Float, test: ImageSet) -> dict[str, Any]:
    wrong = p.argmax(1) != test.label
    risk = selective_risk(wrong, p.max(1), test.patient)
    kept = {f"risk_at_{100 * share:.0f}_percent": risk.at(share) for share in (0.5, 0.8, 0.9)}
    return {"area": figure(risk.area, len(wrong)), "excess": risk.excess, "full": risk.full, **kept}


def _rows(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Table rows: coverage of LAC over all and of the subgroup that is farthest off, mean of the seeds."""
    means = _mean_of_seeds(found["sets"]["lac"])
    whole = next(line for line in means if line["part"] == "all")
    judged = [line for line in means if line["part"] != "all" and line["cases"] >= MIN_SUBGROUP]
    trusting = ("probabilities trusted as they are", found["trusting"][0]["covered"])
    note = f"mean set size {whole['size']:.2f}, one class in {100 * whole['single']:.0f} %, "
    note += f"accuracy {found['accuracy']:.3f}"
    rows = [
        row(
            f"{name}: coverage of 90 % sets, all", whole["covered"], beside=trusting,
            goal=Goal("0.90 +- 0.02", _off(whole) <= 0.02), note=note,
        )
    ]  # fmt: skip
    if judged:
        worst = max(judged, key=_off)
        what = f"{name}: the farthest of {len(judged)} subgroups of 100 or more"
        goal = Goal("0.90 +- 0.05", _off(worst) <= 0.05)
        near = sum(_off(line) <= 0.05 for line in judged)
        note = f"{worst['part']}: {worst['name']}; {near} of {len(judged)} lie within 5 points"
        rows.append(row(what, worst["covered"], goal=goal, note=note))
    kept, cases = found["selective"], found["test"]["images"]
    rows.append(
        row(
            f"{name}: errors left if the surest 80 % are kept", bare(kept["risk_at_80_percent"], cases),
            beside=("all kept", bare(kept["full"], cases)), note=f"AURC {kept['area']['value']:.3f}",
        )
    )  # fmt: skip
    return rows


def _off(line: dict[str, Any]) -> float:
    """Distance of a coverage from the level."""
    return abs(float(line["covered"]["value"]) - LEVEL)


def _mean_of_seeds(runs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each row's figures averaged over the seeds (of the cross-fitting; the test cases are the same)."""
    out = []
    for same in zip(*runs, strict=True):
        covered = {
            k: float(np.mean([row["covered"][k] for row in same])) for k in ("value", "lower", "upper", "n")
        }
        numbers = {k: float(np.mean([row[k] for row in same])) for k in ("size", "single", "empty")}
        out.append({**same[0], "covered": covered, **numbers})
    return out


def _failures(details: dict[str, Any]) -> list[str]:
    found = []
    for name, held in details.items():
        aps, lac = (_mean_of_seeds(held["sets"][m])[0]["size"] for m in ("aps", "lac"))
        if aps > lac:
            found.append(
                f"{name}: adaptive sets (APS) are larger ({aps:.2f} classes) than plain ones ({lac:.2f})."
            )
        small = [
            f"{line['name']} ({line['cases']} cases, {line['covered']['value']:.3f})"
            for line in _mean_of_seeds(held["sets"]["lac"])
            if line["part"] != "all" and line["cases"] < MIN_SUBGROUP and _off(line) > 0.05
        ]
        if small:
            listed = ", ".join(small)
            found.append(f"{name}: off by more than 5 points in subgroups too small to judge: {listed}.")
    return found


def _as_lists(figures: Sequence[Coverage]) -> list[dict[str, Any]]:
    return [{**asdict(f), "covered": figure(f.covered, f.cases)} for f in figures]
