"""The gate: whether an image is one that this reader may be asked about, and if not, why not.

Three questions in order of cost: what the header says, what the grey values say, and what the network's own
features say. Each answer is a coded reason or None; a refusal is an ordinary outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.domain.reading import Reason
from coread.readers.chest_radiograph.preprocess import anatomy

Float = NDArray[np.floating]

MODALITIES = frozenset({"CR", "DX"})
"""Modality (0008,0060) of a projection radiograph, PS3.3 C.7.3.1.1.1."""

FRONTAL_VIEWS = frozenset({"", "AP", "PA"})
"""View Position (0018,5101), PS3.3 C.8.1.1 and C.8.11.5; empty is left to the pixels."""

CHEST_WORDS = ("CHEST", "THORAX", "LUNG")
"""Words of Body Part Examined (0018,0015) that mean the chest, PS3.16 annex L."""

GREY_KINDS = frozenset({"", "MONOCHROME1", "MONOCHROME2"})
"""Photometric Interpretation (0028,0004) with one grey channel, PS3.3 C.7.6.3.1.2."""

MIN_SIDE_PX = 200
"""Fewest rows and columns: the smallest training images have 224."""

MIN_LEVELS = 24
"""Fewest different grey levels: the poorest training image has more than twice as many."""

MAX_TOP_SHARE = 0.30
"""Largest share of anatomy at the very highest value."""

MAX_BOTTOM_SHARE = 0.45
"""Largest share of anatomy at the very lowest value."""

ARRAYS = ("mean", "scale", "weight", "bias", "axes", "centres")
"""Arrays of a feature head, as its file names them."""

CLASSES = ("chest", "inverted", "turned", "foreign")
"""What the feature head tells apart."""

_TEXTS = {
    "not-radiograph": (
        "The image is not a projection radiograph (Modality is not CR or DX).",
        "图像不是X线摄影（Modality 不是 CR 或 DX）。",
    ),
    "not-greyscale": ("The image is not a single-channel greyscale image.", "图像不是单通道灰度图像。"),
    "not-frontal-view": (
        "The header names a view other than PA or AP.",
        "头信息所示投照体位不是正位（PA 或 AP）。",
    ),
    "other-body-part": (
        "The header names a body part other than the chest.",
        "头信息所示检查部位不是胸部。",
    ),
    "too-small": ("The image has too few rows or columns.", "图像行数或列数过少。"),
    "not-finite": ("The image holds values that are not numbers.", "图像含有非数值像素。"),
    "flat": ("The image is empty or has too few grey levels.", "图像为空或灰阶过少。"),
    "clipped": ("Too much of the image is saturated.", "图像饱和（截断）区域过大。"),
    "inverted": (
        "The grey scale looks inverted; check the photometric interpretation.",
        "灰度似乎反转；请核对光度解释（Photometric Interpretation）。",
    ),
    "turned": ("The image looks rotated by 90 or 180 degrees.", "图像似乎旋转了90度或180度。"),
    "not-frontal-chest": (
        "The image does not look like a frontal chest radiograph.",
        "图像看起来不是正位胸片。",
    ),
    "out-of-distribution": (
        "The image is unlike the radiographs that this reader was trained on.",
        "图像与本阅片器的训练胸片差异过大。",
    ),
}

REASONS = {code: Reason(code, text, text_zh) for code, (text, text_zh) in _TEXTS.items()}
"""Every reason that this gate can give, by code."""

_OF_CLASS = {"inverted": "inverted", "turned": "turned", "foreign": "not-frontal-chest"}


@dataclass(frozen=True)
class FeatureHead:
    """The part of the gate that looks through the network.

    Attributes
    ----------
    mean, scale
        Of the training features, [feature].
    weight, bias
        Multinomial logistic regression over `CLASSES`, [feature, class] and [class].
    axes
        Principal axes of the training chests, [feature, axis], scaled to unit variance.
    centres
        Mean of each training source in those axes, [source, axis].
    least_chest
        Smallest probability of "chest" that is accepted, chosen on validation patients.
    most_distance
        Largest distance to the nearest source that is accepted, chosen on validation patients.
    """

    mean: Float
    scale: Float
    weight: Float
    bias: Float
    axes: Float
    centres: Float
    least_chest: float
    most_distance: float

    @classmethod
    def of_arrays(cls, held: Mapping[str, NDArray[Any]]) -> FeatureHead:
        """Make a head from the arrays of the bundle's ``gate.npz``."""
        mean, scale, weight, bias, axes, centres = (held[name].astype(np.float32) for name in ARRAYS)
        limits = float(held["least_chest"]), float(held["most_distance"])
        return cls(mean, scale, weight, bias, axes, centres, *limits)

    def probabilities(self, features: Float) -> Float:
        """Probability of each class, [image, class], from features [image, feature]."""
        score = self.standardised(features) @ self.weight + self.bias
        score = np.exp(score - score.max(axis=1, keepdims=True))
        return np.asarray(score / score.sum(axis=1, keepdims=True))

    def distances(self, features: Float) -> Float:
        """Distance [image] to the nearest source's centre, per axis, in standard deviations.

        Mahalanobis distance in the leading principal axes: Lee et al., NeurIPS 2018, arXiv:1807.03888.
        """
        place = self.standardised(features) @ self.axes
        apart = place[:, None, :] - self.centres[None]
        return np.asarray(np.sqrt((apart**2).mean(axis=2)).min(axis=1))

    def standardised(self, features: Float) -> Float:
        """Features [image, feature] with the training's mean 0 and deviation 1."""
        return np.asarray((features - self.mean) / self.scale)


