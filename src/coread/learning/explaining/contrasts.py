"""Counterfactuals of the chest reader, measured on test patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, wilson_interval
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.chest.sites.heads import Head
from coread.learning.explaining.counterfactual import (
    Space,
    Turned,
    erased_until_turned,
    fit_space,
    nearest_otherwise,
    smallest_change,
)
from coread.learning.explaining.methods import Explain, centre_prior, random_map
from coread.learning.explaining.scoring import mean_interval
from coread.learning.explaining.subject import Subject

Float = NDArray[np.float64]

NEIGHBOURS = 15
"""Training patients around a moved image whose labels say whether the move means anything."""


def contrasts(atlas: Atlas, score: Float, head: Head) -> dict[str, Any]:
    """Nearest patients called otherwise, and smallest changes of what the plain trunk saw.

    Parameters
    ----------
    atlas
        Of the cohort.
    score
        The reader's log-odds [image], for the nearest patients.
    head
        The plain head, for the smallest changes.
    """
    learners, tests = atlas.rows("train"), atlas.rows("test")
    features = atlas.means()
    space = fit_space(features[learners].astype(np.float64))
    places = space(features)
    known, new = score[learners] >= 0, score[tests] >= 0
    found = nearest_otherwise(places[tests], new, places[learners], known)
    other = learners[found.index]
    sites = [np.array([item.site for item in atlas.some(rows)]) for rows in (tests, other)]
    return {
        "nearest_patient_called_otherwise": {
            "images": len(tests),
            "truly_of_the_other_label_than_the_call": figure(
                wilson_interval(int((atlas.truth(other) != new).sum()), len(tests))
            ),
            "of_the_same_hospital": figure(wilson_interval(int((sites[0] == sites[1]).sum()), len(tests))),
            "distance_over_that_to_the_nearest_called_alike": figure(mean_interval(found.ratio)),
        },
        "smallest_change": _moved(atlas, head, space),
    }


def _moved(atlas: Atlas, head: Head, space: Space) -> dict[str, Any]:
    """Whether features moved over the border come to lie among patients of the other label."""
    learners, tests = atlas.rows("train"), atlas.rows("test")
    features = atlas.means().astype(np.float64)
    score = head(features[tests])
    moved = smallest_change(features[tests], head.weight, score, 0.0, space)
    step = np.sqrt(((space(moved) - space(features[tests])) ** 2).sum(1))
    before, after = (
        _share_sick(space(f), space(features[learners]), atlas.truth(learners))
        for f in (features[tests], moved)
    )
    toward = np.where(score >= 0, before - after, after - before)
    return {
        "images": len(tests),
        "call_turned": figure(wilson_interval(int(((head(moved) >= 0) != (score >= 0)).sum()), len(tests))),
        "length_in_deviations": figure(mean_interval(step)),
        "neighbours_of_the_other_label_gained": figure(mean_interval(toward)),
    }


def _share_sick(places: NDArray[np.floating], known: NDArray[np.floating], truth: NDArray[np.int64]) -> Float:
    apart = ((places[:, None] - known[None]) ** 2).sum(2)
    nearest = np.argpartition(apart, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return np.asarray(truth[nearest].mean(1))


def turning(subject: Subject, images: Sequence[NDArray[np.float32]], shown: Explain) -> dict[str, Any]:
    """How much must be blurred until the call turns: by the map, by the centre, at random."""
    methods = {"map": shown, "centre prior": centre_prior, "random": random_map(5)}
    found = {
        name: erased_until_turned(
            subject.probability, images, [explain(i) for i in images], subject.threshold
        )
        for name, explain in methods.items()
    }
    saved = {
        f"share_saved_over_{name}": figure(mean_interval(found[name].share - found["map"].share))
        for name in ("centre prior", "random")
    }
    return {"images": len(images), **{name: _turned(held) for name, held in found.items()}, **saved}


def _turned(held: Turned) -> dict[str, Any]:
    return {
        "turned": figure(wilson_interval(int(held.turned.sum()), len(held.turned))),
        "share_of_the_image_blurred": figure(mean_interval(held.share)),
    }


def figure(interval: Interval) -> dict[str, float]:
    """A figure with its interval."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper}
