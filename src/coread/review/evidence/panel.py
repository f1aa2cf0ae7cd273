"""What several readers say together, by a stated rule, and who dissents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import Finding, Presence
from coread.domain.reading import Reading
from coread.review.study_review import Opinion, Vote

RULE = "mean-of-calibrated-probabilities/1"
"""For each code of finding: each reader speaks with its most probable finding of that code, and the panel's
probability is the mean of the readers' calibrated probabilities. Where all say the same, so does the panel;
else it calls the finding present if the mean is at least the mean of the readers' own thresholds, and absent
if it is not. Its interval reaches from the lowest lower to the highest upper end. Readers that abstained,
refused or failed have no part in the mean and are listed. Averaging calibrated probabilities is the linear
opinion pool (Stone 1961, doi:10.1214/aoms/1177704873)."""

_DEFAULT_THRESHOLD = 0.5


def opinions(readings: Sequence[Reading], cards: Callable[[str], Card | None]) -> tuple[Opinion, ...]:
    """Form the panel's opinion on each code that some reader speaks of; with one reader it is that reader's.

    Parameters
    ----------
    readings
        The newest of each reader, those without an answer too.
    cards
        Card of a reader by name, for its threshold.
    """
    codes = dict.fromkeys(_key(finding.code) for reading in readings for finding in reading.findings)
    return tuple(_opinion(key, readings, cards) for key in codes)


def _opinion(
    key: tuple[str, str], readings: Sequence[Reading], cards: Callable[[str], Card | None]
) -> Opinion:
    spoken = {reading.uid: found for reading in readings if (found := _strongest(reading, key))}
    findings = list(spoken.values())
    mean = sum(finding.confidence.probability for finding in findings) / len(findings)
    speakers = [reading for reading in readings if reading.uid in spoken]
    presence = _presence(mean, findings, [_threshold(cards(r.reader.name)) for r in speakers])
    dissenters = tuple(r.reader.name for r in speakers if spoken[r.uid].presence is not presence)
    is_one_voice = len({finding.presence for finding in findings}) == 1
    agreement = "single" if len(findings) == 1 else "agree" if is_one_voice else "disagree"
    return Opinion(
        code=findings[0].code,
        rule=RULE,
        probability=mean,
        lower=min(finding.confidence.lower for finding in findings),
        upper=max(finding.confidence.upper for finding in findings),
        presence=presence,
        agreement=agreement,
        votes=tuple(_vote(reading, spoken) for reading in readings),
        dissenters=dissenters,
    )


def _presence(mean: float, findings: Sequence[Finding], thresholds: Sequence[float]) -> Presence:
    said = {finding.presence for finding in findings}
    if len(said) == 1:
        return said.pop()
    return Presence.PRESENT if mean >= sum(thresholds) / len(thresholds) else Presence.ABSENT


def _strongest(reading: Reading, key: tuple[str, str]) -> Finding | None:
    own = [finding for finding in reading.findings if _key(finding.code) == key]
    return max(own, key=lambda finding: finding.confidence.probability, default=None)


def _vote(reading: Reading, spoken: Mapping[str, Finding]) -> Vote:
    finding = spoken.get(reading.uid)
    return Vote(
        reader=reading.reader.name,
        reading_uid=reading.uid,
        outcome=reading.outcome,
        presence=finding.presence if finding else None,
        probability=finding.confidence.probability if finding else None,
    )


def has_disagreement(found: Sequence[Opinion]) -> bool:
    """Tell whether readers contradict each other on some finding."""
    return any(opinion.agreement == "disagree" for opinion in found)


def _key(code: Code) -> tuple[str, str]:
    return code.value, code.scheme


def _threshold(card: Card | None) -> float:
    return card.threshold if card else _DEFAULT_THRESHOLD
