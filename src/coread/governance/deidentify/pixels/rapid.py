"""Text found by RapidOCR (PP-OCR models in the wheel): an optional extra, ``pip install coread[deid]``.

The detector looks at each frame several times: as it is, with local contrast levelled and inverted, and
with all flattened but thin strokes (`views`), so that faint and small text stands out. A frame that is
enlarged much is seen worse: speckle then looks like strokes. Each place is read in the frame, and in the
levelled one where that is not sure. What the detector is sure of counts as text if anything can be made
out; of what it is unsure only what reads surely in one of them, or fairly in both, does: ribs, vertebrae
and probes read otherwise each time. What counts is drawn close around its strokes (`tightening`), of boxes
that say the same the closest is kept, and a large one is narrowed by reading (`narrowing`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from coread.governance.deidentify.pixels.finding import FoundText
from coread.governance.deidentify.pixels.narrowing import is_large, narrowed
from coread.governance.deidentify.pixels.tightening import tightened
from coread.governance.deidentify.pixels.views import Views

_Image = npt.NDArray[np.uint8]

#: A frame's shorter side is enlarged to this, its longer one made no longer than that, in pixels.
_SIDE_PX, _MAX_SIDE_PX = 528, 1984
#: The detector's network takes multiples of this, in pixels.
_STEP_PX = 32
# Chosen on the development frames of benchmarks/deidentify_frames.py (docs/deidentification.md).
_SURE, _UNSURE, _INK = 0.9, 0.12, 0.2
#: Scores of a reading: sure in one look, fair in both, and made out at all.
_READ, _FAIR, _MADE_OUT = 0.75, 0.6, 0.35
_TALL = 1.5
#: A box within another, at least so large in comparison, is the same text.
_ALIKE = 0.5
#: Letters are at most so large a part of the frame's shorter side; an ultrasound's whole sector is no text.
_LARGEST = 0.25
#: Of two boxes of one text the closer one lies to this part on the other; from so many letters on, readings
#: that agree in such a part are of one text.
_ON_IT, _SEVERAL, _LIKE = 0.6, 4, 0.6
#: Black border around the frame before the look: text at the very edge is missed without it.
_EDGE_PX = 24
#: What is looked at, and how fine: in parts of the size that `_SIDE_PX` gives.
_LOOKS: tuple[tuple[Callable[[Views], _Image], float], ...] = (
    (lambda views: views.plain, 1.0),
    (lambda views: views.strokes, 1.4),
    (lambda views: 255 - views.levelled, 1.4),
    (lambda views: views.strokes, 1.7),
)


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

    def is_line_in(self, frame: _Image) -> bool:
        """Tell whether the box may hold a line of text: no letters are so large a part of a frame."""
        corners = np.array(self.corners)
        sides = (np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[3] - corners[0]))
        return bool(min(sides) <= _LARGEST * min(frame.shape[:2]))

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
        views = Views(bordered)
        places: list[_Place] = []
        for look, fineness in _LOOKS:
            found = [place for place in _places(look(views), fineness) if place.is_line_in(frame)]
            places = [p for p in places if not any(n.stands_for(p) for n in found)]
            places += [n for n in found if not any(p.stands_for(n) for p in places)]
        judged = (_judged((views.plain, views.levelled), place) for place in places)
        wide = {_drawn(frame, text): text for text in judged if text is not None}
        reads = [partial(_read_within, view) for view in (views.plain, views.levelled)]
        return [
            narrowed(wide[text], text, reads) if is_large(text.corners_xy_px, frame.shape) else text
            for text in _closest(list(wide))
        ]


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR  # noqa: PLC0415 - heavy and optional

    levels = {"Global.text_score": 0.0, "Det.box_thresh": _UNSURE, "Det.thresh": _INK}
    # The sizes of the looks are chosen here. More threads cost half as much processor time again, in waiting.
    as_given = {"Det.limit_side_len": 32, "EngineConfig.onnxruntime.intra_op_num_threads": 1}
    return RapidOCR(params={"Global.log_level": "critical", **levels, **as_given})


def _places(view: _Image, fineness: float) -> Iterator[_Place]:
    shorter, longer = sorted(view.shape[:2])
    seen = _scaled(view, min(fineness * max(1.0, _SIDE_PX / shorter), _MAX_SIDE_PX / longer))
    answer = _engine()(seen, use_det=True, use_cls=False, use_rec=False)
    if answer.boxes is None:
        return
    across, down = seen.shape[1] / view.shape[1], seen.shape[0] / view.shape[0]
    for box, score in zip(answer.boxes, answer.scores, strict=True):
        corners = tuple((float(x) / across - _EDGE_PX, float(y) / down - _EDGE_PX) for x, y in box)
        yield _Place(corners, float(score))


def _scaled(image: _Image, scale: float) -> _Image:
    """Resize to whole steps of the network: it would else resize once more, and blur what is thin."""
    rows, columns = (max(round(side * scale / _STEP_PX), 1) * _STEP_PX for side in image.shape[:2])
    if (rows, columns) == image.shape[:2]:
        return np.ascontiguousarray(image)
    return np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BICUBIC))


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


def _closest(texts: Sequence[FoundText]) -> list[FoundText]:
    """Leave out a box most of whose line another, closer one holds, surely read and with no letter less."""
    return [text for text in texts if not any(_says_closer(other, text) for other in texts)]


def _says_closer(near: FoundText, wide: FoundText) -> bool:
    if near is wide or near.score < _READ or not _says_no_more(wide.text, near.text):
        return False
    (low, high), (first, last) = _corner_range(near), _corner_range(wide)
    shared = np.minimum(high, last) - np.maximum(low, first)
    area_px = float(np.prod(high - low))
    is_on_it = bool((shared > 0).all()) and float(np.prod(shared)) >= _ON_IT * area_px
    return is_on_it and area_px < float(np.prod(last - first))


def _says_no_more(wide: str, near: str) -> bool:
    """Tell whether a reading is another or, among several letters, one like it and no longer.

    Lengths are compared with all marks: where one reading has a letter the other may have a mark.
    """
    of_wide, of_near = _letters(wide), _letters(near)
    if len(of_near) < _SEVERAL or of_wide == of_near:
        return bool(of_near) and of_wide == of_near
    is_longer = len("".join(wide.split())) > len("".join(near.split()))
    return not is_longer and SequenceMatcher(None, of_near, of_wide).ratio() >= _LIKE


def _corner_range(text: FoundText) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    corners = np.array(text.corners_xy_px, float)
    return corners.min(axis=0), corners.max(axis=0)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _read_within(view: _Image, corners: tuple[tuple[float, float], ...]) -> tuple[str, float]:
    return _read(view, _Place(corners, 1.0))


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
