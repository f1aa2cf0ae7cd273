"""Fitting the blend: heads on training patients, shares and lines on validation patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

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
"""Inverse penalty of the heads on nine fields; chosen by patient folds, undisturbed and disturbed."""

CHILD_STRENGTH = 0.01
"""Inverse penalty of the switch: adults and small children are told apart without an error at any."""

SWITCH = 3.0
"""The switch's score is stretched by this, so that it stands at one end for nearly every patient."""

DISTURBED = (1, 2)
"""Seeds of the disturbed looks that the switch learns from beside the plain one."""

TRUNKS = {"soft": "plain", "sharp": "imagenet"}
"""The trunk as it came, behind the low pass and without it, as an atlas calls them."""


@dataclass(frozen=True)
class Parts:
    """Scores [image] of the parts on all images of an atlas (see `Atlas.scored`).

    Attributes
    ----------
    tuned
        Of the tuned network.
    fields
        Of the heads on nine fields for each source, "soft" and "sharp".
    """

    tuned: Float
    fields: dict[str, dict[str, Float]]


def field_head(atlas: Atlas, site: str, trunk: str, strength: float = STRENGTH) -> Head:
    """Fit a head on nine fields of the trunk as it came at one hospital, views and labels even.

    It is taught on undisturbed images: the last block, unlike the finest level, stands noise without lessons
    in it, and heads taught on disturbed images too lose a hundredth of the area by patient folds.
    """
    rows = atlas.rows("train", site)
    return fit_head(
        atlas.fields("plain", trunk)[rows], atlas.truth(rows), balanced(atlas.some(rows)), strength
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
    tuned = atlas.scored(tuned_head(net), partial(atlas.means, trunk="tuned"))
    heads = {site: _heads(atlas, site) for site in ("nih", "paediatric")}
    parts = Parts(tuned, {site: scored_fields(atlas, own) for site, own in heads.items()})
    adult, child = (_group(atlas, parts, site, own) for site, own in heads.items())
    return Mixture(adult, child, child_head(atlas)), parts


def _heads(atlas: Atlas, site: str) -> dict[str, Head]:
    return {name: field_head(atlas, site, trunk) for name, trunk in TRUNKS.items()}


def scored_fields(atlas: Atlas, heads: Mapping[str, Head]) -> dict[str, Float]:
    """Scores [image] of heads on nine fields, by the name that they have in `TRUNKS`."""
    return {
        name: atlas.scored(head, partial(atlas.fields, trunk=TRUNKS[name])) for name, head in heads.items()
    }


def _group(atlas: Atlas, parts: Parts, site: str, heads: Mapping[str, Head]) -> Group:
    """Equal shares in units of spread, and Platt's line, on one source's validation patients.

    The two heads on fields make one score, and that and the tuned trunk's another. With about a hundred adult
    validation images a fitted share would be noise: equal shares were fixed. The line is that of the source's
    share of sick among training and validation patients together.
    """
    rows = atlas.rows("val", site)
    tuned, fields = parts.tuned[rows], {name: score[rows] for name, score in parts.fields[site].items()}
    each = {name: 1 / float(score.std()) for name, score in fields.items()}
    frozen = np.sum([each[name] * score for name, score in fields.items()], axis=0)
    known = atlas.some(np.concatenate([atlas.rows("train", site), rows]))
    weight = case_weights(atlas.some(rows), sick_shares(known))
    curve = fit_platt(atlas.truth(rows), tuned / tuned.std() + frozen / frozen.std(), weight)
    folded = {name: _times(heads[name], curve.slope * each[name] / float(frozen.std())) for name in heads}
    soft = replace(folded["soft"], bias=folded["soft"].bias + curve.intercept)
    return Group(float(curve.slope / tuned.std()), soft, folded["sharp"])


def _times(head: Head, factor: float) -> Head:
    return Head(head.weight * factor, float(head.bias * factor))


def log_odds(mixture: Mixture, parts: Parts, atlas: Atlas) -> Float:
    """The reader's log-odds [image] from what the trunks saw (see `Atlas.scored`)."""
    child = 1 / (1 + np.exp(-np.clip(mixture.switch(atlas.means("plain", "tuned")), -50, 50)))
    adult_score, child_score = (
        group.tuned_share * parts.tuned + sum(scored_fields(atlas, _folded(group)).values())
        for group in (mixture.adult, mixture.child)
    )
    return np.asarray((1 - child) * adult_score + child * child_score)


def _folded(group: Group) -> dict[str, Head]:
    return {name: head for name in TRUNKS if (head := getattr(group, name))}
