"""STAPLE: the hidden true outline and each reader's performance, estimated together.

Warfield, Zou & Wells, IEEE Trans Med Imaging 2004, doi:10.1109/TMI.2004.828354.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]

ROUNDS = 60
SETTLED = 1e-5
"""Largest change of any performance at which the estimate is done."""


@dataclass(frozen=True, eq=False)
class Fused:
    """What STAPLE estimates.

    Attributes
    ----------
    probability
        Of lying inside the true outline, of the shape of one mask.
    sensitivity, specificity
        Of each reader, [reader].
    """

    probability: Float
    sensitivity: Float
    specificity: Float


def staple(masks: NDArray[np.bool_], prior: float | None = None) -> Fused:
    """Fuse the masks of several readers of one nodule.

    Parameters
    ----------
    masks
        bool [reader, ...]: a slice, or all slices of one nodule.
    prior
        Share of pixels that is truly inside; the readers' mean share if left out.

    Returns
    -------
    Fused
        Pixels that all readers left out keep nearly 0, also where only one reader ever marks anything.

    Notes
    -----
    The estimate looks only at pixels within reach of some mask (2 pixels round their bounding box), because
    a large empty background drives every specificity to 1 (Asman & Landman, IEEE TMI 2011,
    doi:10.1109/TMI.2011.2147795).

    *Assumes* readers who err independently.
    """
    reach = reach_of(masks)
    votes = masks[(slice(None), *reach)].reshape(len(masks), -1).astype(np.float64)
    share = float(votes.mean()) if prior is None else prior
    sensitivity, specificity = np.full(len(votes), 0.9), np.full(len(votes), 0.9)
    inside = _inside(votes, sensitivity, specificity, share)
    for _ in range(ROUNDS):
        before = np.r_[sensitivity, specificity]
        sensitivity = (votes @ inside + 1e-3) / (inside.sum() + 2e-3)
        specificity = ((1 - votes) @ (1 - inside) + 1e-3) / ((1 - inside).sum() + 2e-3)
        inside = _inside(votes, sensitivity, specificity, share)
        if np.abs(np.r_[sensitivity, specificity] - before).max() < SETTLED:
            break
    probability = np.zeros(masks.shape[1:])
    probability[reach] = inside.reshape(probability[reach].shape)
    return Fused(probability, sensitivity, specificity)


def _inside(votes: Float, sensitivity: Float, specificity: Float, prior: float) -> Float:
    """Posterior of each pixel, [pixel]."""
    yes = np.log(prior + 1e-12) + votes.T @ np.log(sensitivity) + (1 - votes.T) @ np.log(1 - sensitivity)
    no = np.log(1 - prior + 1e-12) + votes.T @ np.log(1 - specificity) + (1 - votes.T) @ np.log(specificity)
    return np.asarray(1 / (1 + np.exp(np.clip(no - yes, -60, 60))))


def reach_of(masks: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Bounding box of all masks, widened by two; everything where nothing is marked."""
    places = np.argwhere(masks.any(0))
    if not len(places):
        return tuple(slice(0, size) for size in masks.shape[1:])
    low, high = np.maximum(places.min(0) - 2, 0), places.max(0) + 3
    return tuple(slice(int(first), int(last)) for first, last in zip(low, high, strict=True))
