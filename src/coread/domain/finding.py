"""What a reader found: where, how sure, and what it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from coread.domain.codes import Code
from coread.domain.study import InstanceRef


class Presence(StrEnum):
    """Whether a finding is there, at the reader's validated threshold."""

    PRESENT = "present"
    ABSENT = "absent"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Confidence:
    """A calibrated probability with its interval.

    *Assumes* patients like those of `calibrated_on`. *Does not* speak for others.
    """

    probability: float
    """Calibrated probability that the finding is present, 0..1."""
    lower: float
    upper: float
    level: float = 0.95
    """Coverage of [lower, upper]."""
    calibrated_on: str = ""
    """The held-out set on which calibration was fitted."""
    calibrated_on_zh: str = ""
    """The same in Chinese; empty where the reader's maker gave none."""

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.probability <= self.upper <= 1:
            raise ValueError(f"Expected 0 <= lower <= probability <= upper <= 1, got {self!r}.")


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box in pixels of the stored image.

    Origin: the outer corner of the top left pixel; x runs along columns, y along rows.
    """

    left_px: float
    top_px: float
    width_px: float
    height_px: float
    label: Code | None = None
    """What is in it, where a reader tells kinds apart, e.g. the class of a cell."""
    probability: float | None = None
    """Calibrated probability of `label`, 0..1."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a finding covers on one frame of one image: a mask, packed within the window that holds it.

    Made by `Outline.of`. A finding that reaches over several slices has one outline for each.

    Examples
    --------
    >>> ref = InstanceRef("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2")
    >>> mask = np.zeros((6, 8), bool)
    >>> mask[2:4, 3:6] = True
    >>> outline = Outline.of(mask, ref)
    >>> outline.corner, outline.size, outline.area_px, bool((outline.mask() == mask).all())
    ((2, 3), (2, 3), 6, True)
    """

    image: InstanceRef
    frame: int
    """Frame number, counted from 1."""
    shape: tuple[int, int]
    """Rows and columns of the stored frame."""
    corner: tuple[int, int]
    """First row and first column of the window, counted from 0."""
    size: tuple[int, int]
    """Rows and columns of the window."""
    bits: bytes
    """The window row by row, eight pixels a byte, the first in the highest bit."""

    def __post_init__(self) -> None:
        fits = all(
            start >= 0 and length > 0 and start + length <= whole
            for start, length, whole in zip(self.corner, self.size, self.shape, strict=True)
        )
        if not fits or self.frame < 1 or len(self.bits) != -(-self.size[0] * self.size[1] // 8):
            raise ValueError(f"An outline lies inside its frame, got {self.corner} + {self.size}.")

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_], image: InstanceRef, frame: int = 1) -> Outline:
        """Pack a mask.

        Parameters
        ----------
        mask
            bool [row, column] over the whole stored frame; at least one pixel is set.
        image, frame
            What it lies on.

        Raises
        ------
        ValueError
            If no pixel is set.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            raise ValueError("An outline needs at least one pixel.")
        top, left, bottom, right = (int(n) for n in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1))
        window = np.packbits(mask[top:bottom, left:right].astype(bool)).tobytes()
        shape = (int(mask.shape[0]), int(mask.shape[1]))
        return cls(image, frame, shape, (top, left), (bottom - top, right - left), window)

    def window(self) -> npt.NDArray[np.bool_]:
        """Return the mask of the window, bool [row, column]."""
        count = self.size[0] * self.size[1]
        packed = np.frombuffer(self.bits, np.uint8)
        return np.unpackbits(packed, count=count).astype(bool).reshape(self.size)

    def mask(self) -> npt.NDArray[np.bool_]:
        """Return the mask of the whole stored frame, bool [row, column]."""
        whole = np.zeros(self.shape, dtype=bool)
        (top, left), (height, width) = self.corner, self.size
        whole[top : top + height, left : left + width] = self.window()
        return whole

    @property
    def area_px(self) -> int:
        """Pixels that are covered."""
        return int(self.window().sum())


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Where a reader looked: a coarse grid stretched over the whole stored frame.

    `values` is float32 [row, column] in 0..1. Its cells tile `extent`, which is in
    pixels of the stored image. Outside `extent` the reader saw nothing.
    """

    values: npt.NDArray[np.float32]
    extent: Box
    frame: int = 1
    """Frame number, counted from 1."""
    method: str = ""
    """Name of the explanation method, e.g. ``class activation map``."""

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not np.isfinite(self.values).all():
            raise ValueError(f"A heat map is finite [row, column], got shape {self.values.shape}.")
        self.values.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HeatMap):
            return NotImplemented
        same = (self.extent, self.frame, self.method) == (other.extent, other.frame, other.method)
        return same and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.values.tobytes(), self.extent, self.frame, self.method))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number with its quantity and unit (UCUM)."""

    quantity: Code
    value: float
    unit: Code
    lower: float | None = None
    """Lower end of the interval in the same unit; None where the reader gives no interval."""
    upper: float | None = None
    level: float = 0.95
    """Coverage of [lower, upper]."""

    def __post_init__(self) -> None:
        if (self.lower is None) != (self.upper is None):
            raise ValueError("An interval has two ends or none.")
        if self.lower is not None and self.upper is not None and not self.lower <= self.value <= self.upper:
            raise ValueError(f"Expected lower <= value <= upper, got {self!r}.")


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that a characteristic may take, with the reader's calibrated probability of it."""

    value: Code
    probability: float


@dataclass(frozen=True, slots=True)
class Characteristic:
    """How a finding looks, in a coded concept and its value, e.g. texture: part-solid."""

    concept: Code
    value: Code
    confidence: Confidence
    """Probability that the concept has this value."""
    choices: tuple[Choice, ...] = ()
    """Every value that the concept may take, in their natural order; what a doctor may correct it to."""


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A case of the training data that looks like this one: evidence, not proof.

    Never a patient of this clinic: only cases that the reader's bundle brings.
    """

    identifier: str
    """As the public data set names it, e.g. ``LIDC-IDRI-0078, nodule 2``."""
    similarity: float
    """0..1; 1 is the same to the reader."""
    note: str = ""
    """What is known of it, one English phrase, e.g. ``13 mm, malignant by 4 of 4 readers``."""
    note_zh: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of a reader about one image.

    `tracking_uid` is a function of input, reader and version, so that the same
    finding bears the same identifier in SR, SEG and FHIR.
    """

    code: Code
    presence: Presence
    confidence: Confidence
    image: InstanceRef
    site: Code | None
    tracking_uid: str
    tracking_id: str
    """Short name of the finding for people, e.g. ``Lung opacity 1``."""
    boxes: tuple[Box, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    heat_map: HeatMap | None = None
    """Present only when the reader's explanation passed its faithfulness test."""
    frame: int = 1
    """Frame of `image` on which it stands, counted from 1."""
    outlines: tuple[Outline, ...] = ()
    """What it covers, one mask for each frame; may reach over other images of the series."""
    characteristics: tuple[Characteristic, ...] = ()
    similar: tuple[SimilarCase, ...] = ()
    """Case-based evidence, the most similar first."""

    @property
    def key_frame(self) -> int:
        """Frame of its image that shows it."""
        return self.heat_map.frame if self.heat_map else self.frame
