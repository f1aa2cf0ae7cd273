"""Probability and abstention of the chest reader, all from validation patients.

Both sources count alike, however many images each has: the clinic may be either. In each, the sick have the
share that they have among training and validation patients together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import fit_platt, patient_weights
from coread.learning.calibrating import AbstentionGoal, knotted
from coread.learning.chest.cohort import Radiograph
from coread.readers.uncertainty import Calibration

Float = NDArray[np.float64]

RESAMPLES = 200
"""Refits of the calibration curve: enough for a 95 % percentile interval to two digits."""

THRESHOLD = 0.5
"""Opacity is called where it is more likely than not. Looked at on validation patients but not tuned there:
with 101 adults the best sum of sensitivity and specificity lay anywhere from 0.25 to 0.83, within noise."""

KNOTS = 61
"""Knots of the shipped curve over the range of the validation scores; linear between them to within 0.002."""

GOAL = AbstentionGoal(error=0.10, most_abstained=0.25, threshold=THRESHOLD)
"""Shares are means of the sources; abstaining on more than a quarter, the reader would be of no use."""

CALIBRATED_ON = (
    "validation split: NIH ChestX-ray14 adults and Guangzhou children, equal weight per source",
    "验证集：NIH ChestX-ray14 成人与广州儿童，两来源权重相等",
)


def fit_calibration(
    judges: Sequence[Radiograph],
    logits: NDArray[np.floating],
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[Calibration, float]:
    """Fit the curve and choose the band.

    Parameters
    ----------
    judges
        Radiographs of the validation split.
    logits
        Of those, [n].
    shares
        Share of the sick in each source that the probability shall hold for; that of the judges if left out.
    seed
        Seed of the bootstrap.

    Returns
    -------
    (Calibration, float)
        The curve with the 95 % interval of its patient bootstrap and the abstention band; the threshold.

    Notes
    -----
    Curve: Platt scaling. Band: the narrowest one, symmetric in log-odds around `THRESHOLD`, that meets
    `GOAL` (selective classification: El-Yaniv & Wiener, JMLR 2010,
    11:1605-1641).
    """
    truth = np.array([item.opacity for item in judges])
    weight = case_weights(judges, shares or sick_shares(judges))
    curve = fit_platt(truth, logits, weight)
    band = GOAL.band(GOAL.reach(truth, curve(logits), weight))
    drawn = patient_weights([item.patient for item in judges], RESAMPLES, seed)
    refits = [fit_platt(truth, logits, row * weight) for row in drawn]
    knots = np.linspace(float(logits.min()), float(logits.max()), KNOTS)
    return knotted(curve, refits, knots, band, CALIBRATED_ON), THRESHOLD


def sick_shares(items: Sequence[Radiograph]) -> dict[str, float]:
    """Share of the sick in each source."""
    sites = sorted({item.site for item in items})
    return {site: float(np.mean([i.opacity for i in items if i.site == site])) for site in sites}


def case_weights(items: Sequence[Radiograph], shares: Mapping[str, float]) -> Float:
    """Weight [n], mean 1, by which every source counts alike and has this share of sick.

    Parameters
    ----------
    items
        Radiographs, of each source both sick and well.
    shares
        Wanted share of the sick by source.

    Notes
    -----
    A hundred validation images fix the share of the sick to within ten points only, and the curve's offset
    follows it. Training and validation images of the source together know it better (prior correction:
    Saerens, Latinne & Decaestecker, Neural Comput. 2002, doi:10.1162/089976602753284446).
    """
    own, sizes = sick_shares(items), Counter(item.site for item in items)
    each = [
        (shares[i.site] / own[i.site] if i.opacity else (1 - shares[i.site]) / (1 - own[i.site]))
        / sizes[i.site]
        for i in items
    ]
    return np.asarray(np.array(each) * len(items) / len(sizes))
