"""Text found by RapidOCR (PP-OCR models in the wheel): an optional extra, ``pip install coread[deid]``.

The detector looks at each frame several times, because what it misses in one look it finds in another: as it
is, and with local contrast levelled (faint text). Small frames are enlarged. What the detector is sure
of counts as text whether or not it can be read; of what it is unsure only what can be read does.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from coread.governance.deidentify.pixels.finding import FoundText

_Image = npt.NDArray[np.uint8]

#: The frame's shorter side is enlarged to at least this before the look, in pixels.
_MIN_SIDE_PX = 640
#: Longest side in the detector, in pixels.
_MAX_SIDE_PX = 1280
_READABLE = 0.5


def is_installed() -> bool:
    """Tell whether RapidOCR can be imported."""
    return importlib.util.find_spec("rapidocr") is not None


class RapidText:
    """A `TextFinder` by RapidOCR."""

    def __init__(self) -> None:
        self.name = f"rapidocr {version('rapidocr')}"

    def find(self, frame: _Image) -> Sequence[FoundText]:
        """Return every text of a frame, uint8 [row, column] or [row, column, 3]."""
        found: list[FoundText] = []
        for look, scale in _looks(frame):
            found += [text for text in _texts(look, scale) if not _is_among(text, found)]
        return found


@cache
def _engine() -> Any:
    logging.disable(logging.INFO)
    from rapidocr import RapidOCR  # noqa: PLC0415 - heavy and optional

    logging.disable(logging.NOTSET)
    return RapidOCR(params={"Global.text_score": 0.0, "Global.log_level": "critical"})


def _looks(frame: _Image) -> Iterator[tuple[_Image, float]]:
    colour = frame if frame.ndim == 3 else np.repeat(frame[..., np.newaxis], 3, axis=2)
    scale = max(1.0, _MIN_SIDE_PX / min(colour.shape[:2]))
    yield _scaled(colour, scale), scale
    yield _scaled(_levelled(colour), scale), scale


def _scaled(image: _Image, scale: float) -> _Image:
    if scale == 1.0:
        return np.ascontiguousarray(image)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _levelled(image: _Image) -> _Image:
    """Stretch each place by its own neighbourhood, so that faint text stands out."""
    grey = image.max(axis=2).astype(np.float32)
    radius = 24
    mean = _box_mean(grey, radius)
    spread = np.sqrt(np.maximum(_box_mean(grey**2, radius) - mean**2, 0))
    level = 128 + 48 * (grey - mean) / (spread + 4)
    return np.repeat(level.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _box_mean(values: npt.NDArray[np.float32], radius: int) -> npt.NDArray[np.float32]:
    padded = np.pad(values.astype(np.float64), radius + 1, mode="edge").cumsum(0).cumsum(1)
    size = 2 * radius + 1
    total = padded[size:, size:] - padded[:-size, size:] - padded[size:, :-size] + padded[:-size, :-size]
    return (total[: values.shape[0], : values.shape[1]] / size**2).astype(np.float32)


def _texts(look: _Image, scale: float) -> Iterator[FoundText]:
    answer = _engine()(look)
    if answer.boxes is None:
        return
    for box, text, score in zip(answer.boxes, answer.txts, answer.scores, strict=True):
        corners = tuple((float(x) / scale, float(y) / scale) for x, y in box)
        yield FoundText(corners, str(text), float(score))


def _is_among(text: FoundText, others: Sequence[FoundText]) -> bool:
    return any(_inside(text, other) for other in others)


def _inside(inner: FoundText, outer: FoundText) -> bool:
    left, top, right, bottom = _bounds(outer)
    return all(left - 1 <= x <= right + 1 and top - 1 <= y <= bottom + 1 for x, y in inner.corners_xy_px)


def _bounds(text: FoundText) -> tuple[float, float, float, float]:
    columns = [x for x, _ in text.corners_xy_px]
    rows = [y for _, y in text.corners_xy_px]
    return min(columns), min(rows), max(columns), max(rows)
