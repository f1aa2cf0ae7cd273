"""A reading: what one reader said of one study, or why it said nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coread.domain.finding import Finding
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

    def __post_init__(self) -> None:
        if (self.outcome is Outcome.FINDINGS) == (self.reason is not None):
            raise ValueError(f"A reason belongs to every outcome but findings, got {self.outcome}.")

    @property
    def uid(self) -> str:
        """Identifier of the reading: a function of input, reader and version."""
        return derive_uid(
            "reading", *_reader_key(self.reader), self.study_instance_uid, str(self.study_version)
        )

    def derive_uid(self, *role: str) -> str:
        """Identifier of an object made of this reading, e.g. ``reading.derive_uid("sr")``."""
        return derive_uid(self.uid, *role)


def _reader_key(reader: ReaderIdentity) -> tuple[str, ...]:
    return (reader.name, reader.version, reader.weights_sha256)
