"""Masks as run lengths and as outlines, in the conventions of COCO.

Run lengths count pixels down the columns, from the top left, beginning with background (uncompressed RLE of
the COCO format, https://cocodataset.org/#format-data). They are exact, small and need no file of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]
Size = tuple[int, int]


def runs_of(mask: Mask) -> tuple[int, ...]:
    """Run lengths of a mask, bool [row, column].

    Examples
    --------
    >>> runs_of(np.array([[False, True], [False, True]]))
    (2, 2)
    >>> runs_of(np.array([[True], [False]]))
    (0, 1, 1)
    """
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], ends, [flat.size]]))
    starts_with_mask = flat.size > 0 and bool(flat[0])
    return (*((0,) if starts_with_mask else ()), *(int(length) for length in lengths))


def mask_of(runs: Sequence[float], rows: int, columns: int) -> Mask:
    """Mask bool [row, column] of run lengths.

    Raises
    ------
    ValueError
        If the run lengths do not fill the image exactly.
    """
    lengths = np.asarray(runs, dtype=np.int64)
    if lengths.size == 0 or (lengths < 0).any() or int(lengths.sum()) != rows * columns:
        raise ValueError(f"run lengths over {int(lengths.sum())} pixels for an image of {rows * columns}")
    flat = np.repeat(np.arange(lengths.size) % 2 == 1, lengths)
    return flat.reshape((rows, columns), order="F")


def filled(outline: Sequence[float], rows: int, columns: int) -> Mask:
    """Mask bool [row, column] of a closed outline (x0, y0, x1, y1, ...): pixels whose centre lies inside.

    Where the outline crosses itself, what is enclosed twice lies outside (even-odd rule).
    """
    corners = np.asarray(outline, dtype=np.float64).reshape(-1, 2)
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    mask = np.zeros((rows, columns), dtype=bool)
    centres = np.arange(columns) + 0.5
    for row in range(max(0, int(y0.min(initial=0))), min(rows, int(np.ceil(y0.max(initial=0))))):
        at = row + 0.5
        crossed = (y0 <= at) != (y1 <= at)
        share = (at - y0[crossed]) / (y1[crossed] - y0[crossed])
        ends = np.sort(x0[crossed] + share * (x1[crossed] - x0[crossed]))
        mask[row] = np.searchsorted(ends, centres) % 2 == 1
    return mask


def moved(
    kind: str, region: Sequence[float], placed: tuple[float, float, float, float], sizes: tuple[Size, Size]
) -> tuple[float, ...]:
    """Take a label's region along when its image was scaled and shifted.

    Parameters
    ----------
    kind, region
        Of the label.
    placed
        (row scale, column scale, row shift, column shift).
    sizes
        (rows, columns) before and after.
    """
    down, across, shift_down, shift_across = placed
    if kind == "mask" and region:
        return _moved_mask(region, placed, sizes)
    if kind == "box" and region:
        x, y, width, height = region
        return (x * across + shift_across, y * down + shift_down, width * across, height * down)
    scales = (across, down) * (len(region) // 2)
    shifts = (shift_across, shift_down) * (len(region) // 2)
    return tuple(at * scale + shift for at, scale, shift in zip(region, scales, shifts, strict=True))


def _moved_mask(
    region: Sequence[float], placed: tuple[float, float, float, float], sizes: tuple[Size, Size]
) -> tuple[float, ...]:
    """A pixel belongs to the moved mask if at least half of what it shows did."""
    (rows, columns), (new_rows, new_columns) = sizes
    down, across, shift_down, shift_across = placed
    grey = Image.fromarray(mask_of(region, rows, columns).astype(np.float32))
    size = (max(1, round(columns * across)), max(1, round(rows * down)))
    scaled = np.asarray(grey.resize(size, Image.Resampling.BOX)) >= 0.5
    canvas = np.zeros((new_rows, new_columns), dtype=bool)
    top, left = round(shift_down), round(shift_across)
    canvas[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return runs_of(canvas)


def uncompressed(text: str) -> tuple[int, ...]:
    """Run lengths of COCO's compressed text.

    Six bits of each character from "0" on, the lowest five first, the sixth bit says that more follow, and
    from the third run on each is the difference to the one before the last (pycocotools, ``rleFrString``).

    Raises
    ------
    ValueError
        If the text is cut short or holds other characters.
    """
    runs: list[int] = []
    at = 0
    while at < len(text):
        value, at = _one_number(text, at)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return tuple(runs)


def _one_number(text: str, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(text) or not 0 <= (bits := ord(text[at]) - 48) < 64:
            raise ValueError("a compressed mask that is cut short or holds a strange character")
        value |= (bits & 0x1F) << shift
        at, shift = at + 1, shift + 5
        if not bits & 0x20:
            return value - (1 << shift if bits & 0x10 else 0), at
