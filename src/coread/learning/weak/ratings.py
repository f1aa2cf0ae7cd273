"""Several readers' ratings fused: how well Dawid-Skene and a vote foretell a reader who was held out.

No rating is the truth here, so the test is another reader: all but one of a nodule's readers are fused, and
the fused answer is held against the one left out, each in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval
from coread.learning.nodule.cohort import Cohort, Nodule
from coread.learning.nodule.scoring import difference_interval, mean_interval
from coread.learning.weak.dawid_skene import MISSING, dawid_skene

Float = NDArray[np.float64]

LIKELY, MARKED, SOLID, PRESENT, SHARP = 4, 3, 5, 6, 4
"""From which rating a statement counts as made (see `coread.learning.nodule.rating.judging.said`): malignant
more likely than not, spiculation marked, solid, below it calcified, sharp."""

STATEMENTS: Mapping[str, Callable[[Nodule, int], int]] = {
    "more likely malignant": lambda n, r: int(n.ratings["malignancy"][r] >= LIKELY),
    "spiculation marked": lambda n, r: int(n.ratings["spiculation"][r] >= MARKED),
    "solid": lambda n, r: int(n.ratings["texture"][r] >= SOLID),
    "calcified": lambda n, r: int(n.ratings["calcification"][r] < PRESENT),
    "sharp margin": lambda n, r: int(n.ratings["margin"][r] >= SHARP),
}

READERS = 4

FEWEST = 3
"""Readers of a nodule that takes part: two are fused at least."""


def held_out_readers(cohort: Cohort) -> dict[str, Any]:
    """Both ways of fusing, for each statement.

    Returns
    -------
    dict
        By statement: Brier score against the held out readers of test nodules, of the share of votes
        (smoothed by one half a vote either way, Krichevsky & Trofimov 1981, doi:10.1109/TIT.1981.1056331) and
        of Dawid-Skene with one confusion matrix learned on training nodules; the difference with its patient
        interval; the share of held out answers that the likelier answer hits.
    """
    train, test = (cohort.where(split, FEWEST) for split in ("train", "test"))
    return {name: _compared(train, test, said) for name, said in STATEMENTS.items()}


def _compared(
    train: Sequence[Nodule], test: Sequence[Nodule], said: Callable[[Nodule, int], int]
) -> dict[str, Any]:
    foretell = foreteller(answers_of(train, said))
    answers = answers_of(test, said)
    nodule, truth, yes, readers = left_out(answers)
    patients = [one.patient for one in test]
    vote = (yes + 0.5) / (readers + 1)
    fused = np.array([foretell(int(y), int(n)) for y, n in zip(yes, readers, strict=True)])
    error = {name: _by_nodule(np.square(p - truth), nodule) for name, p in (("vote", vote), ("fused", fused))}
    right = {name: _by_nodule(_hits(p, truth), nodule) for name, p in (("vote", vote), ("fused", fused))}
    less = difference_interval(list(error["vote"]), list(error["fused"]), patients)
    count = len(test)
    return {
        "brier_vote": _figure(mean_interval(list(error["vote"]), patients), count),
        "brier_dawid_skene": _figure(mean_interval(list(error["fused"]), patients), count),
        "brier_gain": _figure(less, count),
        "hit_vote": _figure(mean_interval(list(right["vote"]), patients), count),
        "hit_dawid_skene": _figure(mean_interval(list(right["fused"]), patients), count),
    }


def answers_of(nodules: Sequence[Nodule], said: Callable[[Nodule, int], int]) -> NDArray[np.int64]:
    """Answers [nodule, reader] 0 or 1, `MISSING` where there was no such reader."""
    table = np.full((len(nodules), READERS), MISSING)
    for row, nodule in zip(table, nodules, strict=True):
        row[: nodule.readers] = [said(nodule, reader) for reader in range(nodule.readers)]
    return table


def foreteller(answers: NDArray[np.int64]) -> Callable[[int, int], float]:
    """From votes for a statement and number of voters to the probability that one more reader makes it.

    Parameters
    ----------
    answers
        Of training nodules, see `answers_of`.
    """
    learned = dawid_skene(answers, 2, pooled=True)
    says = learned.confusion[0]

    def foretell(yes: int, readers: int) -> float:
        likely = np.log(learned.prevalence) + yes * np.log(says[:, 1]) + (readers - yes) * np.log(says[:, 0])
        true = np.exp(likely - likely.max())
        return float((true / true.sum()) @ says[:, 1])

    return foretell


def left_out(
    answers: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each reader left out once: nodule, his answer, votes of the others for it, number of the others."""
    nodule, reader = np.nonzero(answers != MISSING)
    truth = answers[nodule, reader]
    votes = (answers == 1).sum(1)[nodule] - truth
    return nodule, truth, votes, (answers != MISSING).sum(1)[nodule] - 1


def _hits(probability: Float, truth: NDArray[np.int64]) -> Float:
    """1 where the likelier answer was given, one half where both are alike."""
    return np.where(probability == 0.5, 0.5, (probability > 0.5) == (truth == 1)).astype(np.float64)


def _by_nodule(values: Float, nodule: NDArray[np.int64]) -> Float:
    return np.bincount(nodule, weights=values) / np.bincount(nodule)


def _figure(interval: Interval, count: int) -> dict[str, Any]:
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": count}


def rating_rows(ratings: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line of the page for each statement."""
    return [
        {
            "what": f'ratings, "{name}": less Brier error than a vote, Dawid-Skene against a reader held out',
            "figure": held["brier_gain"], "baseline": held["brier_vote"],
            "baseline_name": "Brier score of a vote",
            "goal": "> 0", "met": held["brier_gain"]["lower"] > 0,
            "note": "nodules of three readers or more; learned on training patients",
        }
        for name, held in ratings.items()
    ]  # fmt: skip
