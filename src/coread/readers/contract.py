"""What a plug-in author writes: a reader, and what it hands back for one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import Box, Measurement
from coread.domain.reading import Reason
from coread.domain.study import Study
from coread.readers.uncertainty import Calibration

if TYPE_CHECKING:
    from coread.dicom import DicomObject


@dataclass(frozen=True, slots=True)
class Machine:
    """What the clinic lends a reader of this computer."""

    threads: int = 1
    """Processor threads that one call of `read` may use."""


@dataclass(frozen=True, slots=True)
class Case:
    """One version of one study, with the images that a reader is given.

    Results of readers are never among the images (:func:`coread.routing.originals`).
    """

    study: Study
    study_version: int
    """1 for the first complete state of the study, then counting up."""
    images: tuple[DicomObject, ...]


@dataclass(frozen=True, slots=True)
class Unfit:
    """The reader looked at the pixels and found that this image is none of its kind."""

    reason: Reason


@dataclass(frozen=True, slots=True, eq=False)
class ReaderOutput:
    """What a reader says of one image, before calibration.

    The reader gives its raw score; whether that means present, absent or "I do
    not know" is decided by its calibration and its card, the same way for every
    reader.
    """

    score: float
    """The reader's own number, finite; rises with the probability of the finding."""
    doubt: Reason | None = None
    """Why the reader does not trust this score; the run then abstains on this image."""
    saliency: npt.NDArray[np.float32] | None = None
    """Contribution of each place to the score, [row, column], finite, any range; positive speaks for it."""
    seen: Box | None = None
    """Part of the stored frame that `saliency` is stretched over, pixels; the whole frame if left out.
    May reach over the frame's edge where the reader padded."""
    method: str = ""
    """Name of the method that made `saliency`, e.g. ``class activation map``."""
    frame: int = 1
    """Frame that was read, counted from 1."""
    site: Code | None = None
    """Where in the body."""
    boxes: tuple[Box, ...] = ()
    """Places, in pixels of the stored frame; inside the frame."""
    measurements: tuple[Measurement, ...] = ()

    def __post_init__(self) -> None:
        if not np.isfinite(self.score):
            raise ValueError("A score must be a finite number.")
        if self.saliency is not None and (self.saliency.ndim != 2 or not np.isfinite(self.saliency).all()):
            raise ValueError(f"A saliency must be finite [row, column], got shape {self.saliency.shape}.")
        if self.seen is not None and min(self.seen.width_px, self.seen.height_px) <= 0:
            raise ValueError(f"The seen part must have a size, got {self.seen}.")


@runtime_checkable
class Reader(Protocol):
    """An AI reader of images.

    A reader is a pure function with a name: it opens no network connection,
    keeps nothing between calls, never writes to the pixels it is given, and
    answers the same image in the same way. It may be called from several
    threads at a time.

    Refusing and doubting are values. An exception means that the reader is
    broken; the run then ends as ``failed`` and other readers go on. How long a
    reader may take is watched by the engine that calls it, not here.
    """

    @property
    def card(self) -> Card:
        """What the reader is, on paper."""
        ...

    @property
    def calibration(self) -> Calibration:
        """How its score becomes a probability."""
        ...

    def accepts(self, image: DicomObject) -> Reason | None:
        """Say from the header why `image` is none of this reader's kind, or None to look at it.

        Meant to be cheap: what needs the pixels belongs into `read`, so that they
        are decoded once.
        """
        ...

    def read(self, image: DicomObject) -> ReaderOutput | Unfit:
        """Read one accepted image.

        Raises
        ------
        InputFault
            If the pixels cannot be decoded; the run refuses the image with that reason.
        """
        ...


ReaderFactory = Callable[[Machine], Reader]
"""What an entry point of the group ``coread.readers`` names: called once, when the reader is first needed."""
