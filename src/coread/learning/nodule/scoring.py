"""How well outlines agree: Dice per nodule, against the readers' consensus and against each reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, patient_weights, percentile_interval
from coread.learning.nodule.cohort import Cohort, Nodule
from coread.learning.nodule.outlining import shown
from coread.learning.nodule.prompts import CLICK_SPREAD, click, drawn_box
from coread.readers.ct_nodule.measuring import component_at, without_holes
from coread.readers.ct_nodule.window import SIDE, Spot, paste

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

HOW = ("click", "wide_click", "box")
"""How the examined slices are prompted: as `prompts.click`, twice as far from the middle, by a box."""

REPEATS = 2000


@dataclass(frozen=True, eq=False)
class Examined:
    """Slices to outline, each prompted in every way of `HOW`; the same for every network.

    Attributes
    ----------
    nodules
        The nodules, [nodule].
    owner, row
        Nodule (counted from 0) and place of each slice, [slice].
    prompts
        Of each way, [slice].
    inputs
        float32 [slice, 2, side, side] of each way.
    """

    cohort: Cohort
    nodules: tuple[Nodule, ...]
    owner: NDArray[np.int64]
    row: NDArray[np.int64]
    prompts: dict[str, list[Spot]]
    inputs: dict[str, NDArray[np.float32]]


MOST_SLICES = 3
"""Slices of each nodule that are examined: those on which its readers mark most."""


def examined(cohort: Cohort, nodules: Sequence[Nodule], seed: int = 0) -> Examined:
    """Prompt the slices of each nodule on which its readers mark most, if they agree on any."""
    rng = np.random.default_rng([seed, 77])
    kept: list[Nodule] = []
    owner: list[int] = []
    row: list[int] = []
    for nodule in nodules:
        areas = {r: int(cohort.slices.consensus(nodule, r).sum()) for r in nodule.rows}
        rows = [r for _, r in sorted((-area, r) for r, area in areas.items() if area)][:MOST_SLICES]
        owner += [len(kept)] * len(rows)
        row += rows
        kept += [nodule] if rows else []
    prompts: dict[str, list[Spot]] = {how: [] for how in HOW}
    for which, place in zip(owner, row, strict=True):
        mask = cohort.slices.consensus(kept[which], place)
        prompts["click"].append(click(mask, rng))
        prompts["wide_click"].append(click(mask, rng, 2 * CLICK_SPREAD))
        prompts["box"].append(drawn_box(mask, rng))
    images = cohort.slices.images
    inputs = {
        how: np.stack([shown(images[r], p) for r, p in zip(row, prompts[how], strict=True)]) for how in HOW
    }
    return Examined(cohort, tuple(kept), np.array(owner), np.array(row), prompts, inputs)


def outlined(probability: NDArray[np.floating[Any]], prompt: Spot, threshold: float = 0.5) -> Bool:
    """From a window's probabilities to the outline on the published slice, [96, 96], as the clinic does."""
    middle = SIDE // 2
    mask = without_holes(component_at(probability >= threshold, middle, middle))
    return np.asarray(paste(mask, prompt.centre, (96, 96)))


def dice(first: Bool, second: Bool) -> float:
    """Dice (1945) of two masks, doi:10.2307/1932409; 1 if both are empty."""
    marked = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / marked if marked else 1.0


def agreement(held: Examined, masks: Sequence[Bool]) -> dict[str, list[float]]:
    """Dice of each nodule, mean over its slices.

    Parameters
    ----------
    held
        The slices.
    masks
        One [96, 96] for each.

    Returns
    -------
    dict
        ``consensus``: against the pixels that at least half of its readers marked. ``reader``: mean against
        each reader who marked the slice.
    """
    consensus, reader = [], []
    for which, row, mask in zip(held.owner, held.row, masks, strict=True):
        nodule = held.nodules[which]
        consensus.append(dice(mask, held.cohort.slices.consensus(nodule, row)))
        drawn = [one for one in held.cohort.slices.of_readers(nodule, row) if one.any()]
        reader.append(float(np.mean([dice(mask, one) for one in drawn])))
    return {"consensus": per_nodule(held.owner, consensus), "reader": per_nodule(held.owner, reader)}


def per_nodule(owner: NDArray[np.int64], values: Sequence[float]) -> list[float]:
    """Mean of the slices of each nodule."""
    sums = np.bincount(owner, weights=np.asarray(values))
    return list((sums / np.bincount(owner)).astype(float))


def between_readers(held: Examined) -> list[float]:
    """Mean Dice of two readers of one nodule, over pairs who both marked the slice, then over slices."""
    slices: dict[int, list[float]] = {}
    for which, row in zip(held.owner, held.row, strict=True):
        drawn = [one for one in held.cohort.slices.of_readers(held.nodules[which], row) if one.any()]
        pairs = [dice(a, b) for a, b in combinations(drawn, 2)]
        if pairs:
            slices.setdefault(int(which), []).append(float(np.mean(pairs)))
    return [
        float(np.mean(slices[which])) if which in slices else float("nan")
        for which in range(len(held.nodules))
    ]


def mean_interval(values: Sequence[float], patients: Sequence[str]) -> Interval:
    """Mean over nodules with its 95 % patient-bootstrap interval; nan left out."""
    data = np.asarray(values, dtype=np.float64)
    kept = np.isfinite(data)
    weights = patient_weights([p for p, k in zip(patients, kept, strict=True) if k], REPEATS, 0)
    drawn = weights @ data[kept] / weights.sum(1)
    return percentile_interval(float(data[kept].mean()), drawn)


def ratio_interval(first: Sequence[float], second: Sequence[float], patients: Sequence[str]) -> Interval:
    """Ratio of two means over the same nodules, patients drawn together."""
    a, b = np.asarray(first), np.asarray(second)
    weights = patient_weights(patients, REPEATS, 0)
    return percentile_interval(float(a.mean() / b.mean()), (weights @ a) / (weights @ b))


def difference_interval(first: Sequence[float], second: Sequence[float], patients: Sequence[str]) -> Interval:
    """Difference of two means over the same nodules, patients drawn together."""
    return mean_interval(list(np.asarray(first) - np.asarray(second)), patients)
