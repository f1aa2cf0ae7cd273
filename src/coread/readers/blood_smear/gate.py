"""The gate: whether an image is a stained blood smear field at the magnification that this reader knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.domain.reading import Reason
from coread.readers.blood_smear.peaks import Cells
from coread.readers.quality import Limits, unfit

Float = NDArray[np.floating]

MODALITIES = ("GM", "SM", "XC", "OT")
"""Modality (0008,0060) of pictures through a microscope or a camera, PS3.3 C.7.3.1.1.1."""

GREY_KINDS = frozenset({"MONOCHROME1", "MONOCHROME2"})

MIN_SIDE_PX = 200
"""Fewest rows and columns: at fewer pixels a platelet has no more than a handful."""

MOST_ASPECT = 2.0
"""Longest side of a field in shortest sides."""

LIMITS = Limits(side_px=MIN_SIDE_PX, contrast=0.04, clipped_share=0.6)
"""Bounds of a usable image: a thin smear is mostly bright background."""

FEWEST_ERYTHROCYTES = 3
"""Red cells that must be found before their size says anything about the magnification."""

_TEXTS = {
    "not-microscopy": (
        "The image is no picture through a microscope (Modality is none of GM, SM, XC, OT).",
        "图像不是显微摄影（Modality 不是 GM、SM、XC 或 OT）。",
    ),
    "not-colour": (
        "The image has no colour; a stained smear is needed.",
        "图像不是彩色图像；需要染色血涂片。",
    ),
    "several-frames": (
        "The object holds several frames; this reader reads single fields.",
        "对象含有多帧；本阅片器只读单个视野。",
    ),
    "too-small": ("The image has too few rows or columns.", "图像行数或列数过少。"),
    "too-narrow": ("The image is more than twice as long as wide.", "图像长宽比超过2。"),
    "not-a-smear": (
        "The image does not look like a stained blood smear field.",
        "图像看起来不是染色血涂片视野。",
    ),
    "out-of-distribution": (
        "The image is unlike the smears that this reader was trained on.",
        "图像与本阅片器的训练血涂片差异过大。",
    ),
    "other-magnification": (
        "Red cells have another size than on the training fields: the magnification differs.",
        "红细胞大小与训练视野不同：放大倍数不符。",
    ),
    "no-red-cells": (
        "Too few red cells are seen to judge the magnification.",
        "可见红细胞过少，无法判断放大倍数。",
    ),
}

REASONS = {code: Reason(code, text, text_zh) for code, (text, text_zh) in _TEXTS.items()}
"""Every reason that this gate can give beside those of `coread.readers.quality`, by code."""

ARRAYS = ("mean", "scale", "weight", "bias", "axes", "centre")


@dataclass(frozen=True, slots=True)
class FeatureGate:
    """What looks at the field through the detector.

    Attributes
    ----------
    mean, scale
        Of the training features, [feature].
    weight, bias
        Logistic regression: smear against everything else, [feature] and [].
    axes, centre
        Principal axes of the training smears scaled to unit variance, [feature, axis], and their mean there.
    least
        Smallest log odds of a smear that is accepted.
    most
        Largest distance to the training smears that is accepted (Lee et al., NeurIPS 2018, arXiv:1807.03888).
    erythrocyte_px
        Smallest and largest median side of a red cell that is accepted, pixels of the detector's input.
    """

    mean: Float
    scale: Float
    weight: Float
    bias: Float
    axes: Float
    centre: Float
    least: float
    most: float
    erythrocyte_px: tuple[float, float]

    @classmethod
    def of_arrays(cls, held: Mapping[str, NDArray[Any]]) -> FeatureGate:
        """Make a gate from the arrays of the bundle's ``gate.npz``."""
        mean, scale, weight, bias, axes, centre = (held[name].astype(np.float64) for name in ARRAYS)
        low, high = (float(value) for value in held["erythrocyte_px"])
        limits = float(held["least"]), float(held["most"]), (low, high)
        return cls(mean, scale, weight, bias, axes, centre, *limits)

    def log_odds(self, features: Float) -> Float:
        """Log odds of a smear [image] of features [image, feature]."""
        return np.asarray(self._standard(features) @ self.weight + self.bias)

    def distance(self, features: Float) -> Float:
        """Distance [image] to the training smears, per axis, in standard deviations."""
        return np.asarray(np.sqrt(((self._standard(features) @ self.axes - self.centre) ** 2).mean(axis=1)))

    def refusal(self, features: Float) -> Reason | None:
        """Why the image of features [1, feature] is refused, or None."""
        if self.log_odds(features)[0] < self.least:
            return REASONS["not-a-smear"]
        return REASONS["out-of-distribution"] if self.distance(features)[0] > self.most else None

    def doubt(self, erythrocytes: Cells, scale: float) -> Reason | None:
        """Why a count is not to be relied on, seen by the red cells of the field, or None."""
        if len(erythrocytes.kind) < FEWEST_ERYTHROCYTES:
            return REASONS["no-red-cells"]
        side = float(np.median(erythrocytes.boxes[:, 2:])) * scale
        low, high = self.erythrocyte_px
        return None if low <= side <= high else REASONS["other-magnification"]

    def _standard(self, features: Float) -> Float:
        return np.asarray((np.asarray(features, np.float64) - self.mean) / self.scale)


def refusal_by_header(facts: Mapping[str, str]) -> Reason | None:
    """Judge the header alone.

    Parameters
    ----------
    facts
        DICOM keywords to text: Modality, PhotometricInterpretation, Rows, Columns.

    Returns
    -------
    Reason or None
        Why the image is refused; None if nothing in the header speaks against it.
    """
    if facts.get("Modality", "").strip() not in MODALITIES:
        return REASONS["not-microscopy"]
    if facts.get("PhotometricInterpretation", "").strip() in GREY_KINDS:
        return REASONS["not-colour"]
    sides = [int(facts[key]) for key in ("Rows", "Columns") if facts.get(key, "").isdigit()]
    if sides and min(sides) < MIN_SIDE_PX:
        return REASONS["too-small"]
    return REASONS["too-narrow"] if sides and max(sides) > MOST_ASPECT * min(sides) else None


def refusal_by_pixels(image: NDArray[np.uint8]) -> Reason | None:
    """Judge colour and grey of the pixels, uint8 [row, column, 3]; None if they are sound."""
    if image.ndim != 3:
        return REASONS["not-colour"]
    return unfit(image.mean(axis=2).astype(np.float32) / 255, LIMITS)
