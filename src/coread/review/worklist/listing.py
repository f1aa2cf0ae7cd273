"""What the list says of a study, as it is kept with the study's head."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coread.domain.finding import Presence
from coread.domain.reading import Reading
from coread.review.worklist.entry import Answer, UrgencyReason

#: Reasons that tell what readers said.
_TELLING = frozenset({"finding", "disagreement"})


@dataclass(frozen=True, slots=True)
class Listing:
    """Kept as JSON; see `coread.casebook.to_json`."""

    reasons: tuple[UrgencyReason, ...] = ()
    """Those that do not change while the study waits."""
    answers: tuple[Answer, ...] = ()
    site: str = ""
    """Institution Name (0008,0080)."""

    @property
    def points(self) -> int:
        """Sum of the reasons."""
        return int(sum(reason.points for reason in self.reasons))

    def withheld(self, readers: frozenset[str]) -> Listing:
        """Return what may be told to somebody who may not see what these readers said.

        The place in the list stays: who orders a list by the readers tells that they said something, and
        what cannot wait must not wait for a rule of reading. What they said is left out.
        """
        if not readers:
            return self
        answers = tuple(
            Answer(answer.reader, is_withheld=True) if answer.reader in readers else answer
            for answer in self.answers
        )
        hidden = [reason for reason in self.reasons if reason.code in _TELLING]
        kept = tuple(reason for reason in self.reasons if reason.code not in _TELLING)
        veiled = (UrgencyReason("withheld", sum(r.points for r in hidden)),) if hidden else ()
        return replace(self, reasons=kept + veiled, answers=answers)

    def silenced(self) -> Listing:
        """Return what may be told of a study whose patient does not agree to AI: nothing of readers."""
        kept = tuple(reason for reason in self.reasons if reason.code not in _TELLING)
        return replace(self, reasons=kept, answers=())


def answer_of(reading: Reading) -> Answer:
    """Shorten a reading to what a list has room for."""
    told = [finding for finding in reading.findings if finding.presence is not Presence.ABSENT]
    top = max(told or reading.findings, key=lambda f: f.confidence.probability, default=None)
    if top is None:
        return Answer(reading.reader.name, outcome=reading.outcome)
    return Answer(
        reading.reader.name,
        outcome=reading.outcome,
        code=top.code,
        probability=top.confidence.probability,
        presence=top.presence,
    )
