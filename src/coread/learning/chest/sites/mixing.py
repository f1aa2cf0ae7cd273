"""Fitting the blend: heads on training patients, shares and lines on validation patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from coread.evaluation import fit_platt
from coread.learning.chest.calibrating import source_weights
from coread.learning.chest.sites.atlas import MEANS, Atlas, Rows
from coread.learning.chest.sites.blend import Mixture
from coread.learning.chest.sites.heads import Head, balanced, fit_head
from coread.learning.chest.transfer import ChestNet

Float = NDArray[np.float64]

STRENGTH = 0.003
"""Inverse penalty of the plain head; chosen by patient folds of the training images."""

CHILD_STRENGTH = 0.01
"""Inverse penalty of the switch: adults and small children are told apart without an error at any."""

SWITCH = 3.0
"""The switch's score is stretched by this, so that it stands at one end for nearly every patient."""

DISTURBED = (1,)
"""Seeds of the disturbed looks that the plain head learns from beside the plain one."""


@dataclass(frozen=True)
class Parts:
    """Scores [image] of the two trunks on all images of an atlas (see `Atlas.scored`)."""

    tuned: Float
    plain: Float


def plain_head(atlas: Atlas, strength: float = STRENGTH, seeds: tuple[int, ...] = DISTURBED) -> Head:
    """Fit the head of the trunk as it came, plain and disturbed, views and labels even."""
    rows = atlas.rows("train")
    looks = [atlas.means("plain")[rows], *(atlas.means(f"disturbed {seed}") for seed in seeds)]
    weight = balanced(atlas.some(rows)) / len(looks)
    truth, times = atlas.truth(rows), len(looks)
    return fit_head(np.concatenate(looks), np.tile(truth, times), np.tile(weight, times), strength)


def tuned_head(net: ChestNet) -> Head:
    """The tuned network's own head, on its mean responses (those of the levels count nothing)."""
    weight = net.head.weight.detach().numpy().astype(np.float64)[0]
    return Head(np.concatenate([weight, np.zeros(MEANS - len(weight))]), float(net.head.bias.detach()))


def child_head(atlas: Atlas) -> Head:
    """Fit the switch between adults and small children on the tuned trunk's features."""
    rows = atlas.rows("train")
    truth = np.array([item.site == "paediatric" for item in atlas.some(rows)])
    head = fit_head(atlas.means("plain", "tuned")[rows], truth, strength=CHILD_STRENGTH)
    return Head(head.weight * SWITCH, head.bias * SWITCH)


def mix(atlas: Atlas, net: ChestNet) -> tuple[Mixture, Parts]:
    """Fit everything.

    Parameters
    ----------
    atlas
        Of the cohort, with the tuned network.
    net
        The tuned network.

    Returns
    -------
    (Mixture, Parts)
        For the blend; and the parts' scores.
    """
    head = plain_head(atlas)
    parts = Parts(atlas.scored(tuned_head(net), "tuned"), atlas.scored(head))
    judges = atlas.rows("val")
    shares, offset = stacked(atlas, parts, judges)
    raw = shares[0] * parts.tuned + shares[1] * parts.plain + offset
    lines = [_line(atlas, raw, site) for site in ("nih", "paediatric")]
    return Mixture(head, shares[0], shares[1], offset, child_head(atlas), lines[0], lines[1]), parts


def stacked(atlas: Atlas, parts: Parts, judges: Rows) -> tuple[tuple[float, float], float]:
    """Shares of the two parts and an offset: each part counts alike in units of its own spread.

    With about a hundred adult validation images a fitted share would be noise; equal shares of standardised
    scores are fixed beforehand, and only the common slope is fitted.
    """
    spreads = [float(score[judges].std()) for score in (parts.tuned, parts.plain)]
    joint = (parts.tuned[judges] / spreads[0] + parts.plain[judges] / spreads[1]) / 2
    model = LogisticRegression(C=1e3).fit(
        joint[:, None], atlas.truth(judges), sample_weight=source_weights(atlas.some(judges))
    )
    slope = float(model.coef_[0, 0])
    return (slope / 2 / spreads[0], slope / 2 / spreads[1]), float(model.intercept_[0])


def _line(atlas: Atlas, raw: Float, site: str) -> tuple[float, float]:
    """Slope and offset of the log-odds of one source, by Platt's method on its validation patients."""
    rows = atlas.rows("val", site)
    curve = fit_platt(atlas.truth(rows), raw[rows])
    return curve.slope, curve.intercept


def log_odds(mixture: Mixture, parts: Parts, atlas: Atlas) -> Float:
    """The reader's log-odds [image] from its parts' scores."""
    raw = mixture.tuned_share * parts.tuned + mixture.plain_share * parts.plain + mixture.offset
    switch = 1 / (1 + np.exp(-np.clip(mixture.child(atlas.means("plain", "tuned")), -50, 50)))
    slope, offset = (
        switch * child + (1 - switch) * adult
        for child, adult in zip(mixture.child_line, mixture.adult_line, strict=True)
    )
    return np.asarray(slope * raw + offset)
