"""Text found by RapidOCR (PP-OCR models in the wheel): an optional extra, ``pip install coread[deid]``.

The detector looks at each frame twice, as it is and with local contrast levelled, so that faint text stands
out. Small frames are enlarged. What the detector is sure of counts as
text whether or not it can be read; of what it is unsure only what can be read does.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from coread.governance.deidentify.pixels.finding import FoundText

_Image = npt.NDArray[np.uint8]

#: The frame's shorter side is enlarged to this before the look, in pixels.
_SIDE_PX = 736
#: From this side on a frame is not enlarged further, in pixels.
_MAX_SIDE_PX = 2000
# Chosen on the development frames of benchmarks/deidentify_frames.py (docs/deidentification.md).
_SURE, _UNSURE, _READABLE = 0.85, 0.2, 0.5
_TALL = 1.5
#: Black border around the frame before the look: text at the very edge is missed without it.
_EDGE_PX = 24


def is_installed() -> bool:
    """Tell whether RapidOCR can be imported."""
    return importlib.util.find_spec("rapidocr") is not None


@dataclass(frozen=True, slots=True)
class _Place:
    """A box of the detector, in the frame's own pixels."""

    corners: tuple[tuple[float, float], ...]
    score: float

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        columns = [x for x, _ in self.corners]
        rows = [y for _, y in self.corners]
        return min(columns), min(rows), max(columns), max(rows)

    def holds(self, other: _Place) -> bool:
        """Tell whether another box lies within this one."""
        left, top, right, bottom = self.bounds
        return all(left - 1 <= x <= right + 1 and top - 1 <= y <= bottom + 1 for x, y in other.corners)


class RapidText:
    """A `TextFinder` by RapidOCR."""

    def __init__(self) -> None:
        self.name = f"rapidocr {version('rapidocr')}"

    def find(self, frame: _Image) -> Sequence[FoundText]:
        """Return every text of a frame, uint8 [row, column] or [row, column, 3]."""
        colour = frame if frame.ndim == 3 else np.repeat(frame[..., np.newaxis], 3, axis=2)
        places: list[_Place] = []
        for look, scale in _looks(colour):
            found = list(_places(look, scale))
            places = [p for p in places if not any(n.holds(p) and n.score >= p.score for n in found)]
            places += [n for n in found if not any(p.holds(n) and p.score >= n.score for p in places)]
        return [text for place in places if (text := _judged(colour, place)) is not None]


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR  # noqa: PLC0415 - heavy and optional

    levels = {"Global.text_score": 0.0, "Global.log_level": "critical", "Det.box_thresh": _UNSURE}
    return RapidOCR(params=levels)


def _looks(colour: _Image) -> Iterator[tuple[_Image, float]]:
    colour = np.pad(colour, ((_EDGE_PX, _EDGE_PX), (_EDGE_PX, _EDGE_PX), (0, 0)))
    shorter, longer = sorted(colour.shape[:2])
    scale = min(max(1.0, _SIDE_PX / shorter), max(1.0, _MAX_SIDE_PX / longer))
    yield _scaled(colour, scale), scale
    yield _scaled(_levelled(colour), scale), scale


def _scaled(image: _Image, scale: float) -> _Image:
    if scale == 1.0:
        return np.ascontiguousarray(image)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _levelled(image: _Image) -> _Image:
    """Stretch each place by its own neighbourhood, so that faint text stands out."""
    grey = image.max(axis=2).astype(np.float64)
    radius = 24
    mean = _box_mean(grey, radius)
    spread = np.sqrt(np.maximum(_box_mean(grey**2, radius) - mean**2, 0))
    level = 128 + 48 * (grey - mean) / (spread + 4)
    return np.repeat(level.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _box_mean(values: npt.NDArray[np.float64], radius: int) -> npt.NDArray[np.float64]:
    size = 2 * radius + 1
    padded = np.pad(values, ((radius + 1, radius), (radius + 1, radius)), mode="edge").cumsum(0).cumsum(1)
    total = padded[size:, size:] - padded[:-size, size:] - padded[size:, :-size] + padded[:-size, :-size]
    mean: npt.NDArray[np.float64] = total / size**2
    return mean


def _places(look: _Image, scale: float) -> Iterator[_Place]:
    answer = _engine()(look, use_det=True, use_cls=False, use_rec=False)
    if answer.boxes is None:
        return
    for box, score in zip(answer.boxes, answer.scores, strict=True):
        corners = tuple((float(x) / scale - _EDGE_PX, float(y) / scale - _EDGE_PX) for x, y in box)
        yield _Place(corners, float(score))


def _judged(colour: _Image, place: _Place) -> FoundText | None:
    """Read what stands in a place; None where the detector is unsure and nothing can be read."""
    text, score = _read(colour, place)
    if place.score < _SURE and (score < _READABLE or len(text.strip()) < 2):
        return None
    return FoundText(place.corners, text, score)


def _read(colour: _Image, place: _Place) -> tuple[str, float]:
    left, top, right, bottom = place.bounds
    crop = colour[max(int(top) - 1, 0) : int(bottom) + 2, max(int(left) - 1, 0) : int(right) + 2]
    if min(crop.shape[:2]) < 3:
        return "", 0.0
    tall = crop.shape[0] > _TALL * crop.shape[1]
    turned = (np.rot90(crop, -1), np.rot90(crop, 1)) if tall else (crop,)
    return max((_read_line(np.ascontiguousarray(line)) for line in turned), key=lambda read: read[1])


def _read_line(line: _Image) -> tuple[str, float]:
    answer = _engine()(line, use_det=False, use_cls=False, use_rec=True)
    if not answer.txts:
        return "", 0.0
    return str(answer.txts[0]), float(answer.scores[0])
