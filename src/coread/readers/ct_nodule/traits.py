"""How a nodule looks, in words a doctor can correct, and what follows from them for malignancy.

A concept bottleneck (Koh et al., ICML 2020, arXiv:2007.04612): the picture speaks to malignancy only through
five coded characteristics and the measured size, so that who corrects one sees the answer change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.domain import codes
from coread.domain.codes import Code

Float = NDArray[np.floating[Any]]

SHARPNESS = Code("margin-sharpness", "99COREAD", "Sharpness of margin", "边界清晰度")
SHARP = Code("sharp", "99COREAD", "Sharply defined", "边界清楚")
BLURRED = Code("ill-defined", "99COREAD", "Ill-defined", "边界模糊")
SPHERICITY = Code("sphericity", "99COREAD", "Sphericity", "球形度")
ROUND = Code("round", "99COREAD", "Round", "圆形")
OVAL = Code("ovoid", "99COREAD", "Ovoid or elongated", "椭圆或长形")

MALIGNANCY = Code(
    "malignancy-impression", "99COREAD", "Malignancy as radiologists rate it", "恶性程度（医师评级）"
)
"""What LIDC-IDRI's readers rated: an impression, not pathology."""

CONCEPTS: Mapping[Code, tuple[Code, ...]] = {
    codes.TEXTURE: (codes.GROUND_GLASS, codes.PART_SOLID, codes.SOLID),
    codes.MARGINS: (codes.SMOOTH, codes.LOBULATED, codes.SPICULATED),
    codes.CALCIFICATION: (codes.NON_CALCIFIED, codes.CALCIFIED),
    SHARPNESS: (BLURRED, SHARP),
    SPHERICITY: (OVAL, ROUND),
}
"""Characteristics with their values in natural order."""

DIGITS = 6
"""Digits of a stated probability: the answer is computed from what is stated, so that it can be repeated."""

MOST_SURE = 0.999
"""No characteristic is stated surer than this; certainty is left to the doctor's correction."""


@dataclass(frozen=True, eq=False)
class Judge:
    """From features to characteristics, and from these and the size to malignancy.

    Attributes
    ----------
    mean, scale
        Of the training features, [feature].
    weights
        Of each concept by code value, [refit, feature + 1, value], the last feature being 1: the fit on all
        training patients first, then refits on patients drawn anew.
    answer
        Of malignancy, [input]: see `answer_inputs`.
    """

    mean: Float
    scale: Float
    weights: Mapping[str, Float]
    answer: Float

    @classmethod
    def of_arrays(cls, held: Mapping[str, NDArray[Any]]) -> Judge:
        """Make a judge from the arrays of the bundle's ``judge.npz``."""
        weights = {concept.value: held[f"weights_{concept.value}"] for concept in CONCEPTS}
        return cls(held["mean"], held["scale"], weights, held["answer"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The same as arrays."""
        held: dict[str, NDArray[Any]] = {"mean": self.mean, "scale": self.scale, "answer": self.answer}
        return held | {f"weights_{name}": array for name, array in self.weights.items()}

    def standardised(self, features: Float) -> Float:
        """Features [..., feature] with the training's mean 0 and deviation 1, cut off at 6."""
        return np.asarray(np.clip((features - self.mean) / self.scale, -6, 6))

    def states(self, features: Float) -> dict[Code, Float]:
        """Probability of each value of each concept, [refit, value]; the first refit is the answer."""
        ready = np.r_[self.standardised(features), 1.0]
        return {concept: _shares(ready @ self.weights[concept.value]) for concept in CONCEPTS}

    def score(self, stated: Mapping[Code, Float], size_mm: float) -> float:
        """Log-odds of malignancy from the probabilities [value] of each concept and the mean diameter."""
        return float(answer_inputs(stated, size_mm) @ self.answer)

    def shares(self, stated: Mapping[Code, Float], size_mm: float) -> dict[str, float]:
        """What each concept and the size add to the log-odds, by code value; they sum to it with ``base``."""
        inputs = answer_inputs(stated, size_mm) * self.answer
        parts, at = {}, 0
        for concept, values in CONCEPTS.items():
            parts[concept.value] = float(inputs[at : at + len(values) - 1].sum())
            at += len(values) - 1
        return parts | {"size": float(inputs[at]), "base": float(inputs[at + 1])}


def answer_inputs(stated: Mapping[Code, Float], size_mm: float) -> Float:
    """Probabilities of all but the first value of each concept, log2 of the size over 10 mm, and 1."""
    parts = [np.asarray(stated[concept], dtype=np.float64)[1:] for concept in CONCEPTS]
    return np.concatenate([*parts, [np.log2(max(size_mm, 1.0) / 10), 1.0]])


def rounded(probability: Float) -> Float:
    """Stated probabilities [value]: rounded, none quite certain, summing to 1."""
    held = np.clip(probability, 0, MOST_SURE)
    held = np.round(held / held.sum(), DIGITS)
    held[int(held.argmax())] += 1 - held.sum()
    return np.asarray(np.round(np.minimum(held, MOST_SURE), DIGITS))


def _shares(score: Float) -> Float:
    """Softmax over the last axis."""
    raised = np.exp(score - score.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))
