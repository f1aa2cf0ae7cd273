"""What a frozen half computes is computed once: kept on disk, continued after a stop, shared by all seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Make = Callable[[int], NDArray[np.float32]]
"""Image number to float32 [channel, row, column] in 0..1; the same number always gives the same image."""

Say = Callable[[float], None]
"""Told the share of the work done, 0..1."""

CHUNK = 64
"""Images computed between two entries into the record of what is done."""

BATCH = 8
"""Images at a time: large enough for the processor, small enough for its memory to be used again."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where responses are kept.

    Attributes
    ----------
    folder
        For the arrays and their records.
    name
        File name without ending.
    recipe
        Everything that the responses depend on, as JSON values: another recipe is computed anew.
    """

    folder: Path
    name: str
    recipe: dict[str, Any]

    @property
    def path(self) -> Path:
        """The array's file; its name bears a digest of the recipe."""
        digest = hashlib.sha256(json.dumps(self.recipe, sort_keys=True).encode()).hexdigest()[:12]
        return self.folder / f"{self.name}-{digest}.npy"


def computed(net: nn.Module, images: Make, count: int, store: Store, say: Say | None = None) -> Responses:
    """Responses of `count` images, from disk as far as they are there.

    Parameters
    ----------
    net
        A frozen network: one array out for images in.
    images
        Makes image number i.
    count
        Number of images.
    store
        Where to keep the responses.
    say
        Told of the progress.

    Returns
    -------
    NDArray
        float16 [image, ...], mapped from disk.
    """
    done = _record(store, count)
    shape = tuple(_respond(net, images(0)[None]).shape[1:])
    store.folder.mkdir(parents=True, exist_ok=True)
    mode = "r+" if done else "w+"
    held = np.lib.format.open_memmap(store.path, mode, np.float16, (count, *shape))
    for start, stop in _chunks(done, count):
        held[start:stop] = _respond(net, np.stack([images(i) for i in range(start, stop)]))
        held.flush()
        _write_record(store, stop)
        if say:
            say(stop / count)
    return held


Responses = NDArray[np.float16]


def _chunks(done: int, count: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + CHUNK, count)) for start in range(done, count, CHUNK))


def _respond(net: nn.Module, images: NDArray[np.float32]) -> Responses:
    net.eval()
    with torch.no_grad():
        parts = [
            net(torch.from_numpy(images[start : start + BATCH])).numpy().astype(np.float16)
            for start in range(0, len(images), BATCH)
        ]
    return np.concatenate(parts)


def _record(store: Store, count: int) -> int:
    """How many images are done; 0 if the array is not the one of this recipe."""
    record = store.path.with_suffix(".json")
    if not (record.is_file() and store.path.is_file()):
        return 0
    held = json.loads(record.read_text(encoding="utf-8"))
    return min(int(held["done"]), count) if held["recipe"] == store.recipe else 0


def _write_record(store: Store, done: int) -> None:
    partial = store.path.with_suffix(".partial")
    partial.write_text(json.dumps({"recipe": store.recipe, "done": done}), encoding="utf-8")
    partial.replace(store.path.with_suffix(".json"))
