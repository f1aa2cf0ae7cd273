"""What is known of an export while it waits: one job, its studies, its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt


class State(StrEnum):
    """How far an export is."""

    MAKING = "making"
    WAITING = "waiting"
    """For the officer."""
    ACCEPTED = "accepted"
    """And on its way out."""
    RELEASED = "released"
    REJECTED = "rejected"
    DROPPED = "dropped"
    """Everybody in it has withdrawn consent."""


#: States in which what was made is still held.
HELD = frozenset((State.WAITING, State.ACCEPTED))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that an officer wants blank, in pixels of the image."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    def mask(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return its pixels, bool [row, column]."""
        covered = np.zeros(shape, bool)
        bottom, right = self.top_px + self.height_px, self.left_px + self.width_px
        covered[max(self.top_px, 0) : max(bottom, 0), max(self.left_px, 0) : max(right, 0)] = True
        return covered


@dataclass(frozen=True, slots=True)
class Held:
    """One de-identified object that waits."""

    number: int
    """Its place in the study, from 1."""
    target: str
    """Where it lies, relative to the folder that goes out."""
    source: str
    """How to find what it was made of. May name a person: inside the hospital only."""
    series_uid: str
    """The new one."""
    modality: str
    rows: int
    columns: int
    frames: int
    sha256: str
    looked_at: bool = False
    """Whether text was searched for in its pixels."""
    texts: tuple[tuple[str, float], ...] = ()
    """Blanked texts as they were read, and how surely. Hold names."""
    left: tuple[str, ...] = ()
    """Texts that were read and left because they name nobody."""
    share_blanked: float = 0.0
    face: bool = False
    notes: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    """Drawn by hand."""

    @property
    def has_pixels(self) -> bool:
        """Whether there is anything to show."""
        return self.rows > 0 and self.columns > 0


@dataclass(frozen=True, slots=True)
class StudyPart:
    """One study of a job: what was changed in it, and what was left."""

    number: int
    study_uid: str
    """The new one."""
    pseudonym: str
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Attribute to ``actions`` (action to count) and ``examples`` (pairs before and after). Holds names."""
    texts_left: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Attribute to text to number of objects: every text that goes out."""
    private_left: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """The same of private attributes, named by creator and tag."""
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One export."""

    id: str
    profile: str
    title: str
    """Of the profile."""
    status: str
    """What the result is by law, as the profile says it."""
    domain: str
    purpose: str
    """The use that persons are asked for: a value of `coread.domain.consent.Use`."""
    kind: str
    """Where the originals are: ``archive`` or ``folder``."""
    out: str
    """Folder into which it goes once it is accepted."""
    made_at: str
    """ISO 8601."""
    made_by: str
    state: State = State.MAKING
    beyond: tuple[str, ...] = ()
    """What the law wants besides and no program can do."""
    studies: tuple[Mapping[str, Any], ...] = ()
    """Number, study UID, pseudonym and counts of each study."""
    objects: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    """Why objects stayed, and how many."""
    loose: tuple[str, ...] = ()
    """What lies beside the studies: the directory of media."""
    warnings: Mapping[str, int] = field(default_factory=dict)
    """What an officer must have seen, and in how many objects: see `WARNINGS`."""
    audit: tuple[tuple[str, str, str, str], ...] = ()
    """What the independent auditor found: file, where, kind, value. Holds names."""
    audited: bool = False
    decided_at: str = ""
    decided_by: str = ""
    reason: str = ""
    manifest_sha256: str = ""
    """Over the path and hash of every object that was accepted."""


#: Codes of warnings; each has its words on the officer's page.
WARNINGS = ("leak", "face", "not-looked-at", "private", "free-text", "withdrawn")


def job_from(data: Mapping[str, Any]) -> Job:
    """Read a job as `as_data` wrote it."""
    told = dict(data)
    told["state"] = State(told["state"])
    told["beyond"], told["studies"], told["loose"] = (
        tuple(told[name]) for name in ("beyond", "studies", "loose")
    )
    told["audit"] = tuple((str(a), str(b), str(c), str(d)) for a, b, c, d in told["audit"])
    return Job(**told)


def study_from(data: Mapping[str, Any]) -> StudyPart:
    """Read a study as `as_data` wrote it."""
    return StudyPart(**(dict(data) | {"held": tuple(_held_from(each) for each in data["held"])}))


def _held_from(data: Mapping[str, Any]) -> Held:
    told = dict(data)
    told["texts"] = tuple((str(text), float(score)) for text, score in told["texts"])
    told["left"], told["notes"] = tuple(told["left"]), tuple(told["notes"])
    told["boxes"] = tuple(Box(**box) for box in told["boxes"])
    return Held(**told)


def as_data(of: Job | StudyPart) -> dict[str, Any]:
    """Write a job or a study for JSON."""
    return asdict(of)
