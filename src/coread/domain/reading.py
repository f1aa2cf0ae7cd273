"""A reading: what one reader said of one study, or why it said nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from coread.domain.finding import Box, Finding
from coread.domain.identity import derive_uid
from coread.domain.study import InstanceRef


class Outcome(StrEnum):
    """How a reading ended. All four are ordinary values, shown to the doctor."""

    FINDINGS = "findings"
    """The reader read the image; see `findings`."""
    ABSTAINED = "abstained"
    """The image was fit, but the reader was not sure enough to answer."""
    REFUSED = "refused"
    """The quality gate found the image unfit for this reader."""
    FAILED = "failed"
    """The reader broke; other readers of the study go on."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a reader refused, abstained or failed; free of any person's data."""

    code: str
    """Stable short word, e.g. ``not-frontal-chest``."""
    text: str
    """One English sentence."""
    text_zh: str = ""
    """The same in Chinese."""


@dataclass(frozen=True, slots=True)
class ReaderIdentity:
    """Which reader, in which version, with which weights."""

    name: str
    version: str
    manufacturer: str
    weights_sha256: str
    """Hex digest of the weights; empty for a reader without weights."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Where a doctor asks a reader to look: one point or one box on one frame.

    Coordinates are in pixels of the stored frame, origin as in `Box`.
    """

    image: InstanceRef
    frame: int = 1
    """Frame number, counted from 1."""
    point: tuple[float, float] | None = None
    """(x, y): x runs along columns, y along rows."""
    box: Box | None = None

    def __post_init__(self) -> None:
        if (self.point is None) == (self.box is None) or self.frame < 1:
            raise ValueError("A prompt is either a point or a box on a frame counted from 1.")
        if not all(math.isfinite(number) for number in self._numbers):
            raise ValueError("The coordinates of a prompt are finite.")
        if self.box is not None and min(self.box.width_px, self.box.height_px) <= 0:
            raise ValueError("The box of a prompt has a size.")

    @property
    def _numbers(self) -> tuple[float, ...]:
        if self.box is None:
            return self.point or ()
        return (self.box.left_px, self.box.top_px, self.box.width_px, self.box.height_px)

    @property
    def middle(self) -> tuple[float, float]:
        """(x, y) of the point, or of the middle of the box."""
        if self.box is None:
            return self.point or (0.0, 0.0)
        return self.box.left_px + self.box.width_px / 2, self.box.top_px + self.box.height_px / 2

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same prompt: image, frame, kind, and place to a hundredth of a pixel."""
        kind = "point" if self.box is None else "box"
        numbers = (f"{number:.2f}" for number in self._numbers)
        return (self.image.sop_instance_uid, str(self.frame), kind, *numbers)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's answer on one version of one study.

    A later arrival of images makes a new `study_version`, and so a new reading
    that names the former as `predecessor_uid`.
    """

    study_instance_uid: str
    study_version: int
    """1 for the first complete state of the study, then counting up."""
    reader: ReaderIdentity
    outcome: Outcome
    inputs: tuple[InstanceRef, ...]
    """The images that the reader was given."""
    findings: tuple[Finding, ...] = ()
    reason: Reason | None = None
    """Required unless `outcome` is FINDINGS."""
    predecessor_uid: str = ""
    prompt: Prompt | None = None
    """Where it was asked to look; None for a reading of the whole study."""

    def __post_init__(self) -> None:
        if (self.outcome is Outcome.FINDINGS) == (self.reason is not None):
            raise ValueError(f"A reason belongs to every outcome but findings, got {self.outcome}.")

    @property
    def uid(self) -> str:
        """Identifier of the reading: a function of input, reader, version and prompt."""
        return reading_uid(self.reader, self.study_instance_uid, self.study_version, self.prompt)

    def derive_uid(self, *role: str) -> str:
        """Identifier of an object made of this reading, e.g. ``reading.derive_uid("sr")``."""
        return derive_uid(self.uid, *role)


def reading_uid(
    reader: ReaderIdentity, study_instance_uid: str, study_version: int, prompt: Prompt | None = None
) -> str:
    """Return the UID that a reading has or will have.

    The same reader, asked the same of the same version of a study, makes one reading.
    """
    where = ("prompt", *prompt.key) if prompt else ()
    return derive_uid("reading", *_reader_key(reader), study_instance_uid, str(study_version), *where)


def _reader_key(reader: ReaderIdentity) -> tuple[str, ...]:
    return (reader.name, reader.version, reader.weights_sha256)
