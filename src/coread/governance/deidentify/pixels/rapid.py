"""Text found by RapidOCR (PP-OCR models in the wheel): an optional extra, ``pip install coread[deid]``.

The detector looks at each frame twice: as it is, and larger with local contrast levelled, so that faint and
small text stands out. Each place is read in the frame, and in the levelled one where that is not sure. What
the detector is sure of counts as text if anything can be made out; of what it is unsure only what reads
surely in one of them, or fairly in both, does: ribs, vertebrae and probes read otherwise each time. What
counts is drawn close around its strokes (`tightening`).
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
from coread.governance.deidentify.pixels.tightening import tightened

_Image = npt.NDArray[np.uint8]

#: The frame's shorter side is enlarged to this before the first and the second look, in pixels.
_SIDES_PX = (736, 1100)
#: From this side on a frame is not enlarged further, in pixels.
_MAX_SIDE_PX = 2000
# Chosen on the development frames of benchmarks/deidentify_frames.py (docs/deidentification.md).
_SURE, _UNSURE = 0.9, 0.12
#: Scores of a reading: sure in one look, fair in both, and made out at all.
_READ, _FAIR, _MADE_OUT = 0.75, 0.6, 0.35
_TALL = 1.5
#: A box within another, at least so large in comparison, is the same text.
_ALIKE = 0.5
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

    @property
    def area_px(self) -> float:
        left, top, right, bottom = self.bounds
        return (right - left) * (bottom - top)

    def stands_for(self, other: _Place) -> bool:
        """Tell whether another box lies within this one and is about as large: the same text, seen twice."""
        left, top, right, bottom = self.bounds
        is_within = all(left - 1 <= x <= right + 1 and top - 1 <= y <= bottom + 1 for x, y in other.corners)
        return is_within and self.score >= other.score and other.area_px >= _ALIKE * self.area_px


class RapidText:
    """A `TextFinder` by RapidOCR."""

    def __init__(self) -> None:
        self.name = f"rapidocr {version('rapidocr')}"

    def find(self, frame: _Image) -> Sequence[FoundText]:
        """Return every text of a frame, uint8 [row, column] or [row, column, 3]."""
        colour = frame if frame.ndim == 3 else np.repeat(frame[..., np.newaxis], 3, axis=2)
        bordered = np.pad(colour, ((_EDGE_PX, _EDGE_PX), (_EDGE_PX, _EDGE_PX), (0, 0)))
        views = (bordered, _levelled(bordered))
        places: list[_Place] = []
        for view, side_px in zip(views, _SIDES_PX, strict=True):
            found = list(_places(view, side_px))
            places = [p for p in places if not any(n.stands_for(p) for n in found)]
            places += [n for n in found if not any(p.stands_for(n) for p in places)]
        return [_drawn(frame, text) for place in places if (text := _judged(views, place)) is not None]


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR  # noqa: PLC0415 - heavy and optional

    levels = {"Global.text_score": 0.0, "Global.log_level": "critical", "Det.box_thresh": _UNSURE}
    return RapidOCR(params=levels)


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


def _places(view: _Image, side_px: int) -> Iterator[_Place]:
    shorter, longer = sorted(view.shape[:2])
    scale = min(max(1.0, side_px / shorter), max(1.0, _MAX_SIDE_PX / longer))
    answer = _engine()(_scaled(view, scale), use_det=True, use_cls=False, use_rec=False)
    if answer.boxes is None:
        return
    for box, score in zip(answer.boxes, answer.scores, strict=True):
        corners = tuple((float(x) / scale - _EDGE_PX, float(y) / scale - _EDGE_PX) for x, y in box)
        yield _Place(corners, float(score))


def _scaled(image: _Image, scale: float) -> _Image:
    if scale == 1.0:
        return np.ascontiguousarray(image)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _judged(views: Sequence[_Image], place: _Place) -> FoundText | None:
    """Read what stands in a place; None where it is taken for no text."""
    readings: list[tuple[str, float]] = []
    for view in views:
        readings.append(_read(view, place))
        if readings[-1][1] >= _READ:
            break
    text, score = max(readings, key=lambda read: read[1])
    is_read = score >= _READ or min(read for _, read in readings) >= _FAIR
    is_text = score >= _MADE_OUT if place.score >= _SURE else is_read and len(text.strip()) >= 2
    return FoundText(place.corners, text, score) if is_text else None


def _drawn(frame: _Image, found: FoundText) -> FoundText:
    return FoundText(tightened(frame, found.corners_xy_px), found.text, found.score, is_tight=True)


def _read(view: _Image, place: _Place) -> tuple[str, float]:
    crop = _turned_upright(view, place)
    if min(crop.shape[:2]) < 3:
        return "", 0.0
    tall = crop.shape[0] > _TALL * crop.shape[1]
    turned = (np.rot90(crop, -1), np.rot90(crop, 1)) if tall else (crop,)
    return max((_read_line(np.ascontiguousarray(line)) for line in turned), key=lambda read: read[1])


def _turned_upright(view: _Image, place: _Place) -> _Image:
    """Cut a place out of a bordered frame, a slanted one turned so that its line lies level."""
    corners = np.array(place.corners) + _EDGE_PX
    width = float(np.linalg.norm(corners[1] - corners[0]))
    height = float(np.linalg.norm(corners[3] - corners[0]))
    size = (max(round(width) + 2, 1), max(round(height) + 2, 1))
    first, second, third, fourth = (tuple(corner) for corner in corners)
    quad = (*first, *fourth, *third, *second)  # upper left, lower left, lower right, upper right
    picture = Image.fromarray(np.ascontiguousarray(view))
    return np.asarray(picture.transform(size, Image.Transform.QUAD, quad, resample=Image.Resampling.BICUBIC))


def _read_line(line: _Image) -> tuple[str, float]:
    answer = _engine()(line, use_det=False, use_cls=False, use_rec=True)
    if not answer.txts:
        return "", 0.0
    return str(answer.txts[0]), float(answer.scores[0])
