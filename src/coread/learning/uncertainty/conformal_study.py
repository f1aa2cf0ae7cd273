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
    Coverage,
    Promise,
    coverage,
    fit_conformal,
    selective_risk,
)
from coread.learning.runs.files import replace_file
from coread.learning.uncertainty.coverage_rows import LEVEL, failures, judged, row_of_all, rows_of
from coread.learning.uncertainty.cross_fitting import choose_strength, fitted, held_out, softmax
from coread.learning.uncertainty.frozen import LAST, Looker
from coread.learning.uncertainty.images import SPLITS, ImageSet, blood, chests, children
from coread.learning.uncertainty.overlapping import Facts, choose_columns, fit_group_limits
from coread.learning.uncertainty.rows import figure
from coread.learning.uncertainty.version_study import rows_of_versions

Float = NDArray[np.float64]
Tell = Callable[[str, float], None]

SEEDS = (0, 1, 2)
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
    groups
        Sets of facts, known before the reading, whose groups may get limits of their own, the plainest first;
        which of them do is chosen on calibration patients. Each true class has limits of its own in any case.
    parts
        Facts by whose values coverage is looked at.
    folds
        Of the cross-fitting: the more, the less the held-out scores differ from the final model's.
    """

    name: str
    images: Callable[[Path, str], ImageSet]
    channels: int
    groups: tuple[tuple[str, ...], ...]
    parts: tuple[str, ...]
    folds: int


CELLS = ((), ("cell",), ("band",), ("fine band",), ("cell", "age"), ("cell", "age", "sex"))
"""Of chest films: hospital and view, hospital and age band (children as one) or half of one, and sums."""

QUESTIONS = (
    Question("chest: opacity or none", chests, 1, CELLS, ("site", "cell", "sex", "age", "kind"), 20),
    Question("children: normal, bacterial, viral", children, 1, ((),), ("kind",), 20),
    Question("blood cells: eight classes", blood, 3, ((),), ("class",), 5),
)
"""Eight classes on 3,620 cells cost minutes a fold: five folds there."""


def study(data: Path, out: Path, quick: bool, progress: Tell) -> dict[str, Any]:
    """Run the study; what it computed is kept in `out`."""
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for number, question in enumerate(QUESTIONS):

        def tell(share: float, number: int = number, name: str = question.name) -> None:
            progress(f"{name}: looking", (number + share) / len(QUESTIONS))

        found = _answer(question, data, out, quick, tell)
        details[question.name] = found
        rows += rows_of(question.name, found)
    rows.append(row_of_all([judged(details[q.name]) for q in QUESTIONS]))
    of_versions, details["new version"] = rows_of_versions(data, out, QUICK if quick else None)
    return {
        "title": "Conformal sets cover as promised; a new version needs a threshold of its own at each site",
        "evidence_grade": "retrospective",
        "level": LEVEL,
        "rows": rows + of_versions,
        "details": details,
        "did_not_work": failures({q.name: details[q.name] for q in QUESTIONS}),
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
    facts = {name: (*train.facts[name], *val.facts[name]) for columns in question.groups for name in columns}
    model = softmax(fitted(known, label, strength).logits(seen[2]))
    scored = []
    for seed in SEEDS:
        tell((3 + (seed + 1) / (len(SEEDS) + 1)) / 4)
        path = out / f"{train.name}-{len(label)}-{question.folds}-{seed}.npy"
        scored.append(
            _kept(path, partial(held_out, known, label, patients, (strength, question.folds), seed))
        )
    calibration = (scored[0], label, facts, patients)
    columns, tried = choose_columns(question.groups, calibration, question.groups[-1], LEVEL)
    return {
        "groups": {"chosen": list(columns), "tried": tried},
        "strength": strength,
        "calibration": {"images": len(label), "patients": len(set(patients))},
        "test": {"images": len(test.label), "patients": len(set(test.patient))},
        "accuracy": float((model.argmax(1) == test.label).mean()),
        "sets": {
            "lac": [
                _measured(question, _group_sets((p, label, facts), columns, model, test), test)
                for p in scored
            ],
            "aps": [_measured(question, _adaptive_sets(p, label, model), test) for p in scored],
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


def _group_sets(
    calibration: tuple[Float, NDArray[np.int64], Facts], columns: Sequence[str], p: Float, test: ImageSet
) -> NDArray[np.bool_]:
    return fit_group_limits(*calibration, columns, LEVEL).sets(p, test.facts)


def _adaptive_sets(calibration: Float, label: NDArray[np.int64], p: Float) -> NDArray[np.bool_]:
    return fit_conformal(calibration, label, Promise(LEVEL, "aps", by_class=True)).sets(p)


def _measured(question: Question, sets: NDArray[np.bool_], test: ImageSet) -> list[dict[str, Any]]:
    """Coverage over all test cases, and of each part with its size."""
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


def _as_lists(figures: Sequence[Coverage]) -> list[dict[str, Any]]:
    return [{**asdict(f), "covered": figure(f.covered, f.cases)} for f in figures]
