"""Measuring the chest reader's heat map: it should show what the network used, and where the disease is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, percentile_interval, wilson_interval
from coread.evaluation.faithfulness import (
    blind_pointer_hits,
    energy_inside,
    erasure,
    points_inside,
    rank_correlation,
)
from coread.learning.chest.cohort import Radiograph, grey
from coread.readers.chest_radiograph.preprocess import Prepared, prepare, resample

Float = NDArray[np.float32]
Read = Callable[[Float], tuple[Float, Float, Float]]

SAME_MAP = 0.5
"""A rank correlation above this with the maps of random weights means that the map does not depend on the
model."""


@dataclass(frozen=True)
class Pointing:
    """Pointing game on radiographs with a pneumonia box.

    Attributes
    ----------
    hits
        Share of images whose hottest pixel lies in the box, Wilson interval.
    box_share
        Mean area of the boxes: what a random pointer hits.
    centre_hits, blind_hits
        What pointing at the image centre hits, and at the place most often diseased in the other images.
    energy
        Share of the positive activation inside the box, bootstrap interval.
    energy_over_chance
        Mean over images of energy / box area, bootstrap interval: 1 is chance.
    """

    images: int
    hits: Interval
    box_share: float
    centre_hits: float
    blind_hits: float
    energy: Interval
    energy_over_chance: Interval


def pointing(boxed: Sequence[Radiograph], read: Read, seed: int = 0) -> Pointing:
    """Play the pointing game.

    Parameters
    ----------
    boxed
        Radiographs with a box, one or more.
    read
        The network.
    seed
        Seed of the bootstrap.
    """
    maps = [_map_on_image(item, read) for item in boxed]
    masks = np.stack([box_mask(item, heat.shape) for item, heat in zip(boxed, maps, strict=True)])
    hits = [points_inside(heat, mask) for heat, mask in zip(maps, masks, strict=True)]
    energy = np.array(
        [energy_inside(np.maximum(heat, 0), mask) for heat, mask in zip(maps, masks, strict=True)]
    )
    share = masks.mean((1, 2))
    middle = masks[:, masks.shape[1] // 2, masks.shape[2] // 2]
    blind = blind_pointer_hits(masks).mean() if len(masks) > 1 else float("nan")
    return Pointing(
        images=len(boxed), hits=wilson_interval(sum(hits), len(hits)), box_share=float(share.mean()),
        centre_hits=float(middle.mean()), blind_hits=float(blind),
        energy=mean_interval(energy, seed), energy_over_chance=mean_interval(energy / share, seed),
    )  # fmt: skip


def _map_on_image(item: Radiograph, read: Read) -> Float:
    ready = prepare(grey(item.path).astype(np.float32))
    return on_image(read(ready.tensor)[2][0], ready)


def on_image(activation: Float, prepared: Prepared) -> Float:
    """Activation [row, column] smoothly enlarged to the display image; its minimum where nothing was seen."""
    top, left, bottom, right = prepared.box_rc
    whole = np.full(prepared.shape_rc, activation.min(), dtype=np.float32)
    whole[top:bottom, left:right] = resample(activation.astype(np.float32), (bottom - top, right - left))
    return whole


def box_mask(item: Radiograph, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The radiograph's box as a mask [row, column]."""
    left, top, width, height = item.box_xywh or (0.0, 0.0, 0.0, 0.0)
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    return np.asarray((column > left) & (column < left + width) & (row > top) & (row < top + height))


def mean_interval(values: NDArray[np.floating], seed: int = 0) -> Interval:
    """Mean with a bootstrap interval over images, nan left out; assumes one image per patient."""
    kept = values[np.isfinite(values)]
    drawn = np.random.default_rng(seed).integers(0, len(kept), (2000, len(kept)))
    return percentile_interval(float(kept.mean()), kept[drawn].mean(1))


def erasing(
    items: Sequence[Radiograph], read: Read, probability: Callable[[Float], Float], seed: int = 0
) -> dict[str, Interval]:
    """Deletion and insertion against random orders.

    Parameters
    ----------
    items
        Radiographs that the reader calls positive.
    read
        The network.
    probability
        Calibrated probabilities of logits.
    seed
        Seed of the random orders.

    Returns
    -------
    dict
        `deletion_gain` = random minus map, `insertion_gain` = map minus random; above 0 the map is better
        than chance.
    """
    rng = np.random.default_rng(seed)
    results = []
    for item in items:
        ready = prepare(grey(item.path).astype(np.float32))
        heat = read(ready.tensor)[2][0]
        results.append(
            erasure(
                lambda x: probability(read(x[:, None].astype(np.float32))[0]), ready.tensor[0, 0], heat, rng
            )
        )
    deletion = np.array([r.random_deletion - r.deletion for r in results])
    insertion = np.array([r.insertion - r.random_insertion for r in results])
    return {"deletion_gain": mean_interval(deletion, seed), "insertion_gain": mean_interval(insertion, seed)}


def sameness(trained: Float, randomised: Float) -> Interval:
    """Mean rank correlation of two models' maps [image, row, column] of the same images."""
    return mean_interval(np.array([rank_correlation(a, b) for a, b in zip(trained, randomised, strict=True)]))


def passed(points: Pointing, erased: dict[str, Interval], random_same: Interval) -> dict[str, bool]:
    """The verdicts by which the map may be shown; all must hold. Fixed before the test split was read.

    The pointing game must beat the better of area-matched chance and the blind pointer, with the interval's
    lower bound; erasing by the map must beat random orders likewise; and the map must change when the
    weights are randomised.
    """
    bar = max(points.box_share, points.centre_hits, points.blind_hits)
    return {
        "points_better_than_blind": points.hits.lower > bar,
        "energy_above_chance": points.energy_over_chance.lower > 1,
        "deletion_better_than_random": erased["deletion_gain"].lower > 0,
        "insertion_better_than_random": erased["insertion_gain"].lower > 0,
        "depends_on_weights": random_same.upper < SAME_MAP,
    }
