"""Who was responsible for what in one study: facts drawn from its events by rule, no verdict on anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from coread.ledger.records import RecordedEvent

#: How the ledger names who acted: the word before the colon says what it is.
_KINDS = {"person": "person", "reader": "reader", "system": "house"}


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody or something that acted."""

    actor: str
    kind: str
    """``person``, ``reader``, ``house`` (this installation) or ``other`` (another system)."""
    acts: Mapping[str, int]
    """Number of events by kind, in the order of the first of each."""
    first: datetime
    last: datetime
    active_s: float
    """Seconds that were active on findings; 0 for all but persons."""
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that the record says, with the events that say it."""

    code: str
    """E.g. ``opinion-first``; pages have words for it."""
    holds: bool | None
    """None where the question does not arise."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Numbers for the sentence."""
    sequences: tuple[int, ...] = ()
    """Events that it rests on; where it does not hold, those that speak against it."""


@dataclass(frozen=True, slots=True)
class Account:
    """All of one study."""

    parties: tuple[Party, ...]
    statements: tuple[Statement, ...]


def account(records: Sequence[RecordedEvent]) -> Account:
    """Draw parties and statements from a study's events, which stand in their order."""
    return Account(_parties(records), tuple(rule(records) for rule in _RULES))


def _parties(records: Sequence[RecordedEvent]) -> tuple[Party, ...]:
    found: dict[str, list[RecordedEvent]] = {}
    for record in records:
        found.setdefault(record.event.actor, []).append(record)
    return tuple(_party(actor, own) for actor, own in found.items())


def _party(actor: str, own: Sequence[RecordedEvent]) -> Party:
    times = [record.event.at for record in own]
    return Party(
        actor=actor,
        kind=_KINDS.get(actor.partition(":")[0], "other"),
        acts=dict(Counter(record.event.kind for record in own)),
        first=min(times),
        last=max(times),
        active_s=sum(_seconds(record) for record in own if record.event.kind == "finding.decided"),
        sequences=tuple(record.sequence for record in own),
    )


def _weights(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether each AI reading names its weights by hash."""
    made = _of("reading.made", records)
    silent = [record for record in made if not record.event.facts.get("weights_sha256")]
    values = {"count": str(len(made))}
    return _statement("weights-named", bool(made), silent, made, values)


def _opinion_first(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether, where it was the rule, each doctor's opinion was on record before he saw a reader's."""
    asked = [r for r in records if r.event.facts.get("mode") == "blind-first"]
    opinions = {r.event.actor: r.sequence for r in reversed(_of("impression.recorded", records))}
    late = [
        record
        for record in _of("review.revealed", records)
        if opinions.get(record.event.actor, record.sequence + 1) > record.sequence
    ]
    return _statement("opinion-first", bool(asked), late, _of("impression.recorded", records))


def _decided(records: Sequence[RecordedEvent]) -> Statement:
    """Say how each finding was decided; a later decision takes the place of an earlier one."""
    said = _of("finding.decided", records)
    last = {r.event.facts.get("finding", ""): r.event.facts.get("verdict", "") for r in said}
    counts = Counter(last.values())
    verdicts = ("accepted", "edited", "rejected", "added")
    return _statement("decided", bool(said), [], said, {name: str(counts[name]) for name in verdicts})


def _reasons(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether each rejection bears a reason."""
    rejected = [r for r in _of("finding.decided", records) if r.event.facts.get("verdict") == "rejected"]
    silent = [record for record in rejected if not record.event.facts.get("reason")]
    return _statement("reasons-given", bool(rejected), silent, rejected, {"count": str(len(rejected))})


def _looked(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether each decision on a reader's finding took time."""
    decided = [r for r in _of("finding.decided", records) if r.event.facts.get("reading")]
    hasty = [record for record in decided if _seconds(record) <= 0]
    total = sum(_seconds(record) for record in decided)
    return _statement("time-taken", bool(decided), hasty, decided, {"seconds": f"{total:.1f}"})


def _undone(records: Sequence[RecordedEvent]) -> Statement:
    """Say how often a decision was taken back."""
    back = _of("finding.decision-undone", records)
    return _statement("taken-back", bool(back), [], back, {"count": str(len(back))})


def _signed(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether a report is signed, and how many addenda follow it."""
    signed = _of("report.signed", records)
    values = {"addenda": str(max(0, len(signed) - 1))}
    against = [] if signed else [records[-1]] if _of("finding.decided", records) else []
    return _statement("signed", bool(signed or against), against, signed, values)


def _answered(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether what came after the last signature was seen: an addendum, or a word that none is needed."""
    signed = _of("report.signed", records)
    if not signed:
        return Statement("later-seen", None)
    since = signed[-1].sequence
    seen = max((r.sequence for r in _of("review.acknowledged", records)), default=0)
    later = [r for r in records if r.sequence > since and r.event.kind in ("study.reopened", "reading.made")]
    return _statement("later-seen", bool(later), [r for r in later if r.sequence > seen], later)


def _consent(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether the record names a consent, and no reader took part against one that was withdrawn.

    A reader that was not run for want of consent, and what a doctor does without one, go against nothing.
    """
    named = [r for r in records if r.event.facts.get("consent") or r.event.kind.startswith("consent.")]
    denied = [r for r in named if r.event.facts.get("consent_status") in ("withdrawn", "refused", "expired")]
    against = [r for r in denied if r.event.kind.startswith("consent.") or _is_with_reader(r)]
    return _statement("consent-named", bool(named), against, named)


def _is_with_reader(record: RecordedEvent) -> bool:
    facts = record.event.facts
    return bool(facts.get("reading")) and facts.get("reason") != "no-consent"


def _delivered(records: Sequence[RecordedEvent]) -> Statement:
    """Say whether all results reached their destinations."""
    done, failed = _of("delivery.done", records), _of("delivery.failed", records)
    arrived = {_parcel(record) for record in done}
    lost = [record for record in failed if _parcel(record) not in arrived]
    values = {"count": str(len(done)), "failed": str(len(lost))}
    return _statement("delivered", bool(done or failed), lost, done, values)


_RULES: tuple[Callable[[Sequence[RecordedEvent]], Statement], ...] = (
    _consent,
    _weights,
    _opinion_first,
    _decided,
    _reasons,
    _looked,
    _undone,
    _signed,
    _answered,
    _delivered,
)


def _statement(
    code: str,
    arises: bool,
    against: Sequence[RecordedEvent],
    rests_on: Sequence[RecordedEvent],
    values: Mapping[str, str] | None = None,
) -> Statement:
    said = tuple(record.sequence for record in (against or rests_on))
    return Statement(code, (not against) if arises else None, values or {}, said)


def _of(kind: str, records: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    return [record for record in records if record.event.kind == kind]


def _parcel(record: RecordedEvent) -> tuple[str, str]:
    return record.event.facts.get("object", ""), record.event.facts.get("destination", "")


def _seconds(record: RecordedEvent) -> float:
    try:
        return float(record.event.facts.get("active_s", "") or 0)
    except ValueError:
        return 0.0
