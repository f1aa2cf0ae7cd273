"""What a reader is, on paper: the card that comes with its weights."""

from __future__ import annotations

from dataclasses import dataclass

from coread.domain.codes import Code
from coread.domain.reading import ReaderIdentity


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
