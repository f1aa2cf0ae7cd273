"""How urgent a study is: a sum that can be taken apart.

All parts but the waiting time are multiples of ten, and the waiting time gives less than ten: among studies
of equal points the longest waiting comes first, and one index serves the order at any time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from coread.domain.finding import Presence
from coread.review.evidence.panel import has_disagreement
from coread.review.study_review import Opinion
from coread.review.worklist.entry import UrgencyReason

#: Requested Procedure Priority (0040,1003) and routing's words, from what can wait to what cannot.
_PRIORITIES = {"low": 0, "routine": 10, "high": 20, "stat": 30}
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

    told_priority: int
    """Of the archive; above 0 where somebody asked for haste."""
    routed_priority: str
    """The most urgent word by which a rule sent it to a reader; empty if none did."""
    texts: tuple[str, ...]
    """Descriptions that people typed."""
    modalities: tuple[str, ...]
    urgent_modalities: frozenset[str]
    opinions: tuple[Opinion, ...]


def standing_reasons(study: Occurrence) -> tuple[UrgencyReason, ...]:
    """Return the parts of the urgency that do not change while the study waits; none of 0 points."""
    parts = [_priority(study), *_modality(study), *_findings(study.opinions)]
    return tuple(part for part in parts if part.points)


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


def routed_priority(facts: Mapping[str, str]) -> str:
    """Return the most urgent priority of a ``study.routed`` event, e.g. ``chest-radiograph(stat)``."""
    said = re.findall(r"\((\w+)\)", facts.get("readers", ""))
    return max((word for word in said if word in _PRIORITIES), key=lambda word: _PRIORITIES[word], default="")


def _priority(study: Occurrence) -> UrgencyReason:
    """Take the most urgent of what three sources say; they speak of the same thing."""
    told = "stat" if study.told_priority > 1 else "high" if study.told_priority == 1 else ""
    found = next((match[0] for text in study.texts if (match := _WORDS.search(text))), "")
    routed = study.routed_priority or "routine"
    said = [UrgencyReason("routed", _PRIORITIES[routed], (routed,))]
    said += [UrgencyReason("told", _PRIORITIES[told], (told,))] if told else []
    said += [UrgencyReason("words", _PRIORITIES["stat"], (found,))] if found else []
    return max(said, key=lambda reason: reason.points)


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
