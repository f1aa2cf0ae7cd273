"""Draws a found text's rectangle close around its strokes, so that little else is blanked.

A finder's rectangle is wider than the text, or misses its first or last letter. Along both axes the rectangle
goes as far as strokes as strong as the text's own go on beyond it, and within it gives up only where there is
hardly anything at all: over speckle nothing is given up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coread.governance.deidentify.pixels.finding import axes_of

_Vector = npt.NDArray[np.float64]
_Grid = npt.NDArray[np.float64]

# Chosen on development frames of benchmarks/deidentify_frames.py (docs/deidentification.md).
#: How far beyond the rectangle strokes are looked for, along and across the line, in parts of its thickness.
_ENDS, _SIDES = 0.8, 0.15
#: A stroke beyond the rectangle has this part of the text's own strength, one within it that.
_BEYOND, _WITHIN = 0.5, 0.08
#: Strokes beyond the rectangle are so many pixels in one column (or row).
_LEAST = 2
#: The text's strength is this quantile of what stands in the rectangle's middle, so large a part of it.
_QUANTILE, _MIDDLE = 0.9, 0.6
#: Border around the strokes, in parts of the thickness, and at least in pixels.
_PAD, _MIN_PX = 0.12, 2

Corners = tuple[tuple[float, float], ...]


def tightened(frame: npt.NDArray[np.uint8], corners: Corners) -> Corners:
    """Return the corners of the rectangle drawn close around the strokes.

    Parameters
    ----------
    frame
        uint8 [row, column] or [row, column, 3].
    corners
        Of the finder's rectangle, (column, row), in pixels.
    """
    middle, along, across = axes_of(np.array(corners, float))
    if np.linalg.norm(along) < np.linalg.norm(across):
        along, across = across, along
    halves = float(np.linalg.norm(along)), float(np.linalg.norm(across))
    reach = tuple(max(round(part * 2 * halves[1]), _MIN_PX) for part in (_ENDS, _SIDES))
    places = tuple(np.arange(-half - more, half + more + 1) for half, more in zip(halves, reach, strict=True))
    strokes = _strokes(_sampled(frame, middle, (along / halves[0], across / halves[1]), places))
    inner = np.ix_(np.abs(places[1]) <= halves[1] * _MIDDLE, np.abs(places[0]) <= halves[0] * _MIDDLE)
    strength = max(float(np.quantile(strokes[inner], _QUANTILE)), 1.0)
    pad = max(round(_PAD * 2 * halves[1]), _MIN_PX)
    low, high = _extent(strokes, places[0], halves[0], strength, pad)
    first, last = _extent(strokes.T, places[1], halves[1], strength, pad)
    u, v = along / halves[0], across / halves[1]
    return tuple(
        (float(x), float(y))
        for x, y in (
            middle + u * a + v * b for a, b in ((low, first), (high, first), (high, last), (low, last))
        )
    )


def _sampled(
    frame: npt.NDArray[np.uint8], middle: _Vector, axes: tuple[_Vector, _Vector], places: tuple[_Vector, ...]
) -> _Grid:
    """Return grey values in the rectangle's own coordinates, float [across, along], one pixel apart."""
    grey = frame if frame.ndim == 2 else frame.max(axis=2)
    along, across = np.meshgrid(*places)
    x = middle[0] + along * axes[0][0] + across * axes[1][0]
    y = middle[1] + along * axes[0][1] + across * axes[1][1]
    rows = np.clip(np.rint(y).astype(int), 0, grey.shape[0] - 1)
    columns = np.clip(np.rint(x).astype(int), 0, grey.shape[1] - 1)
    sampled: _Grid = grey[rows, columns].astype(np.float64)
    return sampled


def _strokes(grey: _Grid) -> _Grid:
    """Return how strongly each pixel differs from the one above and the one before it."""
    down = np.abs(np.diff(grey, axis=0, prepend=grey[:1]))
    right = np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))
    return np.maximum(down, right)


def _extent(strokes: _Grid, places: _Vector, half: float, strength: float, pad: int) -> tuple[float, float]:
    """Return from where to where strokes stand along the second axis, with the border."""
    beyond = (strokes >= _BEYOND * strength).sum(axis=0) >= _LEAST
    within = (strokes >= _WITHIN * strength).any(axis=0)
    held = np.nonzero(np.where(np.abs(places) <= half, within, beyond))[0]
    if not held.size:
        return float(places[0]), float(places[-1])
    low, high = places[held[0]] - pad, places[held[-1]] + pad
    return max(float(low), float(places[0])), min(float(high), float(places[-1]))
