"""What one hospital teaches about the other: the floor, the robust head, and the one that taught itself.

Everything is chosen on training and validation patients; test patients are scored once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, auc_interval, patient_weights
from coread.learning.chest.cohort import Split
from coread.learning.chest.crossing.self_training import Teaching, self_trained
from coread.learning.chest.sites.atlas import MEANS, Atlas, Rows
from coread.learning.chest.sites.gaps import areas_by, difference
from coread.learning.chest.sites.heads import aligned, balanced, fit_head
from coread.learning.chest.sites.places import placed

Float = NDArray[np.float64]

SITES = ("nih", "paediatric")

FLOOR_NAME = "frozen ImageNet trunk, logistic regression"
FLOOR_STRENGTH = 0.01
"""Inverse penalty of the floor, as in the bundle's baseline."""


COMMITTEE = 10
"""Heads, each on a bootstrap draw of the training patients, whose mean score counts: one alone may start on
the wrong side of chance."""

MEANS_OF_ALL = (0, MEANS)


@dataclass(frozen=True)
class Robust:
    """How a head is trained at one hospital to be used at another.

    Attributes
    ----------
    look
        How the images are shown to the trunk.
    channels
        Which of the pooled responses it reads, first and one after the last; None for the responses of the
        last block in nine fields (`coread.learning.chest.sites.places`).
    strength
        Inverse penalty.
    aligned
        Whether the features are brought to the mean and deviation of the hospital that teaches, from
        unlabelled training images of both.
    by_view
        Whether scores are standardised within each view, from unlabelled training images of the hospital
        that is read; the view stands in the header.
    teaching
        How it then teaches itself on unlabelled training images of the hospital that is read, on the mean
        responses to raw images; None where validation patients showed no gain.
    """

    look: str
    channels: tuple[int, int] | None
    strength: float
    aligned: bool = False
    by_view: bool = False
    teaching: Teaching | None = None

    @property
    def uses_unlabelled(self) -> bool:
        """Whether the first head already uses unlabelled images of the hospital that is read."""
        return self.aligned or self.by_view


CHOSEN = {
    ("nih", "nih"): Robust("raw", MEANS_OF_ALL, 0.001),
    ("nih", "paediatric"): Robust("raw", (1320, MEANS), 0.0001, teaching=Teaching()),
    ("paediatric", "nih"): Robust("lungs alike", None, 0.001, aligned=True, by_view=True),
    ("paediatric", "paediatric"): Robust("raw", MEANS_OF_ALL, 0.01),
}
"""By the hospital that teaches and the one that is read; chosen on labelled validation patients of the
latter, at home by patient folds. The second reads only the level of 14 x 14 cells."""


