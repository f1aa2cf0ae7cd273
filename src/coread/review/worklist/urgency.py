"""How urgent a study is: a sum that can be taken apart.

All parts but the waiting time are multiples of ten, and the waiting time gives less than ten: among studies
of equal points the longest waiting comes first, and one index serves the order at any time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coread.domain.finding import Presence
from coread.review.evidence.panel import has_disagreement
from coread.review.study_review import Opinion
from coread.review.worklist.entry import UrgencyReason

#: Points of a study's priority; its numbers are those of `coread.routing.Priority.of_study`.
_PRIORITIES = ((20, "stat", 30), (1, "high", 20))
_WORDS = re.compile(
    r"(?<![a-z])(?:stat|urgent|urgency|emergency|asap)(?![a-z])|急诊|急查|加急|危急|抢救", re.IGNORECASE
)
_MODALITY = 10
_LIKELY, _POSSIBLE, _DISAGREEMENT = 20, 10, 10
OVERDUE = 20
"""Points of a study that has waited longer than the house allows."""
#: Above this the finding is called so often right that the word for it is "consistent with".
_VERY_SURE = 0.9
_WAITING_MOST = 9.9
_WAITING_HALF_H = 12.0
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What of a study its urgency is made of."""

    priority: int
    """Of the archive: raised by a sender, a person or a routing rule."""
    texts: tuple[str, ...]
    """Descriptions that people typed."""
    modalities: tuple[str, ...]
    urgent_modalities: frozenset[str]
    opinions: tuple[Opinion, ...]


def standing_reasons(study: Occurrence) -> tuple[UrgencyReason, ...]:
    """Return the parts of the urgency that do not change while the study waits."""
    return (*_priority(study), *_modality(study), *_findings(study.opinions))


def waiting_reasons(arrived_at: datetime, now: datetime, overdue_h: float) -> tuple[UrgencyReason, ...]:
    """Return the parts that grow with the time of waiting: up to 9.9 points, and 20 more when it is overdue.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> monday = datetime(2026, 3, 2, 8, tzinfo=UTC)
    >>> [r.points for r in waiting_reasons(monday, monday + timedelta(hours=36), 24)]
    [20, 8.7]
    """
    waited_h = max(0.0, (now - arrived_at).total_seconds() / _HOUR_S)
    points = round(_WAITING_MOST * (1 - 0.5 ** (waited_h / _WAITING_HALF_H)), 1)
    waiting = [UrgencyReason("waiting", points, (f"{waited_h:.1f}",))] if points else []
    if waited_h >= overdue_h:
        waiting.insert(0, UrgencyReason("overdue", OVERDUE, (f"{overdue_h:g}",)))
    return tuple(waiting)


def _priority(study: Occurrence) -> list[UrgencyReason]:
    """Take the more urgent of what was told and what the descriptions say: both speak of the same."""
    told = [
        UrgencyReason("priority", points, (word,))
        for least, word, points in _PRIORITIES
        if study.priority >= least
    ]
    found = (match[0] for text in study.texts if (match := _WORDS.search(text)))
    said = [UrgencyReason("words", _PRIORITIES[0][2], (word,)) for word in found]
    return sorted([*told, *said], key=lambda reason: -reason.points)[:1]


def _modality(study: Occurrence) -> list[UrgencyReason]:
    urgent = [m for m in study.modalities if m in study.urgent_modalities]
    return [UrgencyReason("modality", _MODALITY, (urgent[0],))] if urgent else []


def _findings(opinions: Sequence[Opinion]) -> list[UrgencyReason]:
    raised = [(points, opinion) for opinion in opinions if (points := _weight(opinion))]
    reasons = []
    if raised:
        points, opinion = max(raised, key=lambda pair: (pair[0], pair[1].probability))
        words = (opinion.code.meaning, opinion.code.meaning_zh, f"{opinion.probability:.2f}")
        reasons.append(UrgencyReason("finding", points, words))
    if has_disagreement(opinions):
        codes = [opinion.code for opinion in opinions if opinion.agreement == "disagree"]
        args = (codes[0].meaning, codes[0].meaning_zh)
        reasons.append(UrgencyReason("disagreement", _DISAGREEMENT, args))
    return reasons


def _weight(opinion: Opinion) -> int:
    if opinion.presence is Presence.ABSENT:
        return 0
    return _LIKELY if opinion.probability > _VERY_SURE else _POSSIBLE
