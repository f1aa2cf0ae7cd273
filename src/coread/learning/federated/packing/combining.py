"""One curve and one gate of what the sites said of their validation patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.errors import FederationRefused
from coread.evaluation import sigmoid
from coread.learning.calibrating import as_kept
from coread.readers.chest_radiograph.gate import CLASSES
from coread.readers.uncertainty import Band, Calibration

Float = NDArray[np.float64]

KNOTS = 41
THRESHOLD = 0.5
"""The finding is called where it is more likely than not; not tuned."""

BEYOND = 0.25
"""The curve reaches so much of the scores' range beyond their 5th and 95th percentile."""

CERTAIN = 20.0
"""Log-odds of the class ``chest``: this gate has not learnt the others and judges by distance alone."""


def curve_of(said: Mapping[str, Mapping[str, Any]]) -> Calibration:
    """The curve from score to probability that all sites share.

    Parameters
    ----------
    said
        What `coread.learning.federated.packing.at_site.calibrating` gave, by site.

    Returns
    -------
    Calibration
        The line in log-odds that is the mean of the sites' lines, each counting as its cases. Its interval
        draws a site by its cases, then one of its refits: it covers what sites differ by, and is wider than
        that of any one of them. It abstains nowhere.

    Raises
    ------
    FederationRefused
        If no site has enough validation patients of both kinds.
    """
    lines = {
        site: np.asarray(one["lines"], np.float64) for site, one in sorted(said.items()) if "lines" in one
    }
    if not lines:
        found = "no site with 11 validation cases of either kind"
        raise FederationRefused(
            found, "one at least", "let sites with more patients take part", "calibration"
        )
    cases = np.array([float(said[site]["cases"]) for site in lines])
    share = cases / cases.sum()
    slope, intercept = (float(share @ [line[0][k] for line in lines.values()]) for k in (0, 1))
    if slope <= 0:
        found = f"a mean slope of {slope:.3g}: higher scores mean less"
        raise FederationRefused(found, "a rising line", "look at the sites' labels", "calibration")
    knots = _knots([said[site]["scores"] for site in lines])
    middle = np.asarray(sigmoid(slope * knots + intercept))
    drawn = [sigmoid(line[:, :1] * knots + line[:, 1:]) for line in lines.values()]
    weight = np.concatenate([np.full(len(d), s / len(d)) for d, s in zip(drawn, share, strict=True)])
    lower, upper = _between(np.concatenate(drawn), weight)
    columns = (knots, middle, np.minimum(lower, middle), np.maximum(upper, middle))
    score, probability, low, high = (tuple(np.round(column, 6).tolist()) for column in columns)
    english, chinese = _told(len(lines), int(cases.sum()))
    return Calibration(
        score, probability, low, high, english, Band(THRESHOLD, THRESHOLD), calibrated_on_zh=chinese
    )


def _told(sites: int, cases: int) -> tuple[str, str]:
    return (
        f"validation patients of {sites} sites of a federation, {cases} images; fitted at each site",
        f"联邦中 {sites} 家医院的验证患者，共 {cases} 幅图像；由各院分别拟合",
    )


def _knots(ranges: list[list[float]]) -> Float:
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    more = BEYOND * max(high - low, 1e-3)
    return np.linspace(low - more, high + more, KNOTS)


def _between(drawn: Float, weight: Float) -> tuple[Float, Float]:
    """Weighted 2.5th and 97.5th percentile of each column."""
    order = np.argsort(drawn, axis=0)
    rising = np.take_along_axis(drawn, order, axis=0)
    mass = np.cumsum(weight[order], axis=0)
    places = [(mass >= level - 1e-12).argmax(0) for level in (0.025, 0.975)]
    low, high = (np.take_along_axis(rising, place[None], axis=0)[0] for place in places)
    return low, high


def gate_of(said: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The reader's gate, by distance from the nearest site alone.

    A direction counts with the widest site's deviation, so that no image lies further off than at its own
    site, where the reach was measured.

    Raises
    ------
    FederationRefused
        If no site has enough images.
    """
    held = [one["gate"] for _, one in sorted(said.items()) if one.get("gate")]
    if not held:
        raise FederationRefused("no site with 11 images", "one at least", "", "gate")
    scale = np.max([one["scale"] for one in held], axis=0)
    centres = np.asarray([one["mean"] for one in held]) / scale
    features = len(scale)
    return {
        "mean": np.zeros(features).tolist(),
        "scale": scale.tolist(),
        "weight": np.zeros((features, len(CLASSES))).tolist(),
        "bias": [CERTAIN, *[0.0] * (len(CLASSES) - 1)],
        "axes": np.eye(features).tolist(),
        "centres": centres.tolist(),
        "least_chest": 0.0,
        "most_distance": max(float(one["reach"]) for one in held),
    }


def kept_curve(curve: Calibration) -> dict[str, Any]:
    """The curve as ``calibration.json`` holds it."""
    return {**as_kept(curve), "threshold": THRESHOLD}
