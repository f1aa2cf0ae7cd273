"""Questions that come with a study: the points and shapes of its presentation states."""

from __future__ import annotations

from collections.abc import Iterator

from coread.casebook import AskedPrompt
from coread.dicom import open_object
from coread.dicom.annotations.marks import PRESENTATION_SOP_CLASS_UIDS, Mark, marks_of
from coread.domain.bundle import Card
from coread.domain.reading import Prompt, reading_uid
from coread.domain.study import Instance, Study
from coread.errors import ReaderUnavailable
from coread.readers import PromptedReader, Reader
from coread.workflow.planning import Plan
from coread.workflow.rooms import Rooms

#: A state that marks more places than this is a drawing, and no question.
MOST_MARKS = 20
_OWN = "reader:"


def is_only_asked(rooms: Rooms, name: str) -> bool:
    """Tell whether a reader that the rules name reads nothing by itself, and answers prompts alone."""
    try:
        reader = rooms.registry.reader(name)
    except ReaderUnavailable:
        return False
    return isinstance(reader, PromptedReader) and not isinstance(reader, Reader)


def ask_sent(rooms: Rooms, plan: Plan) -> list[str]:
    """Put what was marked in presentation states to those readers of the rules that wait to be asked.

    Returns
    -------
    list
        The questions, by UID; asking them again changes nothing.
    """
    if rooms.prompts is None:
        return []
    study = rooms.archive.study(plan["study_uid"])
    uids: list[str] = []
    for name in plan.get("asked", []):
        card = rooms.registry.reader(name).card
        uids += [_ask(rooms, plan, card, prompt) for prompt in _prompts(rooms, study, card)]
    return uids


def _prompts(rooms: Rooms, study: Study, card: Card) -> Iterator[Prompt]:
    images = {i.ref.sop_instance_uid: i for i in study.instances}
    marks = [mark for state in study.instances if _is_state(state) for mark in _marks(rooms, state)]
    for mark in marks[:MOST_MARKS]:
        image = images.get(mark.sop_instance_uid)
        if image is not None and _fits(card, image, mark):
            yield Prompt(image.ref, mark.frame, mark.point, mark.box)


def _is_state(instance: Instance) -> bool:
    is_state = instance.ref.sop_class_uid in PRESENTATION_SOP_CLASS_UIDS
    return is_state and not instance.source.startswith(_OWN)


def _marks(rooms: Rooms, state: Instance) -> tuple[Mark, ...]:
    return marks_of(open_object(rooms.archive.read_object(state)))


def _fits(card: Card, image: Instance, mark: Mark) -> bool:
    """Tell whether a reader takes such a mark on such an image, and whether it lies inside."""
    facts, prompt = image.header.facts, card.prompt
    rows, columns, frames = (_whole(facts.get(name, "")) for name in ("Rows", "Columns", "NumberOfFrames"))
    if prompt is None or facts.get("Modality", "") not in card.modalities or mark.frame > max(frames, 1):
        return False
    if mark.box is None:
        x, y = mark.point or (-1.0, -1.0)
        return prompt.points and 0 <= x <= columns and 0 <= y <= rows
    box = mark.box
    right, bottom = box.left_px + box.width_px, box.top_px + box.height_px
    return prompt.boxes and min(box.left_px, box.top_px) >= 0 and right <= columns and bottom <= rows


def _whole(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _ask(rooms: Rooms, plan: Plan, card: Card, prompt: Prompt) -> str:
    study_uid, version, name = plan["study_uid"], plan["version"], card.identity.name
    uid = reading_uid(card.identity, study_uid, version, prompt)
    facts = {
        "asked": uid,
        "reader": str(card.identity),
        "weights_sha256": card.identity.weights_sha256,
        "version": str(version),
        "prompt": " ".join(prompt.key[1:]),
        "image": prompt.image.sop_instance_uid,
    }
    event = rooms.event("reader.asked", study_uid, f"reader.asked:{uid}", **facts)
    asked = AskedPrompt(uid, study_uid, version, name, prompt, "", rooms.now())
    if rooms.prompts is not None:
        rooms.prompts.ask(asked, event)
    return uid
