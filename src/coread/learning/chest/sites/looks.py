"""Cached looks: what a trunk saw of every radiograph, plain, mirrored, disturbed or harmonised.

Heads, tails, fusion and audits are tried on these in seconds; the trunk is run once. A look is kept in parts
of a few hundred images, each written whole or not at all, so that a stopped extraction goes on.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.chest.augment import RECIPE, disturb
from coread.learning.chest.cohort import Radiograph, grey
from coread.learning.chest.transfer import ChestNet
from coread.learning.runs.files import replace_file
from coread.readers.chest_radiograph.preprocess import SIDE, prepare, resample, window
from coread.readers.onnx import Session

Float = NDArray[np.float32]
Half = NDArray[np.float16]
Grey = NDArray[np.uint8]
Change = Callable[[Grey], NDArray[np.floating] | Grey]
"""What is done to an image before the reader's own preparation."""

PART = 256
"""Images per file of the cache."""

BATCH = 4
"""Images that a trunk is shown at once: more fall out of the processor's cache."""

OPSET = 17

LEVELS = (4, 10)
"""Blocks whose responses are kept beside the last: 28 x 28 and 14 x 14 cells."""


@dataclass(frozen=True)
class Look:
    """How images are shown to a trunk.

    Attributes
    ----------
    name
        Of trunk and look together; names the folder of the cache.
    mirrored
        Left and right exchanged.
    disturbed
        Seed of the disturbance of each image; None for none.
    change
        Done to the image first; None for nothing.
    raw
        Grey values as published, only resized: neither trimmed nor windowed.
    """

    name: str
    mirrored: bool = False
    disturbed: int | None = None
    change: Change | None = None
    raw: bool = False


@dataclass(frozen=True)
class Seen:
    """What a trunk saw of n images.

    Attributes
    ----------
    pooled
        float32 [n, 2 * 1432]: means, then means of squares, over the map of the last layer (1280 channels)
        and of the levels (40, 112).
    deep
        float16 [n, 320, 7, 7]: the map before the last 1 x 1 convolution.
    """

    pooled: Float
    deep: Half


Eye = Callable[[Float], Seen]
"""What a trunk sees of inputs float32 [n, 1, 224, 224]."""


def looked(
    items: Sequence[Radiograph], look: Look, eye: Eye, folder: Path, tell: Callable[[str, float], None]
) -> Seen:
    """What a trunk sees of radiographs, from the cache as far as it goes.

    Parameters
    ----------
    items
        Radiographs, in any order; the order is part of the key.
    look
        How they are shown.
    eye
        The trunk.
    folder
        Of the cache.
    tell
        Told of progress.
    """
    place = folder / f"{look.name}-{_key(items, look)}"
    place.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(items), PART):
        path = place / f"{start:06d}.npz"
        if not path.exists():
            _write(path, _part(items[start : start + PART], look, eye, start))
        tell(f"looking: {look.name}", min(1.0, (start + PART) / len(items)))
        with np.load(path) as held:
            parts.append((held["pooled"], held["deep"]))
    return Seen(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _key(items: Sequence[Radiograph], look: Look) -> str:
    disturbed = None if look.disturbed is None else (look.disturbed, RECIPE)
    named = "\n".join([repr(disturbed), repr(look.mirrored), *(item.path.name for item in items)])
    return hashlib.sha256(named.encode()).hexdigest()[:12]


def _write(path: Path, seen: Seen) -> None:
    replace_file(path, lambda file: np.savez(file, pooled=seen.pooled, deep=seen.deep))


def _part(items: Sequence[Radiograph], look: Look, eye: Eye, start: int) -> Seen:
    images = [shown(item, look, start + index) for index, item in enumerate(items)]
    parts = [eye(np.stack(images[i : i + BATCH])[:, None]) for i in range(0, len(images), BATCH)]
    return Seen(np.concatenate([p.pooled for p in parts]), np.concatenate([p.deep for p in parts]))


def shown(item: Radiograph, look: Look, index: int) -> Float:
    """The input float32 [224, 224] of one radiograph under a look; `index` seeds its disturbance."""
    pixels = grey(item.path)
    image: NDArray[np.floating] | Grey = pixels.astype(np.float32)
    if look.disturbed is not None:
        image = disturb(pixels, np.random.default_rng([look.disturbed, index]))
    if look.raw:
        full = np.float32(255 if look.disturbed is None else 1)
        return resample(np.asarray(image / full, dtype=np.float32), (SIDE, SIDE))
    if look.change is not None:
        image = look.change(
            np.asarray(np.clip(window(image.astype(np.float32)) * 255, 0, 255), dtype=np.uint8)
        )
    ready = prepare(np.asarray(image, dtype=np.float32)).tensor[0, 0]
    return np.ascontiguousarray(ready[:, ::-1]) if look.mirrored else ready


class _Looking(nn.Module):  # type: ignore[misc]
    """A trunk with what is kept of it as the forward pass."""

    def __init__(self, net: ChestNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        levels, deep = levels_of(self.net, image)
        maps = (last_map(self.net, deep), *levels)
        means = [m.mean((2, 3)) for m in maps]
        return torch.cat(means + [(m * m).mean((2, 3)) for m in maps], 1), deep


def eye_of(net: ChestNet, folder: Path, threads: int = 1) -> Eye:
    """A trunk as the clinic's runtime computes it: several times as fast as with gradients at hand.

    Parameters
    ----------
    net
        The trunk.
    folder
        Keeps it as ONNX, where each process that computes it finds it.
    threads
        Processor threads.
    """
    path, digest = _kept(net, folder)
    session = Session(path, digest, threads)

    def eye(inputs: Float) -> Seen:
        said = session.run({"image": np.ascontiguousarray(inputs)})
        return Seen(said["pooled"], said["deep"].astype(np.float16))

    return eye


def _kept(net: ChestNet, folder: Path) -> tuple[Path, str]:
    """File of a trunk, named by its SHA-256, and that."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "eye.onnx"
        _export(net, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return path.replace(folder / f"eye-{digest[:12]}.onnx"), digest


def _export(net: ChestNet, path: Path) -> None:
    names = ["pooled", "deep"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # see coread.learning.chest.export
        torch.onnx.export(
            _Looking(net).eval(), (torch.zeros(2, 1, SIDE, SIDE),), str(path), input_names=["image"],
            output_names=names, dynamic_axes={name: {0: "n"} for name in ("image", *names)},
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip


def levels_of(net: ChestNet, image: Tensor) -> tuple[list[Tensor], Tensor]:
    """The maps at `LEVELS` and the last block's, of images [n, 1, 224, 224]."""
    now, levels = net.stem(image, 0), []
    for index, block in enumerate(cast(nn.ModuleList, net.trunk._blocks)):
        now = block(now)
        if index in LEVELS:
            levels.append(now)
    return levels, now


def last_map(net: ChestNet, deep: Tensor) -> Tensor:
    """The last feature map [n, 1280, 7, 7] from the last block's."""
    trunk = net.trunk
    return cast(Tensor, trunk._swish(trunk._bn1(trunk._conv_head(deep))))
