"""What an update must be before it is averaged: the right names and shapes, finite, and no giant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from coread.learning.federated.strategies.arrays import difference, length
from coread.learning.federated.task import Parameters, Update

GIANT = 10.0
"""An update so many times as long as the median one is left out; a site whose training ran away or that
multiplies what it sends is hundreds of times as long, unlike sites in our studies at most 3 times."""


def faults_of(update: Update, reference: Parameters) -> tuple[str, ...]:
    """What is wrong with one update by itself; empty if nothing.

    Parameters
    ----------
    update
        As it came.
    reference
        The federation's parameters, for names and shapes.
    """
    if set(update.parameters) != set(reference):
        odd = sorted(set(update.parameters) ^ set(reference))
        return (f"names differ: {', '.join(odd[:3])}",)
    shapes = [n for n, held in reference.items() if np.shape(update.parameters[n]) != held.shape]
    if shapes:
        return (f"shapes differ: {', '.join(shapes[:3])}",)
    arrays = {**update.parameters, **update.extra}
    broken = [name for name, held in arrays.items() if not np.isfinite(held).all()]
    faults = [f"not finite: {', '.join(broken[:3])}"] if broken else []
    return (*faults, "no examples") if update.examples < 1 else tuple(faults)


def sound(
    updates: Mapping[str, Update], reference: Parameters, giant: float = GIANT
) -> tuple[dict[str, Update], dict[str, tuple[str, ...]]]:
    """Divide updates into those to average and those to leave out, with the reasons.

    Parameters
    ----------
    updates
        By site.
    reference
        The parameters that the sites began with.
    giant
        Longest change that is let in, in medians of all sites' changes; needs three sites or more.
    """
    faults = {name: found for name, one in updates.items() if (found := faults_of(one, reference))}
    kept = {name: one for name, one in updates.items() if name not in faults}
    lengths = {name: length(difference(one.parameters, reference)) for name, one in kept.items()}
    if len(lengths) >= 3:
        limit = giant * float(np.median(list(lengths.values())))
        for name, size in lengths.items():
            if size > limit > 0:
                faults[name] = (f"change of length {size:.3g}, expected at most {limit:.3g}",)
    return {name: one for name, one in kept.items() if name not in faults}, faults
