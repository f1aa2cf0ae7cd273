"""Heat maps of one image by several methods: by activation, gradient, perturbation, and by no look at all.

Every method gives a map [row, column] over the network's input; larger speaks more for the finding. The blind
ones are the yardsticks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Occlusion, Saliency
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.evaluation.faithfulness import blurred
from coread.readers.chest_radiograph.preprocess import resample

Float = NDArray[np.float32]
Read = Callable[[Float], Float]
"""Scores [n] of inputs [n, 1, row, column]."""
Explain = Callable[[Float], Float]
"""A map [row, column] of an input [1, 1, row, column]."""

CELLS = 14
"""Cells per side of the maps by gradient and perturbation: 16 pixels each, about 2 cm of an adult chest."""

MASKS = 96
"""Random masks of RISE: its authors take thousands; these cost seconds an image."""

STEPS = 8
"""Steps of the path of integrated gradients."""


def smoothed(explain: Explain, reach: int = 1) -> Explain:
    """The map of another method, each cell averaged with its neighbours."""

    def made(image: Float) -> Float:
        return np.asarray(blurred(explain(image), reach), dtype=np.float32)

    return made


def shifted(explain: Explain, reach_px: int = 16) -> Explain:
    """The mean of another method's maps of the image and of it moved a few pixels each way, moved back."""
    moves = [(0, 0), (reach_px, 0), (-reach_px, 0), (0, reach_px), (0, -reach_px)]

    def made(image: Float) -> Float:
        shape = (image.shape[2], image.shape[3])
        maps = []
        for down, right in moves:
            moved = _moved(image[0, 0], down, right)[None, None]
            maps.append(_moved(resample(explain(moved), shape), -down, -right))
        return resample(np.mean(maps, axis=0).astype(np.float32), (CELLS * 2, CELLS * 2))

    return made


def _moved(image: Float, down: int, right: int) -> Float:
    """The image moved, its edge repeated."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return np.ascontiguousarray(image[rows][:, columns])


def integrated_gradients(net: nn.Module) -> Explain:
    """Integrated gradients from the blurred image, positive part, summed over cells.

    Notes
    -----
    Sundararajan, Taly & Yan, ICML 2017, arXiv:1703.01365.
    """
    method = IntegratedGradients(_one_score(net))

    def made(image: Float) -> Float:
        start = torch.from_numpy(_blurred_input(image))
        found = method.attribute(torch.from_numpy(image), start, n_steps=STEPS, internal_batch_size=STEPS)
        return celled(np.maximum(found.detach().numpy()[0, 0], 0))

    return made


def smooth_gradients(net: nn.Module, seed: int = 0) -> Explain:
    """Mean absolute gradient under noise (Smilkov et al. 2017, arXiv:1706.03825), over cells."""
    method = NoiseTunnel(Saliency(_one_score(net)))

    def made(image: Float) -> Float:
        torch.manual_seed(seed)
        found = method.attribute(torch.from_numpy(image), nt_samples=4, stdevs=0.08, nt_type="smoothgrad")
        return celled(found.detach().numpy()[0, 0])

    return made


def occlusion(net: nn.Module, side_px: int = 56) -> Explain:
    """Fall of the score when a square is replaced by the blurred image.

    Notes
    -----
    Zeiler & Fergus, ECCV 2014, arXiv:1311.2901.
    """
    method = Occlusion(_one_score(net))

    def made(image: Float) -> Float:
        with torch.no_grad():
            found = method.attribute(
                torch.from_numpy(image), (1, side_px, side_px), strides=(1, side_px // 2, side_px // 2),
                baselines=torch.from_numpy(_blurred_input(image)), perturbations_per_eval=32,
            )  # fmt: skip
        return celled(found.numpy()[0, 0])

    return made


def rise(read: Read, seed: int = 0, masks: int = MASKS, cells: int = 7) -> Explain:
    """Mean score over random soft masks, by place: RISE, filled with the blurred image.

    Notes
    -----
    Petsiuk, Das & Saenko, BMVC 2018, arXiv:1806.07421.
    """

    def made(image: Float) -> Float:
        rng = np.random.default_rng(seed)
        filling = _blurred_input(image)
        shape = (image.shape[2], image.shape[3])
        drawn = np.stack([_soft_mask(rng, cells, shape) for _ in range(masks)])
        scores = np.concatenate(
            [
                read((m[:, None] * image + (1 - m[:, None]) * filling).astype(np.float32))
                for m in np.array_split(drawn, max(1, masks // 24))
            ]
        )
        apart = (scores - scores.mean())[:, None, None]
        return celled((apart * drawn).mean(0).astype(np.float32))

    return made


def _soft_mask(rng: Generator, cells: int, shape: tuple[int, int]) -> Float:
    """A coarse random grid, half of it kept, smoothly enlarged and shifted by less than a cell."""
    step = (-(-shape[0] // cells), -(-shape[1] // cells))
    coarse = (rng.random((cells + 1, cells + 1)) < 0.5).astype(np.float32)
    large = resample(coarse, ((cells + 1) * step[0], (cells + 1) * step[1]))
    top, left = int(rng.integers(0, step[0])), int(rng.integers(0, step[1]))
    return large[top : top + shape[0], left : left + shape[1]]


def centre_prior(image: Float) -> Float:
    """A bell in the middle of the image, whatever it shows."""
    place = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    return np.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / (2 * 0.2**2)).astype(np.float32)


def random_map(seed: int = 0) -> Explain:
    """Noise; another for each image."""

    def made(image: Float) -> Float:
        rng = np.random.default_rng([seed, int(image.sum() * 1000) % (2**32)])
        return rng.random((CELLS, CELLS)).astype(np.float32)

    return made


def celled(fine: Float) -> Float:
    """A fine map averaged over `CELLS` x `CELLS` cells; its sides must be multiples of `CELLS`."""
    rows, columns = fine.shape[0] // CELLS, fine.shape[1] // CELLS
    return np.asarray(fine.reshape(CELLS, rows, CELLS, columns).mean((1, 3)), dtype=np.float32)


def _blurred_input(image: Float) -> Float:
    return np.asarray(blurred(image[0, 0], max(image.shape) // 8), dtype=np.float32)[None, None]


def _one_score(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network's score [n] with gradients, of images [n, 1, row, column]."""

    def score(image: Tensor) -> Tensor:
        said: Tensor = net.read(image)[0]
        return said

    return score
