"""Named steps that make radiographs of two hospitals alike in grey before a trunk sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.faithfulness import blurred
from coread.learning.chest.cohort import Radiograph, grey
from coread.readers.chest_radiograph.preprocess import anatomy, window

Float = NDArray[np.floating]
Grey = NDArray[np.uint8]
Change = Callable[[Grey], Float]

QUANTILES = np.linspace(0, 1, 65)
"""Places of the reference grey curve; 64 steps follow it to a grey level."""


def reference_curve(items: Sequence[Radiograph]) -> Float:
    """Mean grey quantiles [65] of windowed radiographs: what every image is matched to."""
    curves = [np.quantile(window(anatomy(grey(item.path).astype(np.float32))), QUANTILES) for item in items]
    return np.asarray(np.mean(curves, axis=0))


def matched(curve: Float) -> Change:
    """Histogram matching to a reference curve: gamma, window and film curve of the source are undone."""

    def change(image: Grey) -> Float:
        plain = window(anatomy(image.astype(np.float32)))
        own = np.maximum.accumulate(np.quantile(plain, QUANTILES) + np.arange(len(QUANTILES)) * 1e-6)
        return np.asarray(np.interp(plain, own, curve), dtype=np.float32)

    return change


def local(image: Grey) -> Float:
    """Local contrast: each pixel less the mean of its surroundings, over their deviation."""
    plain = anatomy(image.astype(np.float32)).astype(np.float64)
    reach = max(plain.shape) // 8
    mean = blurred(plain, reach)
    spread = np.sqrt(np.maximum(blurred(plain * plain, reach) - mean * mean, 0)) + 8.0
    return np.asarray(np.clip((plain - mean) / spread, -3, 3), dtype=np.float32)


def central(image: Grey) -> Float:
    """The middle 84 % of each side: markers, shoulders and collimator edges are mostly gone."""
    plain = anatomy(image.astype(np.float32))
    rows, columns = (round(size * 0.08) for size in plain.shape)
    return np.asarray(
        plain[rows : plain.shape[0] - rows, columns : plain.shape[1] - columns], dtype=np.float32
    )
