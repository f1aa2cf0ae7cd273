"""The reader that is to be explained: as the clinic runs it, with gradients, and with random weights."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coread.learning.explaining.methods import Explain
from coread.readers.uncertainty import Calibration

Float = NDArray[np.float32]
Read = Callable[[Float], tuple[Float, Float, Float]]
"""Scores [n], features [n, d] and maps [n, h, w] of inputs [n, 1, row, column]."""


@dataclass(frozen=True)
class Subject:
    """A reader under explanation.

    Attributes
    ----------
    read
        The exported network.
    net
        The same with gradients.
    curve
        From score to probability.
    threshold
        Probability from which the finding is called.
    """

    read: Read
    net: nn.Module
    curve: Calibration
    threshold: float

    def score(self, inputs: Float) -> Float:
        """Scores [n] of inputs [n, 1, row, column]."""
        return self.read(inputs)[0]

    def probability(self, images: Float) -> Float:
        """Probabilities [n] of images [n, row, column]."""
        scores = self.score(np.ascontiguousarray(images[:, None], dtype=np.float32))
        return np.interp(scores, self.curve.score, self.curve.probability).astype(np.float32)

    def activation(self) -> Explain:
        """The map that comes with every reading."""
        return lambda image: self.read(image)[2][0]

    def randomised_activation(self) -> Explain:
        """The same map of the same network after its last layers were drawn anew."""
        drawn = randomised(self.net)

        def made(image: Float) -> Float:
            with torch.no_grad():
                return np.asarray(drawn.read(torch.from_numpy(image))[2][0].numpy())

        return made


def randomised(net: nn.Module, seed: int = 3) -> nn.Module:
    """A copy of a network with every head and the last convolution of every trunk drawn anew.

    Notes
    -----
    From the top, as in Adebayo et al., NeurIPS 2018, arXiv:1810.03292.
    """
    torch.manual_seed(seed)
    drawn = deepcopy(net)
    for part in drawn.modules():
        if isinstance(part, nn.Linear):
            part.reset_parameters()
        last = getattr(part, "_conv_head", None)
        if isinstance(last, nn.Conv2d):
            nn.init.kaiming_normal_(last.weight)
    for name, held in drawn.named_buffers(recurse=False):
        shuffled = held.flatten()[torch.randperm(held.numel())]
        setattr(drawn, name, shuffled.view_as(held))
    drawn.eval()
    return drawn
