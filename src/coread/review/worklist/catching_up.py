"""Brings the list up to what the archive has, by the ledger, which names every study that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from coread.archive import Query, StudyState
from coread.casebook import Case, Placement, to_json
from coread.domain.consent import Use, passes
from coread.domain.reading import Reading
from coread.errors import NotFound
from coread.review.evidence import opinions
from coread.review.sources import Sources
from coread.review.worklist.listing import Listing, answer_of
from coread.review.worklist.urgency import Occurrence, standing_reasons

_KINDS = ("study.complete", "study.routed", "reading.made", "study.deleted", "study.consent-changed")
_TEXTS = ("StudyDescription", "SeriesDescription")
_STRIDE = 1000
"""After so many events of no concern the place reached is written down too."""


def newest(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """Return the newest reading of each reader, and of each place where it was asked to look.

    In the order of the readers' names, whole studies before places.
    """
    latest: dict[tuple[str, ...], Reading] = {}
    for reading in readings:
        question = (reading.reader.name, *(reading.prompt.key if reading.prompt else ()))
        held = latest.get(question)
        if held is None or reading.study_version >= held.study_version:
            latest[question] = reading
    return tuple(latest[question] for question in sorted(latest))


def unasked(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    """Return the readings of whole studies: what was asked at one place speaks of that place alone."""
    return tuple(reading for reading in readings if reading.prompt is None)


@dataclass(frozen=True, slots=True)
class Glance:
    """What the archive has of a study at one look."""

    state: StudyState
    arrived_at: datetime
    """When the first image came."""
    facts: Mapping[str, str]
    readings: tuple[Reading, ...]
    """Of all versions and readers."""


class CatchingUp:
    """Takes in what happened since it was last asked."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    def run(self, limit: int = 200) -> bool:
        """Take in at most so many studies; tell whether more is left."""
        queue, ledger = self._from.casebook.queue, self._from.ledger
        start, end = queue.progress(), ledger.size()
        if start >= end:
            return False
        touched = self._touched(start, limit)
        batch = touched[:limit]
        for uid in dict.fromkeys(uid for _, uid in batch):
            self._take_in(uid)
        is_behind = len(touched) > limit or len(touched) == limit
        reached = batch[-1][0] if is_behind else end
        if batch or reached - start >= _STRIDE:
            queue.advance(reached)
        return is_behind

    def _touched(self, start: int, limit: int) -> list[tuple[int, str]]:
        """Return (sequence, study) of the events since `start`, as far as all kinds were looked at."""
        found: list[tuple[int, str]] = []
        horizon = None
        for kind in _KINDS:
            events = self._from.ledger.events(kind=kind, after=start, limit=limit)
            found += [(recorded.sequence, recorded.event.subject) for recorded in events]
            if len(events) == limit:
                horizon = min(horizon or events[-1].sequence, events[-1].sequence)
        return sorted(pair for pair in found if horizon is None or pair[0] <= horizon)

    def _take_in(self, study_instance_uid: str) -> None:
        try:
            glance = glance_at(study_instance_uid, self._from)
        except NotFound:
            self._from.casebook.queue.gone(study_instance_uid)
            return
        known = self._from.casebook.queue.cases([study_instance_uid]).get(study_instance_uid)
        bring_up(known or Case(study_instance_uid), glance, self._from)


def glance_at(study_instance_uid: str, sources: Sources) -> Glance:
    """Look at what the archive has of a study now.

    Raises
    ------
    NotFound
        If it has nothing of it.
    """
    readings = sources.readings.of_study(study_instance_uid)
    state = sources.studies.state(study_instance_uid)
    found = sources.archive.find_studies(Query({"StudyInstanceUID": study_instance_uid}))
    if not found or state.first_arrival_at is None:
        raise NotFound("a study that the archive does not have", remedy="look whether it was deleted")
    return Glance(state, state.first_arrival_at, found[0], readings)


def bring_up(known: Case, glance: Glance, sources: Sources) -> Case:
    """Bring a study's head up to what was seen, and return it; the same glance again changes nothing."""
    placement = _placement(glance, sources)
    if _agrees(known, placement):
        return known
    return sources.casebook.queue.place(placement, sources.clock())


@passes(Use.AI)
def _placement(glance: Glance, sources: Sources) -> Placement:
    """Say where a study stands in the list; readers have no part in it where the patient does not agree."""
    facts, present = glance.facts, newest(glance.readings)
    is_permitted = sources.consents.may(glance.state.study_instance_uid, Use.AI).is_allowed
    heard = unasked(present) if is_permitted else ()
    modalities = tuple(filter(None, facts.get("ModalitiesInStudy", "").split("\\")))
    occurrence = Occurrence(
        priority=glance.state.priority,
        texts=tuple(facts.get(name, "") for name in _TEXTS),
        modalities=modalities,
        urgent_modalities=sources.policy.urgent_modalities,
        opinions=opinions(heard, sources.cards),
    )
    listing = Listing(
        reasons=standing_reasons(occurrence),
        answers=tuple(answer_of(reading) for reading in heard),
        site=facts.get("InstitutionName", ""),
    )
    return Placement(
        study_instance_uid=glance.state.study_instance_uid,
        study_version=glance.state.version,
        reading_uids=tuple(reading.uid for reading in present),
        points=listing.points,
        arrived_at=glance.arrived_at,
        complete_at=glance.state.closed_at,
        modalities=modalities,
        listing=to_json(listing),
    )


def _agrees(known: Case, placement: Placement) -> bool:
    return not known.is_gone and (known.study_version, set(known.reading_uids), known.listing) == (
        placement.study_version,
        set(placement.reading_uids),
        placement.listing,
    )
