"""From a reader's saliency to a heat map on the stored pixels, shown only where it is worth looking at."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from coread.domain.bundle import Card
from coread.domain.finding import Box, HeatMap, Presence
from coread.readers.contract import ReaderOutput

Grid = npt.NDArray[np.float32]

DECIMALS = 3
"""Digits of a cell that are kept: finer than any colour scale, coarser than the noise of threads."""


def heat_map(output: ReaderOutput, presence: Presence, card: Card, shape: tuple[int, int]) -> HeatMap | None:
    """Make the heat map of one image, or None where none may be shown.

    None is shown if the reader gave none, if its explanation did not pass its
    faithfulness test, if the finding is absent (scaling nothing to full colour
    would be decoration), or if no place speaks for the finding.

    Parameters
    ----------
    output
        What the reader said.
    presence
        What became of it.
    card
        Tells whether the explanation passed.
    shape
        Rows and columns of the stored frame.

    Returns
    -------
    HeatMap
        1 at the place that speaks most for the finding, 0 where nothing does; inside the frame.
    """
    declared = card.declared(output.code or card.finding)
    has_passed = declared is not None and declared.explanation_passed
    if output.saliency is None or not has_passed or presence is Presence.ABSENT:
        return None
    whole = Box(0.0, 0.0, float(shape[1]), float(shape[0]))
    values, extent = clipped(_normalised(output.saliency), output.seen or whole, whole)
    if not values.any():
        return None
    return HeatMap(values, extent, output.frame, output.method)


def seen_box(crop: tuple[int, int, int, int], pad: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Box:
    """Part of the stored frame that a network's input covers.

    Parameters
    ----------
    crop
        First row, first column, row after the last and column after the last that were kept, pixels.
    pad
        Added above, left, below and right of the crop before it was resized, in the same pixels.

    Returns
    -------
    Box
        Reaches over the crop by the padding, and so perhaps over the frame.

    Examples
    --------
    >>> seen_box((10, 20, 110, 220), pad=(50, 0, 50, 0))
    Box(left_px=20.0, top_px=-40.0, width_px=200.0, height_px=200.0)
    """
    top, left, bottom, right = (crop[0] - pad[0], crop[1] - pad[1], crop[2] + pad[2], crop[3] + pad[3])
    return Box(float(left), float(top), float(right - left), float(bottom - top))


def clipped(values: Grid, extent: Box, frame: Box) -> tuple[Grid, Box]:
    """Cut a grid to the part of it that lies in the frame.

    Cells that the frame's edge runs through are cut there: the part is sampled
    anew (bilinear, at cell centres) on about as many cells as it covered.

    Parameters
    ----------
    values
        [row, column], tiling `extent`.
    extent, frame
        Boxes in pixels of the stored frame.

    Returns
    -------
    tuple
        Grid and the box that it tiles, inside `frame`.
    """
    left, width = _overlap(extent.left_px, extent.width_px, frame.left_px, frame.width_px)
    top, height = _overlap(extent.top_px, extent.height_px, frame.top_px, frame.height_px)
    if (left, top, width, height) == (extent.left_px, extent.top_px, extent.width_px, extent.height_px):
        return values, extent
    rows = _weights(values.shape[0], (top - extent.top_px) / extent.height_px, height / extent.height_px)
    columns = _weights(values.shape[1], (left - extent.left_px) / extent.width_px, width / extent.width_px)
    return (rows @ values @ columns.T).astype(np.float32), Box(left, top, width, height)


def _overlap(start: float, length: float, low: float, span: float) -> tuple[float, float]:
    """Start and length of the part of [start, start + length] that lies in [low, low + span]."""
    first, last = max(start, low), min(start + length, low + span)
    return first, max(last - first, 0.0)


def _weights(cells: int, start: float, share: float) -> Grid:
    """Weights [new cell, cell] that sample the part [start, start + share] of an axis of 0..1."""
    count = max(1, math.ceil(cells * share - 1e-9))
    centres = (start + (np.arange(count) + 0.5) / count * share) * cells - 0.5
    distance = np.abs(np.clip(centres, 0, cells - 1)[:, None] - np.arange(cells)[None, :])
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def _normalised(saliency: npt.NDArray[np.float32]) -> Grid:
    """Positive part over its maximum; all zeros where nothing is positive."""
    positive = np.maximum(saliency.astype(np.float32), 0.0)
    highest = float(positive.max(initial=0.0))
    return np.round(positive / highest, DECIMALS) if highest > 0 else positive