def transfer_table(atlas: Atlas, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Areas on test patients, by the hospital that taught and the hospital that is read.

    Parameters
    ----------
    atlas
        Of the cohort.
    seeds
        Of the bootstrap draws of the training patients: one head each.
    """
    table: dict[str, Any] = {}
    for old in SITES:
        before = floor(atlas, old)
        for new in SITES:
            rows = atlas.rows("test", new)
            ways = {"after": [robust(atlas, old, new, seed) for seed in seeds]}
            if CHOSEN[old, new].teaching:
                ways["taught itself"] = [taught(atlas, old, new, seed) for seed in seeds]
            table[f"{old} to {new}"] = _compared(atlas, rows, before[rows], ways)
    return table


def _compared(atlas: Atlas, rows: Rows, before: Float, ways: Mapping[str, list[Float]]) -> dict[str, Any]:
    truth, patients = atlas.truth(rows), atlas.patients(rows)
    first = areas_by(truth, before, ["all"] * len(rows), patients)
    found: dict[str, Any] = {"before": figure(auc_interval(truth, before, patients), len(rows))}
    for name, scores in ways.items():
        joint = joined(scores)
        second = areas_by(truth, joint, ["all"] * len(rows), patients)
        found[name] = figure(auc_interval(truth, joint, patients), len(rows))
        found[f"{name}, by seed"] = [figure(auc_interval(truth, s, patients), len(rows)) for s in scores]
        found[f"{name}, gain"] = figure(difference(second.whole, first.whole), len(rows))
    return found


def joined(scores: Sequence[Float]) -> Float:
    """Scores [image] of several seeds as one, each brought to mean 0 and deviation 1."""
    return np.asarray(np.mean([(s - s.mean()) / s.std() for s in scores], axis=0))


def floor(atlas: Atlas, site: str) -> Float:
    """Scores [image] of the floor: frozen backbone, raw images, plain regression, taught at one hospital."""
    rows = atlas.rows("train", site)
    features = atlas.last("raw")
    return fit_head(features[rows], atlas.truth(rows), strength=FLOOR_STRENGTH)(features)


def robust(atlas: Atlas, old: str, new: str, seed: int, split: Split = "test") -> Float:
    """Scores [image of `new`] of a committee of heads taught at `old`.

    Parameters
    ----------
    atlas
        Of the cohort.
    old, new
        The hospital that teaches, and the one that is read.
    seed
        Of the bootstrap draws of the training patients.
    split
        Which radiographs of `new` are scored.
    """
    how, wanted = CHOSEN[old, new], atlas.rows(split, new)
    rows, others = atlas.rows("train", old), atlas.rows("train", new)
    features = features_of(atlas, how)
    drawn = patient_weights(atlas.patients(rows), COMMITTEE, seed)
    even, truth = balanced(atlas.some(rows)), atlas.truth(rows)
    heads = [fit_head(features[rows], truth, even * weight, strength=how.strength) for weight in drawn]
    parts = [
        aligned(features[part], features[others], features[rows]) if how.aligned else features[part]
        for part in (wanted, others)
    ]
    score, unlabelled = (np.mean([head(part) for head in heads], axis=0) for part in parts)
    if not how.by_view:
        return np.asarray(score)
    views = [[str(item.view) for item in atlas.some(part)] for part in (wanted, others)]
    return standardised_within(score, views[0], unlabelled, views[1])


def features_of(atlas: Atlas, how: Robust) -> NDArray[np.float32]:
    """What a head reads of all images, [image, feature]."""
    seen = atlas.seen(how.look)
    return placed(seen.deep) if how.channels is None else seen.pooled[:, slice(*how.channels)]


def standardised_within(
    score: Float, view: Sequence[str], unlabelled: Float, unlabelled_view: Sequence[str]
) -> Float:
    """Scores less the mean, over the deviation, of unlabelled scores of the same view."""
    out, views, others = score.copy(), np.asarray(view), np.asarray(unlabelled_view)
    for name in sorted(set(view) & set(unlabelled_view)):
        of_view = unlabelled[others == name]
        out[views == name] = (score[views == name] - of_view.mean()) / (of_view.std() + 1e-9)
    return out


def taught(atlas: Atlas, old: str, new: str, seed: int, split: Split = "test") -> Float:
    """Scores [image of `new`] of the head that taught itself on unlabelled training images of `new`."""
    how = CHOSEN[old, new].teaching
    if how is None:
        raise ValueError(f"no self-training was chosen for what {old} teaches {new}")
    features = atlas.means("raw")
    start = robust(atlas, old, new, seed, "train")
    head = self_trained(start, features[atlas.rows("train", new)], how)
    return head(features[atlas.rows(split, new)])


def figure(interval: Interval, count: int) -> dict[str, Any]:
    """A figure with its interval and the number of images."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": count}


def transfer_rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines of the lab's page for the transfer table."""
    return [
        _row(pair, way, held)
        for pair, held in table.items()
        for way in ("after", "taught itself")
        if way in held
    ]


NOTES = {"after": "no image of the hospital that is read", "taught itself": "its unlabelled training images"}


def _row(pair: str, way: str, held: Mapping[str, Any]) -> dict[str, Any]:
    old, new = pair.split(" to ")
    gain = held[f"{way}, gain"]
    used = NOTES["taught itself" if way != "after" or CHOSEN[old, new].uses_unlabelled else "after"]
    seeds = ", ".join(f"{one['value']:.3f}" for one in held[f"{way}, by seed"])
    said = "" if way == "after" else ", taught itself"
    return {
        "what": f"AUC, taught at {old}, read at {new}{said}",
        "figure": held[way],
        "baseline": held["before"],
        "baseline_name": FLOOR_NAME,
        "goal": "above the floor" if old != new else "not below the floor",
        "met": gain["value"] > 0 if old != new else gain["upper"] >= 0,
        "note": f"gain {gain['value']:+.3f} ({gain['lower']:+.3f} to {gain['upper']:+.3f}); seeds {seeds}"
        + (f"; uses {used}" if old != new else ""),
    }
