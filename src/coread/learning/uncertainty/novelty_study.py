"""Study of novelty: is an image of another kind told by its distance in feature space.

The score is chosen on validation images, for each reader once; the test images are looked at once. Beside it
stand the mean and the spread of the grey values, and the classifier's own confidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import auc_interval, roc_auc, wilson_interval
from coread.evaluation.certainty import fit_gaussians, fit_neighbours
from coread.learning.uncertainty.cross_fitting import choose_strength, fitted, softmax
from coread.learning.uncertainty.frozen import LAST, Looker
from coread.learning.uncertainty.images import (
    ImageSet,
    as_input,
    blood,
    chests,
    foreign_to_blood,
    foreign_to_chests,
    other_hospital,
)
from coread.learning.uncertainty.rows import Goal, bare, figure, row

Float = NDArray[np.float64]
Score = Callable[[Float], Float]
Tell = Callable[[str, float], None]

REFUSED = 0.01
"""Share of the own validation images that the threshold refuses."""

QUICK = 60


@dataclass(frozen=True)
class Home:
    """What a reader was made for, and what it must refuse."""

    name: str
    images: Callable[[Path, str], ImageSet]
    foreign: Callable[[Path, str], tuple[ImageSet, ...]]
    channels: int


HOMES = (
    Home("chest radiographs", chests, foreign_to_chests, 1),
    Home("blood cells", blood, foreign_to_blood, 3),
)


def study(data: Path, out: Path, quick: bool, progress: Tell) -> dict[str, Any]:
    """Run the study; what it computed is kept in `out`."""
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for number, home in enumerate(HOMES):

        def tell(share: float, number: int = number, name: str = home.name) -> None:
            progress(f"{name}: looking", (number + share) / len(HOMES))

        found = _judged(home, data, out, quick, tell)
        details[home.name] = found
        rows += _rows(home.name, found)
    return {
        "title": "Images of another kind are told by their distance in feature space",
        "evidence_grade": "retrospective",
        "rows": rows,
        "details": details,
        "did_not_work": _failures(details),
    }


def _judged(home: Home, data: Path, out: Path, quick: bool, tell: Callable[[float], None]) -> dict[str, Any]:
    most = QUICK if quick else None
    looker = Looker(out / "features", home.channels)
    train, val, test = (home.images(data, split).first(most) for split in ("train", "val", "test"))
    own = [looker(part, partial(_part_of, tell, k / 8)) for k, part in enumerate((train, val, test))]
    scores = _scores(own[0], train, own[1], val)
    known = [p.first(most) for p in home.foreign(data, "val")]
    seen = [looker(part) for part in known]
    on_val = {name: [_area(score(own[1]), score(x)) for x in seen] for name, score in scores.items()}
    tell(0.7)
    chosen = max(on_val, key=lambda name: (min(on_val[name]), float(np.mean(on_val[name]))))
    score = scores[chosen]
    limit = float(np.quantile(score(own[1]), 1 - REFUSED))
    strange = [p.first(most) for p in home.foreign(data, "test")]
    return {
        "chosen": chosen, "validation": {name: dict(zip([p.name for p in known], a, strict=True)) for name,
        a in on_val.items()}, "refused_of_own": _share(score(own[2]) > limit), "foreign": {part.name:
        _against(scores, chosen, limit, (test, own[2]), (part, looker(part))) for part in strange}, "naive":
        _naive(home, train, test, strange), **_shifted(home, data, looker, score, limit),
    }  # fmt: skip


def _part_of(tell: Callable[[float], None], start: float, share: float) -> None:
    """Tell the progress of an eighth of the whole."""
    tell(start + share / 8)


def _scores(x: Float, train: ImageSet, validation: Float, val: ImageSet) -> dict[str, Score]:
    """The candidate scores, fitted on training images; each is higher for what is stranger."""
    scale = x.std(0) + 1e-6
    whole = fit_gaussians(x / scale, train.label)
    last = fit_gaussians(x[:, -LAST:], train.label)
    near, near_last = fit_neighbours((x - x.mean(0)) / scale), fit_neighbours(x[:, -LAST:])
    strength = choose_strength((x[:, -LAST:], train.label), (validation[:, -LAST:], val.label))
    probe = fitted(x[:, -LAST:], train.label, strength)
    mean = x.mean(0)
    return {
        "Mahalanobis, three depths": lambda f: whole.mahalanobis(f / scale),
        "Mahalanobis, last layer": lambda f: last.mahalanobis(f[:, -LAST:]),
        "relative Mahalanobis, last layer": lambda f: last.relative(f[:, -LAST:]),
        "10th neighbour, three depths": lambda f: near.distance((f - mean) / scale),
        "10th neighbour, last layer": lambda f: near_last.distance(f[:, -LAST:]),
        "1 - highest probability": lambda f: 1 - softmax(probe.logits(f[:, -LAST:])).max(1),
    }


def _against(
    scores: dict[str, Score],
    chosen: str,
    limit: float,
    own: tuple[ImageSet, Float],
    other: tuple[ImageSet, Float],
) -> dict[str, Any]:
    truth = np.r_[np.zeros(len(own[1]), int), np.ones(len(other[1]), int)]
    patients = (*own[0].patient, *other[0].patient)
    score = scores[chosen]
    area = auc_interval(truth, np.r_[score(own[1]), score(other[1])], patients)
    return {
        "auc": figure(area, len(truth)),
        "images": len(other[1]),
        "refused": _share(score(other[1]) > limit),
        "other_scores": {name: _area(s(own[1]), s(other[1])) for name, s in scores.items()},
    }


def _naive(home: Home, train: ImageSet, test: ImageSet, strange: list[ImageSet]) -> dict[str, float]:
    """Areas of the distance of mean and spread of the pixels from those of the training images."""
    learned = _pixels(home, train.first(400))
    centre, spread = learned.mean(0), learned.std(0) + 1e-9

    def score(images: ImageSet) -> Float:
        return np.asarray((((_pixels(home, images) - centre) / spread) ** 2).sum(1))

    own = score(test.first(400))
    return {part.name: _area(own, score(part)) for part in strange}


def _pixels(home: Home, images: ImageSet) -> Float:
    made = [as_input(load(), home.channels) for load in images.loads]
    return np.array([[m.mean(), m.std()] for m in made], dtype=np.float64)


def _shifted(home: Home, data: Path, looker: Looker, score: Score, limit: float) -> dict[str, Any]:
    if home.channels != 1:
        return {}
    return {"refused_of_other_hospital": _share(score(looker(other_hospital(data))) > limit)}


def _rows(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for other, held in found["foreign"].items():
        area, refused = held["auc"], held["refused"]["value"]
        naive = ("mean and spread of the pixels", bare(found["naive"][other], area["n"]))
        goal = Goal(">= 0.98", area["value"] >= 0.98)
        note = f"{found['chosen']}; {100 * refused:.1f} % of {held['images']} refused"
        rows.append(row(f"{name} against {other}: area", area, beside=naive, goal=goal, note=note))
    note = "the threshold refuses 1 % of the validation images"
    rows.append(row(f"{name}: share of the own test images refused", found["refused_of_own"], note=note))
    if "refused_of_other_hospital" in found:
        note = "of the right kind but shifted: a refusal here is caution, not an error"
        what = f"{name}: share refused of another hospital's (COVID-19 set)"
        rows.append(row(what, found["refused_of_other_hospital"], note=note))
    return rows


def _failures(details: dict[str, Any]) -> list[str]:
    found = []
    for name, held in details.items():
        for score in next(iter(held["foreign"].values()))["other_scores"]:
            areas = {other: h["other_scores"][score] for other, h in held["foreign"].items()}
            worst = min(areas, key=lambda other: areas[other])
            if score != held["chosen"] and areas[worst] < 0.98:
                found.append(f"{name}: {score} reaches {areas[worst]:.3f} only against {worst}.")
    return found


def _area(own: Float, other: Float) -> float:
    return roc_auc(np.r_[np.zeros(len(own), int), np.ones(len(other), int)], np.r_[own, other])


def _share(refused: NDArray[np.bool_]) -> dict[str, float]:
    return figure(wilson_interval(int(refused.sum()), len(refused)), len(refused))
