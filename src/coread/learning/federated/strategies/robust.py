"""Aggregates that a few false sites cannot move far; they need to see each site's update.

Median and trimmed mean: Yin et al., ICML 2018, arXiv:1803.01498. Krum: Blanchard et al., NeurIPS 2017
(arXiv:1703.02757). With secure aggregation the coordinator sees one sum only, so that none can be joined
with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from coread.learning.federated.strategies.arrays import flat
from coread.learning.federated.strategies.averaging import Aggregate, by_weight
from coread.learning.federated.task import Parameters, Update


def _stacked(updates: Mapping[str, Update], name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.stack([np.asarray(updates[s].parameters[name], np.float64) for s in sorted(updates)])


def median(updates: Mapping[str, Update], weights: Mapping[str, float]) -> Parameters:
    """Median of each number over the sites; weights play no part."""
    names = next(iter(updates.values())).parameters
    return {name: np.median(_stacked(updates, name), axis=0).astype(np.float32) for name in names}


def trimmed_mean(share: float) -> Aggregate:
    """Mean of each number without the greatest and least `share` of the sites (rounded up, each side).

    Raises
    ------
    ValueError
        If the share is not in 0..0.5, or, when used, if nothing would be left.
    """
    if not 0 <= share < 0.5:
        raise ValueError(f"a share to trim lies in 0..0.5, found {share}")

    def aggregate(updates: Mapping[str, Update], weights: Mapping[str, float]) -> Parameters:
        cut = int(np.ceil(share * len(updates)))
        if 2 * cut >= len(updates):
            raise ValueError(f"trimming {cut} of {len(updates)} sites on each side leaves none")
        names = next(iter(updates.values())).parameters
        return {
            name: np.sort(_stacked(updates, name), axis=0)[cut : len(updates) - cut]
            .mean(0)
            .astype(np.float32)
            for name in names
        }

    return aggregate


def krum(faulty: int, keep: int = 1) -> Aggregate:
    """Mean of the `keep` updates that lie nearest to their nearest others (multi-Krum for more than 1).

    Parameters
    ----------
    faulty
        Most sites that may be false; of n sites, n - faulty - 2 nearest others are looked at.
    keep
        Updates that are averaged.
    """

    def aggregate(updates: Mapping[str, Update], weights: Mapping[str, float]) -> Parameters:
        names = sorted(updates)
        near = len(names) - faulty - 2
        if near < 1:
            raise ValueError(f"Krum with {faulty} false sites needs {faulty + 3} sites, found {len(names)}")
        rows = np.stack([flat(updates[name].parameters) for name in names])
        apart = ((rows[:, None] - rows[None]) ** 2).sum(2)
        score = np.sort(apart, axis=1)[:, 1 : near + 1].sum(1)
        chosen = [names[index] for index in np.argsort(score, kind="stable")[:keep]]
        return by_weight({name: updates[name] for name in chosen}, weights)

    return aggregate
