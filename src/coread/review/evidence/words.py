"""Probabilities in words, by a scale that radiologists use."""

from __future__ import annotations

from coread.domain.finding import Confidence
from coread.review.study_review import ConfidenceWords

SCALE: tuple[tuple[float, str], ...] = (
    (0.90, "consistent-with"),
    (0.625, "probable"),
    (0.375, "possible"),
    (0.10, "less-likely"),
    (0.0, "unlikely"),
)
"""Lower end of each word's band, and its stable code.

Words and anchors (> 90, about 75, about 50, about 25 and < 10 %) are those of the diagnostic certainty scale
of Panicek & Hricak 2016 (doi:10.2214/AJR.15.15895); the bands between 75, 50 and 25 % meet half way.
"""

_WIDE = 2


def in_words(confidence: Confidence) -> ConfidenceWords:
    """Say a calibrated probability and its interval in words.

    Examples
    --------
    >>> in_words(Confidence(0.83, 0.7, 0.95)).code
    'probable'
    >>> in_words(Confidence(0.5, 0.05, 0.95)).is_wide
    True
    """
    middle, low, high = (_rank(p) for p in (confidence.probability, confidence.lower, confidence.upper))
    return ConfidenceWords(SCALE[middle][1], SCALE[low][1], SCALE[high][1], low - high > _WIDE)


def _rank(probability: float) -> int:
    return next(rank for rank, (lower, _) in enumerate(SCALE) if probability >= lower)
