"""What the frozen trunk sees of an image set, computed once and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coread.learning.backbone import HEAD, Early, Store, computed
from coread.learning.backbone.probing import Pooled
from coread.learning.backbone.trunk import pretrained
from coread.learning.uncertainty.images import SIDE, ImageSet, as_input

Float = NDArray[np.float64]

TAPS = (4, 10)
"""Blocks whose pooled responses stand before the last features: texture, before it means anything."""

LAST = 1280
"""Number of features of the last layer, the last columns."""


class Looker:
    """A frozen trunk that remembers what it saw.

    Parameters
    ----------
    folder
        Where features are kept; a stopped run is gone on from.
    channels
        1 for grey, 3 for colour.
    """

    def __init__(self, folder: Path, channels: int) -> None:
        self._folder, self._channels = folder, channels
        self._net = Pooled(Early(pretrained(channels), HEAD, TAPS).eval().requires_grad_(False))

    def __call__(self, images: ImageSet, say: Callable[[float], None] | None = None) -> Float:
        """Features of a set, float64 [image, feature]: of `TAPS` first, of the last layer last."""
        recipe = {"side": SIDE, "taps": list(TAPS), "channels": self._channels, "images": len(images.loads)}
        store = Store(self._folder, f"{images.name}-{images.split}-{self._channels}", recipe)
        held = computed(
            self._net, lambda i: as_input(images.loads[i](), self._channels), len(images.loads), store, say
        )
        return np.asarray(held, dtype=np.float64)
