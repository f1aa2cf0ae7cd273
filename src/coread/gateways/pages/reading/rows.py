"""Lines of the reading list in the words of the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from coread.domain.codes import Code
from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.gateways.pages import formats
from coread.gateways.pages.languages import Words
from coread.review import Answer, Entry, UrgencyReason

#: Words for the urgency 0..100: waiting alone gives less than 10 points. The order is by the number itself.
_BANDS: Final = ((30, "now"), (10, "soon"), (0, "routine"))
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """One part of the urgency in words."""

    points: str
    text: str


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One reader's answer in words."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    uid: str
    revision: int
    urgency: int
    band: str
    reasons: tuple[ReasonLine, ...]
    name: str
    patient_id: str
    person_line: str
    modality: str
    description: str
    study_date: str
    accession: str
    images: int
    answers: tuple[AnswerLine, ...]
    state: str
    lock_name: str
    is_mine: bool
    is_unread: bool
    is_growing: bool
    is_changed: bool
    is_teaching: bool
    waiting: str
    arrived_at: datetime | None


def row(entry: Entry, said: Words) -> Row:
    """Say an entry."""
    facts = entry.facts
    is_mine = bool(entry.lock and entry.lock.is_mine)
    return Row(
        uid=entry.study_instance_uid,
        revision=entry.revision,
        urgency=round(entry.urgency),
        band=next(name for least, name in _BANDS if entry.urgency >= least),
        reasons=tuple(_reason(reason, said) for reason in entry.reasons),
        name=formats.person_name(facts.get("PatientName", ""), said.language),
        patient_id=facts.get("PatientID", ""),
        person_line=person_line(facts.get("PatientSex", ""), facts.get("PatientAge", ""), said),
        modality=facts.get("ModalitiesInStudy", "").replace("\\", " "),
        description=facts.get("StudyDescription", ""),
        study_date=_moment(facts.get("StudyDate", ""), facts.get("StudyTime", "")),
        accession=facts.get("AccessionNumber", ""),
        images=_whole(facts.get("NumberOfStudyRelatedInstances", "0")),
        answers=tuple(_answers(entry, said)),
        state=entry.state,
        lock_name=entry.lock.person_name if entry.lock and not is_mine else "",
        is_mine=is_mine,
        is_unread=entry.is_unread,
        is_growing=entry.is_growing,
        is_changed=entry.is_changed_since_signing,
        is_teaching=entry.is_teaching_case,
        waiting=duration(entry.waiting_s, said),
        arrived_at=entry.arrived_at,
    )


def person_line(sex: str, age: str, said: Words) -> str:
    """Say sex and age, as far as they are known."""
    parts = [said.w("sex", sex)] if sex else []
    if read := formats.age(age):
        parts.append(said.w("age_unit", read[1], n=read[0]))
    return " · ".join(parts)


def duration(seconds: float, said: Words) -> str:
    """Say how long, to two units."""
    if seconds < _HOUR_S:
        return said.t("list.minutes", minutes=int(seconds // _MINUTE_S))
    if seconds < _DAY_S:
        hours, minutes = divmod(int(seconds // _MINUTE_S), 60)
        return said.t("list.hours", hours=hours, minutes=minutes)
    days, hours = divmod(int(seconds // _HOUR_S), 24)
    return said.t("list.days", days=days, hours=hours)


def name_of(code: Code, said: Words) -> str:
    """Say a coded concept."""
    return (code.meaning_zh or code.meaning) if said.language == "zh" else code.meaning


def _reason(reason: UrgencyReason, said: Words) -> ReasonLine:
    values = {str(place): said.w("priority", value) for place, value in enumerate(reason.args)}
    return ReasonLine(f"{reason.points:+.3g}", said.w("urgency", reason.code, **values))


def _answers(entry: Entry, said: Words) -> Iterator[AnswerLine]:
    withheld = sum(answer.is_withheld for answer in entry.answers)
    yield from (_answer(answer, said) for answer in entry.answers if not answer.is_withheld)
    if withheld:
        yield AnswerLine("withheld", said.tn("answer.withheld", withheld))


def _answer(answer: Answer, said: Words) -> AnswerLine:
    if answer.outcome is not Outcome.FINDINGS:
        return AnswerLine(str(answer.outcome), said.w("answer", answer.outcome, reader=answer.reader))
    if answer.code is None or answer.probability is None:
        return AnswerLine("nothing", said.t("answer.nothing", reader=answer.reader))
    kind = "nothing" if answer.presence is Presence.ABSENT else "findings"
    presence = said.w("presence", answer.presence) if answer.presence else ""
    values = {"finding": name_of(answer.code, said), "share": formats.percent(answer.probability)}
    return AnswerLine(kind, said.t("answer.finding", presence=presence, **values))


def _moment(date: str, time: str) -> str:
    return " ".join(part for part in (formats.date(date), formats.time(time)) if part)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
