"""What a plug-in author writes: a reader, and what it hands back for one image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import (
    Box,
    Characteristic,
    Confidence,
    Finding,
    Measurement,
    Outline,
    SimilarCase,
)
from coread.domain.reading import Prompt, Reason
from coread.domain.study import Study
from coread.readers.uncertainty import Calibration

if TYPE_CHECKING:
    from coread.dicom import DicomObject


@dataclass(frozen=True, slots=True)
class Machine:
    """What the clinic lends a reader of this computer."""

    threads: int = 1
    """Processor threads that one call of `read` may use."""
    memory_mb: int = 4096
    """Memory of each process in which a network is computed that does not come with CoRead, MiB."""


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
    """What a reader says of one finding on one image, before calibration.

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
    code: Code | None = None
    """Which of the findings that the card declares; the main one if left out."""
    outlines: tuple[Outline, ...] = ()
    """What it covers, one mask for each frame; on images that the reader was given."""
    characteristics: tuple[Characteristic, ...] = ()
    """How it looks, calibrated by the reader itself."""
    similar: tuple[SimilarCase, ...] = ()
    """Cases of the training data that look like it, the most similar first."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.score):
            raise ValueError("A score must be a finite number.")
        if self.saliency is not None and (self.saliency.ndim != 2 or not np.isfinite(self.saliency).all()):
            raise ValueError(f"A saliency must be finite [row, column], got shape {self.saliency.shape}.")
        if self.seen is not None and min(self.seen.width_px, self.seen.height_px) <= 0:
            raise ValueError(f"The seen part must have a size, got {self.seen}.")


Said: TypeAlias = ReaderOutput | Sequence[ReaderOutput] | Unfit
"""What a reader answers to one image or one prompt."""


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

    def read(self, image: DicomObject) -> Said:
        """Read one accepted image.

        Returns
        -------
        ReaderOutput, sequence of ReaderOutput, or Unfit
            One output for each finding. A finding that is not there is said by a low score, so that the
            doctor sees that it was looked for; several outputs may bear the same code (two nodules).

        Raises
        ------
        InputFault
            If the pixels cannot be decoded; the run refuses the image with that reason.
        """
        ...


@runtime_checkable
class PromptedReader(Protocol):
    """A reader that answers where a doctor points to; all that is said of `Reader` holds for it too.

    It may also `read`, and is then a `Reader` besides. Its card has a `Prompting`.
    """

    @property
    def card(self) -> Card:
        """What the reader is, on paper."""
        ...

    @property
    def calibration(self) -> Calibration:
        """How the score of the main finding becomes a probability."""
        ...

    def accepts(self, image: DicomObject) -> Reason | None:
        """Say from the header why the asked image is none of this reader's kind."""
        ...

    def read_at(self, images: Sequence[DicomObject], prompt: Prompt) -> Said:
        """Look at one place.

        Parameters
        ----------
        images
            The asked image and its neighbours: images of the same series, orientation and size that lie
            within the card's `Prompting.reach_mm`, along the normal of their planes, in the sense in which
            its greatest component is positive (to the head for axial slices). Images without a place in
            the patient come alone, as an object of several frames does.
        prompt
            Point or box; inside the frame. `prompt.image` is one of `images`.

        Returns
        -------
        ReaderOutput, sequence of ReaderOutput, or Unfit
            As for `Reader.read`; boxes, saliency and `frame` speak of the asked image, outlines of any.
        """
        ...


@runtime_checkable
class Calibrated(Protocol):
    """What a reader of several findings has besides: one calibration for each."""

    @property
    def calibrations(self) -> Mapping[str, Calibration]:
        """Calibration of each finding by its code value; the main one may be left to `calibration`."""
        ...


@runtime_checkable
class Reconsidering(Protocol):
    """What a reader has besides whose answer follows from characteristics that a doctor may correct."""

    def reconsider(self, finding: Finding) -> Confidence:
        """Answer anew from the characteristics and measurements of a finding; no pixels, no memory.

        Parameters
        ----------
        finding
            One of this reader's own; a characteristic that the doctor corrected has probability 1.

        Returns
        -------
        Confidence
            Calibrated. Of the finding as the reader gave it, what it said then.
        """
        ...


AnyReader: TypeAlias = Reader | PromptedReader

ReaderFactory = Callable[[Machine], AnyReader]
"""What an entry point of the group ``coread.readers`` names: called once, when the reader is first needed."""
