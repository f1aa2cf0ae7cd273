"""Self-training: a head from one hospital teaches itself on unlabelled radiographs of another.

It says of which images of the new hospital it is surest, is fitted anew on those as if they were labelled,
and so on with more of them each time. **No label of the new hospital is used, but its unlabelled training
images are.** What it finds is the direction along which the new hospital's images differ most like the
disease: if the first scores are better than chance it ends far above them, if they are worse, far below. It
has no way to tell which of the two happened; whoever uses it needs some labelled images to look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.learning.chest.sites.heads import Head, fit_head

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Teaching:
    """How a head teaches itself.

    Attributes
    ----------
    rounds
        Times that it is fitted anew.
    first_share
        Share of the images taken as well, and as sick, in the first round; in the last it is half.
    strength
        Inverse penalty of each fit.

    Notes
    -----
    Pseudo-labels of the surest: Lee, ICML workshop 2013; why rounds with a growing share bear a shift that
    one step does not: Kumar, Ma & Liang, ICML 2020, arXiv:2002.11361.
    """

    rounds: int = 8
    first_share: float = 0.1
    strength: float = 0.0001

    def share(self, number: int) -> float:
        """Share of the images taken from either end in a round, 0 to `rounds` - 1."""
        return self.first_share + (0.5 - self.first_share) * number / max(1, self.rounds - 1)


def self_trained(scores: ArrayLike, features: ArrayLike, how: Teaching) -> Head:
    """Teach a head on unlabelled images of the new hospital.

    Parameters
    ----------
    scores
        Of the old hospital's head, on the unlabelled images, [n].
    features
        What the trunk saw of them, [n, d].
    how
        See `Teaching`.

    Returns
    -------
    Head
        For features of the new hospital.
    """
    said, seen = np.asarray(scores, dtype=np.float64), np.asarray(features, dtype=np.float64)
    if len(said) < 2 * seen.ndim or np.ptp(said) == 0:
        raise ValueError("self-training needs several images and scores that differ")
    for number in range(how.rounds):
        low, high = np.quantile(said, [how.share(number), 1 - how.share(number)])
        sure = (said <= low) | (said >= high)
        head = fit_head(seen[sure], said[sure] >= high, strength=how.strength)
        said = head(seen)
    return head
