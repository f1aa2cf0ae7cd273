"""What the chest bundle says of its map: the method chosen before, and its tests on test patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coread.evaluation import Interval
from coread.learning.chest.cohort import Radiograph
from coread.learning.explaining.comparison import (
    SHOWABLE,
    Bench,
    Tell,
    bench,
    candidates,
    chosen,
    score_all,
)
from coread.learning.explaining.methods import Explain
from coread.learning.explaining.scoring import Pointed, Scores
from coread.learning.explaining.subject import Subject

CALLED = 5
"""Called test radiographs of each source for the curves of the shown map."""

COSTLY = frozenset({"integrated gradients", "smooth gradients", "occlusion", "RISE"})
"""Methods that cost many readings of an image; they are compared on test patients only, never chosen."""

REACH = dict(zip(SHOWABLE, (0, 1, 3), strict=True))
"""Cells by which the clinic smooths the map, by the name of the method."""


def shown_map(
    subject: Subject, cohort: Sequence[Radiograph], tell: Tell, called: int = CALLED
) -> dict[str, Any]:
    """Choose among the maps that cost no second reading, then test the chosen one.

    Parameters
    ----------
    subject
        The reader of the bundle.
    cohort
        All radiographs; choosing reads training and validation patients, testing reads test patients.
    tell
        Told of progress.
    called
        Called images of each source.
    """
    learned = [item for item in cohort if item.split != "test"]
    tests = [item for item in cohort if item.split == "test"]
    maps = {name: explain for name, explain in candidates(subject).items() if name in SHOWABLE}
    sane = subject.randomised_activation()
    before = score_all(subject, maps, bench(subject, _called_first(learned), called), tell, sane)
    name = chosen(before)
    on_test = bench(subject, tests, called)
    after = score_all(subject, {name: maps[name]}, on_test, tell, sane)[name]
    return {
        "method": "class activation map",
        "smoothing_cells": REACH[name],
        "chosen_on": "boxes and called images of training and validation patients",
        "before": {method: scores_report(held) for method, held in before.items()},
        "pointing": {"test": pointing_report(after.pointing)},
        **scores_report(after),
        "called_test_images": len(on_test.called),
    }


def _called_first(items: Sequence[Radiograph]) -> list[Radiograph]:
    """Validation patients before training patients: their calls were not learned by heart."""
    return sorted(items, key=lambda item: item.split != "val")


def every_method(
    subject: Subject, on: Bench, attention: Explain | None, tell: Tell, cheap: bool = False
) -> dict[str, dict[str, Any]]:
    """All methods on one bench, for the comparison; without those by gradient and perturbation if `cheap`."""
    tried = {name: e for name, e in candidates(subject, attention).items() if not cheap or name not in COSTLY}
    scores = score_all(subject, tried, on, tell, subject.randomised_activation())
    return {name: scores_report(held) for name, held in scores.items()}


def scores_report(scores: Scores) -> dict[str, Any]:
    """Scores in plain words, every figure with its interval."""
    return {
        "gains": {name: _plain(held) for name, held in scores.gains.items()},
        "pointing_game": pointing_report(scores.pointing),
        "rank_correlation_with_random_weights": _plain(scores.sameness),
        "planted_mark": _plain(scores.mark),
        "verdicts": dict(scores.verdicts),
        "passes": bool(scores.verdicts) and all(scores.verdicts.values()),
    }


def pointing_report(points: Pointed | None) -> Mapping[str, Any] | None:
    """The pointing game in plain words."""
    if points is None:
        return None
    return {
        "images": points.images, "hits": _plain(points.hits), "box_share": points.chance,
        "centre_hits": points.centre, "blind_hits": points.blind,
        "energy_over_chance": _plain(points.energy_over_chance),
    }  # fmt: skip


def _plain(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper}
