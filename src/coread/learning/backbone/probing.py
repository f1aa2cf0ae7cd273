"""A frozen trunk with a logistic regression on top: seconds to fit, and what any tuning has to beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from coread.learning.backbone.trunk import Early

Float = NDArray[np.floating]

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse penalties that are tried on validation images."""


class Pooled(nn.Module):  # type: ignore[misc]
    """Mean responses [n, c] of a frozen half, of its taps too."""

    def __init__(self, early: Early) -> None:
        super().__init__()
        self.early = early

    def forward(self, image: Tensor) -> Tensor:
        """Pooled responses of images [n, channel, row, column] in 0..1."""
        return torch.cat([part.mean((2, 3)) for part in self.early.pyramid(image)], 1)


@dataclass(frozen=True)
class Probe:
    """Logistic regression on standardised features.

    Attributes
    ----------
    mean, scale
        Of the training features, [feature].
    weight, bias
        [class, feature] and [class].
    """

    mean: Float
    scale: Float
    weight: Float
    bias: Float

    def logits(self, features: Float) -> Float:
        """Logits [case, class] of features [case, feature]."""
        return np.asarray((features - self.mean) / self.scale @ self.weight.T + self.bias)

    def linear(self) -> nn.Linear:
        """The same as a layer on raw features."""
        layer = nn.Linear(*self.weight.shape[::-1])
        weight = self.weight / self.scale
        layer.weight.data = torch.from_numpy(weight.astype(np.float32))
        layer.bias.data = torch.from_numpy((self.bias - weight @ self.mean).astype(np.float32))
        return layer


def fit_probe(
    features: Float,
    labels: NDArray[np.int64],
    score: Callable[[Probe], float],
    strengths: tuple[float, ...] = STRENGTHS,
) -> tuple[Probe, float]:
    """Fit a probe with the penalty that validation images like best.

    Parameters
    ----------
    features, labels
        Training images: [case, feature] and class numbers 0..k-1, each present.
    score
        Judges a probe on validation images: higher is better.
    strengths
        Inverse penalties to try, the strongest penalty first; a tie is won by the stronger.

    Returns
    -------
    (Probe, float)
        The best and its validation score.
    """
    tried = [(probe := _fitted(features, labels, strength), score(probe)) for strength in strengths]
    return max(tried, key=lambda pair: pair[1])


def _fitted(features: Float, labels: NDArray[np.int64], strength: float) -> Probe:
    held = np.asarray(features, dtype=np.float64)
    mean, scale = held.mean(0), held.std(0) + 1e-6
    model = LogisticRegression(C=strength, max_iter=1000, tol=1e-3).fit((held - mean) / scale, labels)
    weight, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(bias) == 1:  # two classes: sklearn keeps one row, the log odds of the second
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return Probe(mean, scale, weight, bias)
