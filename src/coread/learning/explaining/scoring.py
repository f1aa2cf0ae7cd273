"""The tests that every map must pass before a doctor sees it, all on the same images.

Deletion and insertion against random orders and against a bell in the middle; the pointing game against the
share of the image that the boxes cover; the check that random weights give another map. The bar is fixed here
and is the same for every method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, percentile_interval, wilson_interval
from coread.evaluation.faithfulness import (
    blind_pointer_hits,
    deletion_insertion,
    energy_inside,
    points_inside,
    rank_correlation,
)
from coread.learning.explaining.methods import CELLS, Explain, Float, centre_prior, random_map
from coread.readers.chest_radiograph.preprocess import resample

Boolean = NDArray[np.bool_]
Predict = Callable[[Float], Float]
"""Probabilities [n] of inputs [n, row, column]."""

SAME_MAP = 0.5
"""A mean rank correlation above this with the maps of random weights: the map does not show the model."""

TIMES_CHANCE = 2.0
"""The hottest place must lie in the box at least this many times as often as area-matched chance."""

DRAWS = 2000


@dataclass(frozen=True)
class Boxed:
    """An image with the place of its lesion.

    Attributes
    ----------
    image
        Input float32 [1, 1, row, column].
    box
        Mask of the lesion on the input, [row, column].
    patient
        Whose.
    """

    image: Float
    box: Boolean
    patient: str


@dataclass(frozen=True)
class Erased:
    """Areas under the deletion and insertion curves of one method, [image]: low and high are good."""

    deletion: Float
    insertion: Float


def erased(predict: Predict, images: Sequence[Float], heats: Sequence[Float]) -> Erased:
    """Delete and insert every image by its map, on `CELLS` x `CELLS` tiles whatever the map's own cells.

    Parameters
    ----------
    predict
        The reader's probability.
    images
        Inputs [1, 1, row, column].
    heats
        One map for each.
    """
    pairs = zip(images, heats, strict=True)
    areas = [deletion_insertion(predict, i[0, 0], resample(h, (CELLS, CELLS))) for i, h in pairs]
    deletion, insertion = np.array(areas, dtype=np.float32).reshape(-1, 2).T
    return Erased(deletion, insertion)


@dataclass(frozen=True)
class Yardsticks:
    """The curves of the two methods that never look: random orders and the bell in the middle."""

    random: Erased
    centre: Erased


def yardsticks(predict: Predict, images: Sequence[Float], seed: int = 0) -> Yardsticks:
    """Measure both on the images that every method is measured on."""
    noise = random_map(seed)
    return Yardsticks(
        erased(predict, images, [noise(image) for image in images]),
        erased(predict, images, [centre_prior(image) for image in images]),
    )


@dataclass(frozen=True)
class Pointed:
    """The pointing game of one method.

    Attributes
    ----------
    hits
        Share of images whose hottest place lies in the box, Wilson interval.
    chance
        Mean share of the image that the boxes cover: what a random pointer hits.
    centre, blind
        What the image's middle hits, and the place most often diseased in the other images.
    energy_over_chance
        Share of the positive map inside the box over the box's share of the image; 1 is chance.
    """

    images: int
    hits: Interval
    chance: float
    centre: float
    blind: float
    energy_over_chance: Interval


def pointed(boxed: Sequence[Boxed], heats: Sequence[Float]) -> Pointed:
    """Play the pointing game with maps enlarged to the image's size [row, column]."""
    masks = np.stack([b.box for b in boxed])
    pairs = list(zip(heats, masks, strict=True))
    hits = sum(points_inside(heat, mask) for heat, mask in pairs)
    share = masks.mean((1, 2))
    energy = np.array([energy_inside(np.maximum(heat, 0), mask) for heat, mask in pairs]) / share
    middle = masks[:, masks.shape[1] // 2, masks.shape[2] // 2]
    return Pointed(
        len(boxed), wilson_interval(hits, len(boxed)), float(share.mean()), float(middle.mean()),
        float(blind_pointer_hits(masks).mean()), mean_interval(energy),
    )  # fmt: skip


def mean_interval(values: NDArray[np.floating], seed: int = 0) -> Interval:
    """Mean with a bootstrap interval over images; what is not finite is left out."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    drawn = np.random.default_rng(seed).integers(0, len(kept), (DRAWS, len(kept)))
    return percentile_interval(float(kept.mean()), kept[drawn].mean(1))


@dataclass(frozen=True)
class Scores:
    """Everything measured of one method.

    Attributes
    ----------
    gains
        `deletion_over_random`, `deletion_over_centre`, `insertion_over_random`, `insertion_over_centre`:
        above 0 the map is better, mean over images.
    pointing
        See there; None where no box is known.
    sameness
        Mean rank correlation with the maps of random weights; None if it was not measured.
    mark
        Share of images with a planted mark whose hottest place is the mark, when the mark is what the reader
        learned; None if it was not measured.
    """

    gains: Mapping[str, Interval]
    pointing: Pointed | None = None
    sameness: Interval | None = None
    mark: Interval | None = None
    verdicts: Mapping[str, bool] = field(default_factory=dict)


def gains(method: Erased, blind: Yardsticks) -> dict[str, Interval]:
    """By how much a method's curves are better than random orders and than the centre's."""
    return {
        "deletion_over_random": mean_interval(blind.random.deletion - method.deletion),
        "deletion_over_centre": mean_interval(blind.centre.deletion - method.deletion),
        "insertion_over_random": mean_interval(method.insertion - blind.random.insertion),
        "insertion_over_centre": mean_interval(method.insertion - blind.centre.insertion),
    }


def verdicts(scores: Scores) -> dict[str, bool]:
    """Whether each test is passed; a map is shown to doctors only if all are.

    Gains count if their interval lies above 0. Pointing counts if the share of hits is at least
    `TIMES_CHANCE` times chance and its interval lies above chance, and if the interval also lies above what a
    pointer hits that never sees the image: else the map tells a doctor no more than where such boxes lie.
    """
    said = {name: gain.lower > 0 for name, gain in scores.gains.items()}
    if scores.pointing:
        hits, chance = scores.pointing.hits, scores.pointing.chance
        said["points_twice_as_often_as_chance"] = hits.value >= TIMES_CHANCE * chance and hits.lower > chance
        said["points_better_than_without_the_image"] = hits.lower > scores.pointing.blind
    if scores.sameness:
        said["depends_on_weights"] = scores.sameness.upper < SAME_MAP
    return said


def sameness(trained: Sequence[Float], randomised: Sequence[Float]) -> Interval:
    """Mean rank correlation of two models' maps of the same images."""
    pairs = zip(trained, randomised, strict=True)
    return mean_interval(np.array([rank_correlation(a, b) for a, b in pairs]))


def on_mark(heats: Sequence[Float], mask: Boolean) -> Interval:
    """Share of maps [row, column] whose hottest place lies on a mark's mask, Wilson interval."""
    return wilson_interval(sum(points_inside(heat, mask) for heat in heats), len(heats))


def maps_of(explain: Explain, images: Sequence[Float], tell: Callable[[str, float], None]) -> list[Float]:
    """A method's map of every image, told one by one."""
    made = []
    for index, image in enumerate(images):
        made.append(explain(image))
        tell("explaining", (index + 1) / len(images))
    return made
