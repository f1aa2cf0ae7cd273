"""Pictures before and after, and rectangles that an officer draws."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from coread.dicom import open_object
from coread.errors import BadQuery, NotFound
from coread.governance.deidentify.repainting import repaint
from coread.governance.exports.job import Box, Held, StudyPart
from coread.governance.exports.shelf import Shelf

Originals: TypeAlias = Mapping[str, Callable[[str], bytes]]

#: Of the outline around what is blank: seen on black and on white, and by those who tell no red from green.
_OUTLINE = np.array((255, 176, 0), np.uint8)
_OUTLINE_PX = 2
_SMALLEST_PX = 2


class Painter:
    """Paints the objects of waiting jobs.

    Parameters
    ----------
    originals
        Kind of source to what gives an original's bytes.
    """

    def __init__(self, originals: Originals) -> None:
        self._originals = originals

    def picture(self, shelf: Shelf, place: tuple[int, int], side: str, frame: int) -> bytes:
        """Return a frame as PNG: ``before`` with what is blank outlined, or ``after``.

        Raises
        ------
        NotFound
            If there is no such object, frame or side.
        """
        held = _object(shelf.study(place[0]), place[1])
        if side not in ("before", "after") or not 1 <= frame <= held.frames:
            raise NotFound("a picture that is not there", f"before or after, frame 1 to {held.frames}")
        data = self._original(shelf, held) if side == "before" else (shelf.held / held.target).read_bytes()
        shown = open_object(data).rendered(frame)
        colour = shown if shown.ndim == 3 else np.repeat(shown[..., np.newaxis], 3, axis=2)
        if side == "before":
            colour = _outlined(colour, _mask_of(shelf, place[0], held))
        file = io.BytesIO()
        Image.fromarray(colour).save(file, "PNG", compress_level=1)
        return file.getvalue()

    def add(self, shelf: Shelf, place: tuple[int, int], box: Box, *, whole_series: bool) -> int:
        """Draw a box into an object, or into all of its series that are as large; return into how many.

        Raises
        ------
        NotFound, BadQuery
            If there is no such object, or the box is not inside it.
        """
        study = shelf.study(place[0])
        drawn_on = _object(study, place[1])
        _check(box, drawn_on)
        chosen = {drawn_on.number}
        if whole_series:
            chosen |= {each.number for each in study.held if _is_alike(each, drawn_on)}
        for number in sorted(chosen):
            held = _object(study, number)
            study = self._repainted(shelf, study, dataclasses.replace(held, boxes=(*held.boxes, box)))
        shelf.keep_study(study)
        return len(chosen)

    def take_back(self, shelf: Shelf, place: tuple[int, int], index: int) -> None:
        """Take back one box of one object.

        Raises
        ------
        NotFound
            If there is none.
        """
        study = shelf.study(place[0])
        held = _object(study, place[1])
        if not 0 <= index < len(held.boxes):
            raise NotFound("a box that is not there", "one that was drawn", "load the page anew")
        boxes = held.boxes[:index] + held.boxes[index + 1 :]
        shelf.keep_study(self._repainted(shelf, study, dataclasses.replace(held, boxes=boxes)))

    def _repainted(self, shelf: Shelf, study: StudyPart, held: Held) -> StudyPart:
        mask = _mask_of(shelf, study.number, held)
        now = (shelf.held / held.target).read_bytes()
        data = repaint(self._original(shelf, held), now, mask)
        shelf.replace_held(held.target, data)
        changed = dataclasses.replace(
            held, share_blanked=float(mask.mean()), sha256=hashlib.sha256(data).hexdigest()
        )
        objects = tuple(changed if each.number == held.number else each for each in study.held)
        return dataclasses.replace(study, held=objects)

    def _original(self, shelf: Shelf, held: Held) -> bytes:
        return self._originals[shelf.job().kind](held.source)


def _object(study: StudyPart, number: int) -> Held:
    found = next((held for held in study.held if held.number == number), None)
    if found is None or not found.has_pixels:
        raise NotFound("an image that the export does not hold", "one of the study's", "load the page anew")
    return found


def _is_alike(each: Held, drawn_on: Held) -> bool:
    return (each.series_uid, each.rows, each.columns) == (
        drawn_on.series_uid,
        drawn_on.rows,
        drawn_on.columns,
    )


def _check(box: Box, held: Held) -> None:
    is_inside = (
        min(box.left_px, box.top_px) >= 0
        and min(box.width_px, box.height_px) >= _SMALLEST_PX
        and box.left_px + box.width_px <= held.columns
        and box.top_px + box.height_px <= held.rows
    )
    if not is_inside:
        raise BadQuery(
            "a box that is not inside the image",
            f"0 to {held.columns} across, 0 to {held.rows} down, at least {_SMALLEST_PX} pixels each way",
            "correct the four numbers",
        )


def _mask_of(shelf: Shelf, study: int, held: Held) -> npt.NDArray[np.bool_]:
    shape = (held.rows, held.columns)
    mask = shelf.mask(study, held.number, shape).copy()
    for box in held.boxes:
        mask |= box.mask(shape)
    return mask


def _outlined(colour: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Return the picture with a line around the mask, outside of it, so that what is below can be read."""
    grown = mask
    for _ in range(_OUTLINE_PX):
        padded = np.pad(grown, 1)
        grown = np.logical_or.reduce([
            padded[1 + down : 1 + down + mask.shape[0], 1 + right : 1 + right + mask.shape[1]]
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        ])  # fmt: skip
    outlined = colour.copy()
    outlined[grown & ~mask] = _OUTLINE
    return outlined
