"""The gate: whether a slice is one that the nodule reader may be asked about, and if not, why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.domain.reading import Reason
from coread.readers.ct_nodule.window import CROP

Float = NDArray[np.floating[Any]]

SPACING_MM = (0.4, 1.0)
"""Pixel spacing of the training data: 0.46 to 0.98 mm (LIDC-IDRI), with a little room."""

MIN_SIDE_PX = CROP

AXIAL = 0.8
"""Least component along the body of the slice's normal: a slice tilted by 37 degrees or less."""

MIN_LEVELS = 16
"""Fewest different grey levels in the crop round the prompt."""

_TEXTS = {
    "localiser": ("The image is a localiser, not a slice.", "图像为定位像，不是断层图像。"),
    "several-frames": (
        "The object holds several frames; this reader reads single slices.",
        "对象含有多帧；本阅片器只读单层图像。",
    ),
    "not-axial": ("The slice is not axial.", "图像不是横断面。"),
    "too-small": ("The image has too few rows or columns.", "图像行数或列数过少。"),
    "no-spacing": (
        "The pixel spacing is missing or outside of 0.4 to 1.0 mm, on which the reader was trained.",
        "像素间距缺失，或不在训练数据的 0.4 至 1.0 毫米范围内。",
    ),
    "not-greyscale": ("The image is not a single-channel greyscale image.", "图像不是单通道灰度图像。"),
    "flat": (
        "The image round the prompt is empty or has too few grey levels.",
        "提示位置周围图像为空或灰阶过少。",
    ),
    "not-lung-ct": (
        "The image round the prompt does not look like the lung CT that this reader was trained on.",
        "提示位置周围图像与训练用的肺部CT差异过大。",
    ),
    "no-nodule-here": (
        "The reader sees no nodule at this place, so it measures nothing.",
        "模型在此处未见结节，因此不作测量。",
    ),
}

REASONS = {code: Reason(code, text, text_zh) for code, (text, text_zh) in _TEXTS.items()}
"""Every reason that this gate can give, by code."""


FURTHEST = 8.0
"""Deviations beyond which a sight is not placed: what is so far off is strange, however far."""


@dataclass(frozen=True, eq=False)
class SceneGate:
    """Whether the place that was pointed at lies in lung CT.

    It judges a *sight*: what the network saw of its window, and the texture of the crop
    (`coread.readers.ct_nodule.texture`).

    Attributes
    ----------
    mean, axes
        Of the training sights, [feature]; directions scaled to unit variance, [feature, place].
    middle, white
        Of the training places, [place]; their whitening, [place, place].
    weight, bias
        Logistic regression on places and their squares: lung CT against other pictures, [2 * place] and a
        number.
    most_distance
        Largest root mean square distance per direction that is accepted, chosen on validation patients.
    least_score
        Smallest log-odds of lung CT that is accepted, likewise.
    """

    mean: Float
    axes: Float
    middle: Float
    white: Float
    weight: Float
    bias: float
    most_distance: float
    least_score: float

    @classmethod
    def of_arrays(cls, held: Mapping[str, NDArray[Any]]) -> SceneGate:
        """Make it from the arrays of the bundle's ``gate.npz``."""
        mean, axes, middle, white, weight = (
            held[name].astype(np.float64) for name in ("mean", "axes", "middle", "white", "weight")
        )
        bias, most, least = (float(held[name]) for name in ("bias", "most_distance", "least_score"))
        return cls(mean, axes, middle, white, weight, bias, most, least)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The same as arrays."""
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    def distance(self, sight: Float) -> Float:
        """Distance [window] of sights [window, feature] from the training, in standard deviations.

        Mahalanobis distance in the leading directions: Lee et al., NeurIPS 2018, arXiv:1807.03888.
        """
        return np.asarray(np.sqrt((((self.placed(sight) - self.middle) @ self.white) ** 2).mean(-1)))

    def score(self, sight: Float) -> Float:
        """Log-odds [window] of being lung CT."""
        return np.asarray(expanded(self.placed(sight)) @ self.weight + self.bias)

    def accepts(self, sight: Float) -> NDArray[np.bool_]:
        """Whether each sight [window, feature] may be read, [window]."""
        return np.asarray(
            (self.distance(sight) <= self.most_distance) & (self.score(sight) >= self.least_score)
        )

    def placed(self, sight: Float) -> Float:
        """Sights [window, feature] in the training's directions, [window, place]."""
        return np.asarray(np.clip((sight - self.mean) @ self.axes, -FURTHEST, FURTHEST))


def expanded(places: Float) -> Float:
    """Places [window, place] and their squares, [window, 2 * place]: strange is too much and too little."""
    return np.concatenate([places, places**2], axis=-1)


def refusal_by_header(facts: Mapping[str, str], frames: int, normal_z: float | None) -> Reason | None:
    """Judge the header alone.

    Parameters
    ----------
    facts
        DICOM keywords to text: ImageType, PhotometricInterpretation, Rows, Columns. The modality is the
        card's to judge.
    frames
        Frames of the object.
    normal_z
        Component along the body (patient z) of the slice's unit normal; None where the object has no plane.
    """
    if frames != 1:
        return REASONS["several-frames"]
    # PS3.3 C.8.2.1.1.1: value 3 of Image Type is LOCALIZER or AXIAL.
    if "LOCALIZER" in facts.get("ImageType", "").upper():
        return REASONS["localiser"]
    if facts.get("PhotometricInterpretation", "MONOCHROME2").upper() not in ("MONOCHROME1", "MONOCHROME2"):
        return REASONS["not-greyscale"]
    if normal_z is not None and abs(normal_z) < AXIAL:
        return REASONS["not-axial"]
    sides = [int(facts[key]) for key in ("Rows", "Columns") if facts.get(key, "").isdigit()]
    return REASONS["too-small"] if sides and min(sides) < MIN_SIDE_PX else None


def refusal_by_spacing(spacing_mm: tuple[float, float] | None) -> Reason | None:
    """Refuse what cannot be measured in millimetres, or is sampled unlike the training data."""
    low, high = SPACING_MM
    known = spacing_mm is not None and all(low <= step <= high for step in spacing_mm)
    return None if known else REASONS["no-spacing"]


def refusal_by_grey(crop: Float) -> Reason | None:
    """Judge the stored values of the crop round the prompt, [row, column]."""
    return REASONS["flat"] if len(np.unique(crop)) < MIN_LEVELS else None
