"""What a reader is, on paper: the card that comes with its weights."""

from __future__ import annotations

from dataclasses import dataclass

from coread.domain.codes import Code
from coread.domain.reading import ReaderIdentity


@dataclass(frozen=True, slots=True)
class Declared:
    """One finding that a reader may state, and the number at which it does."""

    code: Code
    threshold: float
    """Calibrated probability at and above which it is called present; chosen on validation data."""
    explanation_passed: bool = False
    """Whether its heat map passed the faithfulness test."""


@dataclass(frozen=True, slots=True)
class Prompting:
    """How a reader wants to be asked."""

    points: bool = True
    boxes: bool = True
    reach_mm: float = 40.0
    """Slices of the same series up to this distance to either side are given along with the asked one."""


@dataclass(frozen=True, slots=True)
class Card:
    """The facts about a reader that the clinic needs and the doctor may ask for."""

    identity: ReaderIdentity
    title: str
    title_zh: str
    intended_use: str
    intended_use_zh: str
    limits: tuple[str, ...]
    """What the reader cannot see or was never tested on."""
    modalities: tuple[str, ...]
    """Modality (0008,0060) values that the reader may be given."""
    finding: Code
    """The reader's main finding."""
    threshold: float
    """Calibrated probability at and above which the finding is called present; chosen on validation data."""
    attribution: tuple[str, ...]
    """Training data: name, licence, credit."""
    explanation_passed: bool
    """Whether the heat map passed its faithfulness test; if not, none is shown."""
    evidence_grade: str
    """One of human_trial, retrospective, simulated, synthetic."""
    limits_zh: tuple[str, ...] = ()
    """The limits in Chinese."""
    findings: tuple[Declared, ...] = ()
    """All findings of a reader that has several, the main one first; empty for a reader of one."""
    prompt: Prompting | None = None
    """Given for a reader that answers where a doctor points to."""

    @property
    def all_findings(self) -> tuple[Declared, ...]:
        """Every finding that the reader may state, the main one first."""
        return self.findings or (Declared(self.finding, self.threshold, self.explanation_passed),)

    def declared(self, code: Code) -> Declared | None:
        """Return what the card says of a finding, None for one that it does not declare."""
        same = (d for d in self.all_findings if (d.code.value, d.code.scheme) == (code.value, code.scheme))
        return next(same, None)
