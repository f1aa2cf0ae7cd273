"""Fitting the blend: heads on training patients, shares and lines on validation patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import fit_platt
from coread.learning.chest.calibrating import case_weights, sick_shares
from coread.learning.chest.sites.atlas import MEANS, Atlas, Rows
from coread.learning.chest.sites.blend import Group, Mixture
from coread.learning.chest.sites.heads import Head, balanced, fit_head
from coread.learning.chest.transfer import ChestNet

Float = NDArray[np.float64]

STRENGTH = 0.001
"""Inverse penalty of the plain heads; chosen on validation patients, plain and disturbed."""

CHILD_STRENGTH = 0.01
"""Inverse penalty of the switch: adults and small children are told apart without an error at any."""

SWITCH = 3.0
"""The switch's score is stretched by this, so that it stands at one end for nearly every patient."""

DISTURBED = (1, 2)
"""Seeds of the disturbed looks that the plain heads and the switch learn from beside the plain one."""


@dataclass(frozen=True)
class Parts:
    """Scores [image] of the two trunks on all images of an atlas (see `Atlas.scored`).

    Attributes
    ----------
    tuned
        Of the tuned network.
    plain
        Of the plain trunk's head for each source.
    """

    tuned: Float
    plain: dict[str, Float]


def plain_head(atlas: Atlas, site: str, strength: float = STRENGTH) -> Head:
    """Fit the head of the trunk as it came at one hospital, plain and disturbed, views and labels even."""
    rows, times = atlas.rows("train", site), 1 + len(DISTURBED)
    weight = balanced(atlas.some(rows)) / times
    return fit_head(
        _looks(atlas, rows, "plain"), np.tile(atlas.truth(rows), times), np.tile(weight, times), strength
    )


def _looks(atlas: Atlas, rows: Rows, trunk: str) -> NDArray[np.float32]:
    """What a trunk sees of training images, plain and then disturbed, [look * image, 1432]."""
    among = np.isin(atlas.rows("train"), rows)
    disturbed = [atlas.means(f"disturbed {seed}", trunk)[among] for seed in DISTURBED]
    return np.concatenate([atlas.means("plain", trunk)[rows], *disturbed])


def tuned_head(net: ChestNet) -> Head:
    """The tuned network's own head, on its mean responses (those of the levels count nothing)."""
    weight = net.head.weight.detach().numpy().astype(np.float64)[0]
    return Head(np.concatenate([weight, np.zeros(MEANS - len(weight))]), float(net.head.bias.detach()))


def child_head(atlas: Atlas) -> Head:
    """Fit the switch between adults and small children on the tuned trunk's features, plain and disturbed.

    Taught on plain images alone it takes noise for childhood: at a twentieth of the range as standard
    deviation over three quarters of the validation adults were read with the children's head.
    """
    rows = atlas.rows("train")
    truth = np.array([item.site == "paediatric" for item in atlas.some(rows)])
    learnt = _looks(atlas, rows, "tuned")
    head = fit_head(learnt, np.tile(truth, 1 + len(DISTURBED)), strength=CHILD_STRENGTH)
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
    heads = {site: plain_head(atlas, site) for site in ("nih", "paediatric")}
    tuned = atlas.scored(tuned_head(net), "tuned")
    parts = Parts(tuned, {site: atlas.scored(head, "plain") for site, head in heads.items()})
    adult, child = (_group(atlas, parts, site, heads[site]) for site in heads)
    return Mixture(adult, child, child_head(atlas)), parts


def _group(atlas: Atlas, parts: Parts, site: str, head: Head) -> Group:
    """Equal shares of the two scores in units of their spread, and Platt's line, on one source's validation.

    With about a hundred adult validation images a fitted share would be noise: equal shares were fixed. The
    line is that of the source's share of sick among training and validation patients together.
    """
    rows = atlas.rows("val", site)
    tuned, plain = parts.tuned[rows], parts.plain[site][rows]
    shares = 1 / tuned.std(), 1 / plain.std()
    known = atlas.some(np.concatenate([atlas.rows("train", site), rows]))
    weight = case_weights(atlas.some(rows), sick_shares(known))
    curve = fit_platt(atlas.truth(rows), shares[0] * tuned + shares[1] * plain, weight)
    part = shares[1] * curve.slope
    return Group(
        float(shares[0] * curve.slope), Head(head.weight * part, float(head.bias * part + curve.intercept))
    )


def log_odds(mixture: Mixture, parts: Parts, atlas: Atlas) -> Float:
    """The reader's log-odds [image] from what the trunks saw (see `Atlas.scored`)."""
    child = 1 / (1 + np.exp(-np.clip(mixture.switch(atlas.means("plain", "tuned")), -50, 50)))
    adult_score, child_score = (
        group.tuned_share * parts.tuned + atlas.scored(group.plain, "plain")
        for group in (mixture.adult, mixture.child)
    )
    return np.asarray((1 - child) * adult_score + child * child_score)
