"""Gradient inversion: from what a site sends, show what it saw.

One update on one example is the worst case. A linear head gives its input away without any search (Phong et
al., IEEE TIFS 2018, doi:10.1109/TIFS.2017.2787987, section 3); of a convolutional network the image is
searched whose gradient points the same way (Zhu et al., NeurIPS 2019, arXiv:1906.08935; Geiping et al.,
NeurIPS 2020, arXiv:2003.14053).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Float = NDArray[np.floating]

SMOOTHNESS = 1e-2
"""Weight of the total variation of the searched image, from the grid 1e-4 to 1e-1 of Geiping et al."""


def input_of_head(weight_change: Float, bias_change: float) -> Float:
    """The features [d] of the one example behind a plain step of a linear head.

    Parameters
    ----------
    weight_change, bias_change
        Of the head's weight [d] and bias. Their ratio is the input, whatever label, loss and step size were.
    """
    return np.asarray(weight_change / (bias_change if abs(bias_change) > 1e-12 else 1e-12))


def similarity(first: Float, second: Float) -> float:
    """Correlation of two arrays over all their numbers; 0 if one is constant."""
    a, b = np.ravel(first) - np.mean(first), np.ravel(second) - np.mean(second)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0


def searched_image(
    gradients_of: Callable[[Tensor], Sequence[Tensor]],
    seen: Sequence[Tensor],
    shape: tuple[int, ...],
    steps: int = 300,
    seed: int = 0,
) -> NDArray[np.float32]:
    """The image in 0..1 whose gradient points as the seen one does.

    Parameters
    ----------
    gradients_of
        Gradients of the network's arrays for an image, differentiable in the image.
    seen
        What the site sent, array by array.
    shape
        Of the image, [row, column] last.
    steps, seed
        Of the search.
    """
    start = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    image = start.requires_grad_(True)
    optimiser = torch.optim.Adam([image], 0.05)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.05 if step < steps * 0.6 else 0.01
        loss = _apart(gradients_of(image), seen) + SMOOTHNESS * _roughness(image)
        (gradient,) = torch.autograd.grad(loss, [image])
        image.grad = gradient
        optimiser.step()
        with torch.no_grad():
            image.clamp_(0, 1)
    return image.detach().numpy()  # type: ignore[no-any-return]


def _apart(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """One less the cosine between two sets of gradients."""
    product = torch.stack([(a * b).sum() for a, b in zip(first, second, strict=True)]).sum()
    sizes = [torch.stack([one.square().sum() for one in side]).sum().sqrt() for side in (first, second)]
    return 1 - product / (sizes[0] * sizes[1]).clamp(min=1e-12)


def _roughness(image: Tensor) -> Tensor:
    rows, columns = image.diff(dim=-2).abs().mean(), image.diff(dim=-1).abs().mean()
    return rows + columns
