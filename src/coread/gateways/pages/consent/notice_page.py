"""The notice for a patient: that AI took part, which and for what, who decided, and how to say no."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from coread.domain.consent import NO_CONSENT, Use
from coread.domain.event import Event
from coread.domain.reading import Outcome
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.formats import person_name
from coread.gateways.pages.languages import LANGUAGES, words
from coread.gateways.pages.rendering import render
from coread.ledger import Ledger, RecordedEvent
from coread.review import ReadingView, ReviewDesk, StudyReview


@dataclass(frozen=True, slots=True)
class TookPart:
    """One reader that read the study, as the notice says it."""

    title: str
    version: str
    manufacturer: str
    use: str
    """What it is for, as its card says."""


class NoticePage:
    """Answers at ``/studies/{study_uid}/notice``; ``?in=zh`` is the patient's language.

    Parameters
    ----------
    desk
        Gives the study.
    ledger
        Takes that a notice was made.
    now
        Tells the time.
    contact
        Whom patients ask.
    organisation
        Hospital as reports name it.
    """

    def __init__(
        self,
        desk: ReviewDesk,
        ledger: Ledger,
        now: Callable[[], datetime],
        contact: str = "",
        organisation: str = "",
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._now = now
        self._contact = contact
        self._organisation = organisation

    def show(self, asked: Asked) -> Response:
        """Make the notice of one study; that it was made is on record."""
        uid, chosen = asked.uid("study_uid"), asked.query("in")
        language = chosen if chosen in LANGUAGES else asked.language
        review, at = self._desk.look(uid, asked.person), self._now()
        made = self._ledger.events(uid, "reading.made")
        readers = _readers(review, made, language)
        facts = {"language": language, "count": str(len(readers))}
        self._ledger.append(Event("notice.made", uid, asked.caller.actor, at, facts))
        said = words(language)
        context: Mapping[str, Any] = {
            "uid": uid,
            "said": said,
            "notice_language": language,
            "languages": LANGUAGES,
            "facts": review.facts,
            "patient_name": person_name(review.facts.get("PatientName", ""), language),
            "readers": readers,
            "permit": self._desk.permits(uid)[Use.AI],
            "signed": review.reports[-1] if review.reports else None,
            "contact": self._contact,
            "organisation": self._organisation or review.facts.get("InstitutionName", ""),
            "at": at,
        }
        return render(asked.request, "notice.html", context)


def _readers(review: StudyReview, made: Sequence[RecordedEvent], language: str) -> list[TookPart]:
    """Return who has read, by the record: a reader that was not run, or that failed, took no part."""
    ran = {
        record.event.actor.removeprefix("reader:")
        for record in made
        if record.event.facts.get("outcome") != Outcome.FAILED
        and record.event.facts.get("reason") != NO_CONSENT
    }
    views = {str(view.reader): view for view in review.readings}
    return [_told(name, views.get(name), language) for name in sorted(ran)]


def _told(name: str, view: ReadingView | None, language: str) -> TookPart:
    card = view.card if view else None
    short, _, version = name.rpartition(" ")
    manufacturer = view.reader.manufacturer if view else ""
    if card is None:
        return TookPart(short, version, manufacturer, "")
    is_zh = language == "zh"
    title = (card.title_zh if is_zh else "") or card.title
    use = (card.intended_use_zh if is_zh else "") or card.intended_use
    return TookPart(title, version, manufacturer, use)
