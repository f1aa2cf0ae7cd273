"""From an object's pixels to the places that are blanked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.dicom import DicomObject
from coread.governance.deidentify.pixels.finding import FoundText, TextFinder
from coread.governance.deidentify.pixels.image import ImageFacts
from coread.governance.deidentify.pixels.painting import Painted, blank
from coread.governance.deidentify.pixels.places import device_places, outside_ultrasound
from coread.governance.deidentify.stream import Element, Item
from coread.governance.deidentify.stream.elements import EXPLICIT_BIG
from coread.governance.deidentify.texts import Known

#: Objects of up to so many frames have every frame looked at; of longer ones so many, and two projections.
_EACH_FRAME = 12


@dataclass(frozen=True)
class PixelFindings:
    """What was found in the pixels of one object, and what they became."""

    looked_at: bool
    """Whether text was searched for by a finder."""
    texts: tuple[FoundText, ...] = ()
    """Blanked texts. Hold names: for the reviewer only."""
    left: tuple[str, ...] = ()
    """Texts that were read and left because they name nobody."""
    painted: Painted | None = None
    """The new pixel data, None where nothing was blanked."""
    mask: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    """What was blanked, bool [row, column]."""
    refusal: str = ""
    """Why the object may not go out, empty where it may."""


@cache
def _harmless() -> tuple[float, tuple[re.Pattern[str], ...]]:
    data = tomllib.loads(files(__package__).joinpath("harmless.toml").read_text(encoding="utf-8"))
    return float(data["min_score"]), tuple(re.compile(p) for p in data["patterns"])


def is_harmless(found: FoundText, known: Known) -> bool:
    """Tell whether a burned-in text names nobody and was read surely enough to say so."""
    min_score, shapes = _harmless()
    text = found.text.strip()
    if found.score < min_score or not text or known.is_in(text):
        return False
    return any(shape.fullmatch(text) for shape in shapes)


def clean_pixels(
    elements: Item,
    image: ImageFacts,
    opened: DicomObject,
    facts: Mapping[str, str],
    judge: Judge,
) -> PixelFindings:
    """Find and blank burned-in text.

    Without a finder only what is known beforehand is blanked: a device's places and, in ultrasound, all that
    lies outside the regions. An image for which neither is known is refused.

    Parameters
    ----------
    elements
        The data set before it was de-identified.
    image
        Its Image Pixel module.
    opened
        The object, for its frames.
    facts
        Keyword to text, for the device's places.
    judge
        Who finds text and says what may stay.

    Raises
    ------
    UnsupportedPixels, BrokenPixelData
        If the pixels cannot be decoded.
    """
    shape = (image.rows, image.columns)
    mask = device_places(facts, shape)
    if judge.finder is None:
        outside = outside_ultrasound(elements, shape, big=image.transfer_syntax_uid == EXPLICIT_BIG)
        if outside is None and not mask.any():
            return PixelFindings(False, refusal="burned-in text is likely and no text finder is installed")
        mask |= outside if outside is not None else False
        return PixelFindings(False, painted=_blanked(elements, image, mask, opened), mask=mask)
    texts = [found for frame in frames_to_look_at(opened, image) for found in judge.finder.find(frame)]
    blanked = [t for t in texts if not (judge.keeps_harmless and is_harmless(t, judge.known))]
    for found in blanked:
        mask |= found.mask(shape)
    return PixelFindings(
        looked_at=True,
        texts=tuple(blanked),
        left=tuple(sorted({t.text for t in texts} - {t.text for t in blanked})),
        painted=_blanked(elements, image, mask, opened) if mask.any() else None,
        mask=mask,
    )


@dataclass(frozen=True, slots=True)
class Judge:
    """Who finds text, and what may stay."""

    finder: TextFinder | None
    known: Known
    keeps_harmless: bool


def frames_to_look_at(opened: DicomObject, image: ImageFacts) -> Sequence[npt.NDArray[np.uint8]]:
    """Return the frames in which text is searched: all of a short object, of a long one some and projections.

    Text stands still while tissue moves: the brightest and the darkest value over all frames show text
    that stands in any frame, unless tissue of the same brightness passes behind it.
    """
    if image.frames <= _EACH_FRAME:
        return [opened.rendered(number) for number in range(1, image.frames + 1)]
    chosen = {round(n) for n in np.linspace(1, image.frames, _EACH_FRAME)}
    brightest: Any = None
    darkest: Any = None
    kept = []
    for number in range(1, image.frames + 1):
        frame = opened.rendered(number)
        brightest = frame if brightest is None else np.maximum(brightest, frame)
        darkest = frame if darkest is None else np.minimum(darkest, frame)
        if number in chosen:
            kept.append(frame)
    return [*kept, brightest, darkest]


def _blanked(elements: Item, image: ImageFacts, mask: npt.NDArray[np.bool_], opened: DicomObject) -> Painted:
    pixels: Element = next(e for e in elements if e.tag == 0x7FE00010)
    native = None if pixels.encapsulated else pixels.value
    return blank(native, image, mask, opened)
