"""Radiographs as explanations are tried on them: inputs, lesion boxes on the input, maps on the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coread.learning.chest.cohort import Radiograph, grey
from coread.learning.explaining.scoring import Boxed
from coread.readers.chest_radiograph.preprocess import Prepared, prepare, resample

Float = NDArray[np.float32]
Boolean = NDArray[np.bool_]


def boxed_input(item: Radiograph) -> Boxed:
    """The network's input of a radiograph with a published box, and the box on that input."""
    ready = prepare(grey(item.path).astype(np.float32))
    return Boxed(ready.tensor, on_input(box_mask(item, ready.shape_rc), ready), item.patient)


def input_of(item: Radiograph) -> Float:
    """The network's input [1, 1, 224, 224] of a radiograph."""
    return prepare(grey(item.path).astype(np.float32)).tensor


def box_mask(item: Radiograph, shape: tuple[int, ...]) -> Boolean:
    """The radiograph's box as a mask [row, column] of the stored image."""
    left, top, width, height = item.box_xywh or (0.0, 0.0, 0.0, 0.0)
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    return np.asarray((column > left) & (column < left + width) & (row > top) & (row < top + height))


def on_input(mask: Boolean, ready: Prepared) -> Boolean:
    """A mask of the stored image on the network's input."""
    top, left, bottom, right = ready.box_rc
    side = (ready.tensor.shape[2], ready.tensor.shape[3])
    return np.asarray(resample(mask[top:bottom, left:right].astype(np.float32), side) >= 0.5)


def enlarged(heat: Float, image: Float) -> Float:
    """A map smoothly enlarged to the network's input."""
    return resample(heat.astype(np.float32), (image.shape[2], image.shape[3]))


def with_box(items: Sequence[Radiograph]) -> list[Radiograph]:
    """Those for which a box was published."""
    return [item for item in items if item.box_xywh]