def refusal_by_header(facts: Mapping[str, str]) -> Reason | None:
    """Judge the header alone.

    Parameters
    ----------
    facts
        DICOM keywords to text: Modality, ViewPosition, BodyPartExamined, PhotometricInterpretation, Rows,
        Columns. Absent keys are absent elements; only Modality must be there.

    Returns
    -------
    Reason or None
        Why the image is refused; None if nothing in the header speaks against it.

    Notes
    -----
    *Does not* trust a header that says chest: the pixels are still asked.
    """
    said = {key: value.strip().upper() for key, value in facts.items()}
    body = said.get("BodyPartExamined", "")
    if said.get("Modality") not in MODALITIES:
        return REASONS["not-radiograph"]
    if said.get("PhotometricInterpretation", "") not in GREY_KINDS:
        return REASONS["not-greyscale"]
    if said.get("ViewPosition", "") not in FRONTAL_VIEWS:
        return REASONS["not-frontal-view"]
    if body and not any(word in body for word in CHEST_WORDS):
        return REASONS["other-body-part"]
    sides = [int(said[key]) for key in ("Rows", "Columns") if said.get(key, "").isdigit()]
    return REASONS["too-small"] if sides and min(sides) < MIN_SIDE_PX else None


def refusal_by_grey(display: Float) -> Reason | None:
    """Judge the grey values alone.

    Parameters
    ----------
    display
        Display image [row, column], bright = dense.

    Returns
    -------
    Reason or None
        too-small, not-finite, flat or clipped; None if the grey values are sound.
    """
    if display.ndim != 2 or min(display.shape) < MIN_SIDE_PX:
        return REASONS["too-small"]
    if not np.isfinite(display).all():
        return REASONS["not-finite"]
    if len(np.unique(display[:: _stride(display, 0), :: _stride(display, 1)])) < MIN_LEVELS:
        return REASONS["flat"]
    bottom, top = saturated_shares(display)
    return REASONS["clipped"] if top > MAX_TOP_SHARE or bottom > MAX_BOTTOM_SHARE else None


def saturated_shares(display: Float) -> tuple[float, float]:
    """Shares of the anatomy (flat borders left out) at the lowest and at the highest value, 0..1."""
    low, high = float(display.min()), float(display.max())
    inside = anatomy(display)
    near = (high - low) * 0.002
    return float((inside <= low + near).mean()), float((inside >= high - near).mean())


def refusal_by_features(features: Float, head: FeatureHead) -> Reason | None:
    """Judge what the network saw.

    Parameters
    ----------
    features
        [1, feature] of one image.
    head
        The trained part of the gate.

    Returns
    -------
    Reason or None
        inverted, turned, not-frontal-chest or out-of-distribution; None if it looks like a frontal chest.
    """
    probability = head.probabilities(features)[0]
    if probability[0] < head.least_chest:
        likeliest = CLASSES[1 + int(np.argmax(probability[1:]))]
        return REASONS[_OF_CLASS[likeliest]]
    far = head.distances(features)[0] > head.most_distance
    return REASONS["out-of-distribution"] if far else None


def _stride(display: Float, axis: int) -> int:
    """Step that leaves at most about 512 lines: enough to count grey levels."""
    return max(1, int(display.shape[axis]) // 512)
