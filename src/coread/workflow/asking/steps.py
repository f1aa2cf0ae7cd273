"""The steps of a reading that a doctor asked for: which images, read there, say that it is answered."""

from __future__ import annotations

from coread.casebook import AskedPrompt
from coread.dicom import open_object
from coread.domain.consent import Use, passes
from coread.domain.reading import Prompt, Reading
from coread.errors import CoReadError, ReaderUnavailable
from coread.readers import Case, PromptedReader, run_at
from coread.routing import originals, route
from coread.workflow.asking.neighbours import neighbours
from coread.workflow.planning import Plan, study_of
from coread.workflow.reading import abstained
from coread.workflow.rooms import Prompts, Rooms


def plan_asked(rooms: Rooms, uid: str) -> Plan:
    """Choose the images that the reader is given, and where its results go.

    Raises
    ------
    NotFound
        If there is no such question, or its image is gone.
    ReaderUnavailable
        If the reader is not installed or answers no prompts.
    """
    asked = _prompts(rooms).get(uid)
    study = rooms.archive.study(asked.study_instance_uid)
    card = _reader(rooms, asked.reader).card
    reach_mm = card.prompt.reach_mm if card.prompt else 0.0
    images = neighbours(rooms, originals(study), asked.prompt, reach_mm)
    return Plan(
        study_uid=asked.study_instance_uid,
        version=asked.study_version,
        at=rooms.now().isoformat(),
        images=[instance.ref.sop_instance_uid for instance in images],
        readers=[],
        destinations=list(route(study, rooms.rules).destinations),
    )


def read_asked(rooms: Rooms, plan: Plan, uid: str) -> str:
    """Let the reader look where it was asked to; keep the reading and return its UID.

    Raises
    ------
    ReaderUnavailable
        If the reader is not installed or cannot be loaded.
    StoreFault
        If an image is gone or changed.
    """
    asked = _prompts(rooms).get(uid)
    reading = _kept(rooms, asked) or _read_anew(rooms, plan, asked)
    facts = dict(rooms.consents.may(asked.study_instance_uid, Use.AI).facts)
    facts |= {"reading": reading.uid, "version": str(reading.study_version), "outcome": str(reading.outcome)}
    facts |= {"reason": reading.reason.code if reading.reason else "", "asked": uid}
    key, actor = f"reading.made:{reading.uid}", f"reader:{reading.reader}"
    rooms.ledger.append(rooms.event("reading.made", plan["study_uid"], key, actor, **facts))
    return reading.uid


def answer(rooms: Rooms, uid: str, reading_uid: str) -> None:
    """Say that a question is answered."""
    _prompts(rooms).answered(uid, reading_uid)


def _kept(rooms: Rooms, asked: AskedPrompt) -> Reading | None:
    """Find the reading that a step cut off before its end has kept."""
    own = _of_prompt(rooms, asked.study_instance_uid, asked.reader, asked.prompt)
    return next((r for r in own if r.study_version == asked.study_version), None)


def _of_prompt(rooms: Rooms, study_uid: str, reader: str, prompt: Prompt) -> list[Reading]:
    readings = rooms.readings.of_study(study_uid)
    return [r for r in readings if r.reader.name == reader and r.prompt and r.prompt.key == prompt.key]


@passes(Use.AI)
def _read_anew(rooms: Rooms, plan: Plan, asked: AskedPrompt) -> Reading:
    reader, study = _reader(rooms, asked.reader), study_of(rooms, plan)
    former = _of_prompt(rooms, asked.study_instance_uid, asked.reader, asked.prompt)
    earlier = [r for r in former if r.study_version < asked.study_version]
    predecessor = max(earlier, key=lambda reading: reading.study_version, default=None)
    former_uid = predecessor.uid if predecessor else ""
    permit = rooms.consents.may(asked.study_instance_uid, Use.AI)
    if permit.is_allowed:
        held = {instance.ref.sop_instance_uid: instance for instance in study.instances}
        images = tuple(open_object(rooms.archive.read_object(held[uid])) for uid in plan["images"])
        reading = run_at(reader, Case(study, asked.study_version, images), asked.prompt, former_uid)
    else:
        reading = abstained(plan, reader.card.identity, permit, former_uid, asked.prompt)
    rooms.readings.save(reading)
    return reading


def _reader(rooms: Rooms, name: str) -> PromptedReader:
    reader = rooms.registry.reader(name)
    if not isinstance(reader, PromptedReader):
        raise ReaderUnavailable("a reader that answers no prompts", "one that does", where=name)
    return reader


def _prompts(rooms: Rooms) -> Prompts:
    if rooms.prompts is None:
        raise CoReadError(
            found="a reading that was asked for, but nobody to ask",
            expected="a clinic with a reading room",
            remedy="report this as a defect",
            where="workflow",
        )
    return rooms.prompts
