"""A doctor asks a reader: to look at a place, or to answer anew from corrected characteristics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from coread.casebook import AskedPrompt
from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.consent import Use, passes
from coread.domain.event import Event
from coread.domain.finding import Characteristic, Confidence, Finding
from coread.domain.reading import Prompt, reading_uid
from coread.domain.review import Trait
from coread.errors import DecisionRefused, NotFound
from coread.review.study_review import AskableReader, AskedPlace
from coread.review.table import Facts, Table

_MOST_WAITING = 50


def askable(table: Table) -> tuple[AskableReader, ...]:
    """Return the readers that this person may ask about images of this study now."""
    if not table.ai_permit.is_allowed:
        return ()
    cards = (c for c in table.sources.askable() if set(c.modalities) & set(table.imaging))
    return tuple(_askable(card) for card in cards if not table.reveal_by(card.identity.name))


def _askable(card: Card) -> AskableReader:
    prompt = card.prompt
    return AskableReader(
        name=card.identity.name,
        title=card.title,
        title_zh=card.title_zh,
        points=bool(prompt and prompt.points),
        boxes=bool(prompt and prompt.boxes),
        modalities=card.modalities,
    )


def asked_places(table: Table) -> tuple[AskedPlace, ...]:
    """Return what was asked about a study, without what this person may not see yet."""
    kept = table.sources.casebook.prompts.of_study(table.study_instance_uid)
    answered = {reading.uid for reading in table.readings}
    return tuple(_place(table, a, answered) for a in kept if not table.reveal_by(a.reader))


def _place(table: Table, asked: AskedPrompt, answered: set[str]) -> AskedPlace:
    # The reading may be kept a moment before the question is called answered.
    reading = asked.reading_uid or (asked.uid if asked.uid in answered else "")
    return AskedPlace(
        uid=asked.uid,
        reader=asked.reader,
        prompt=asked.prompt,
        person_id=asked.person_id,
        person_name=table.sources.names(asked.person_id),
        asked_at=asked.asked_at,
        state="answered" if reading else str(asked.state),
        reading_uid=reading,
    )


@passes(Use.AI)
def ask_reader(table: Table, reader: str, prompt: Prompt) -> AskedPrompt:
    """Put a question to a reader, on record; the same again is the same question.

    Raises
    ------
    NotFound
        If no such reader can be asked here, or the image is none of this study.
    DecisionRefused
        If the patient does not agree to AI, the reader's answers are withheld from this person still, the
        place is outside of the image, the reader does not take such a prompt, or too many questions wait.
    """
    card = _card(table, reader)
    _check_image(table, card, prompt)
    sources, uid = table.sources, table.study_instance_uid
    waiting = [a for a in sources.casebook.prompts.of_study(uid) if str(a.state) == "waiting"]
    if len(waiting) >= _MOST_WAITING:
        raise DecisionRefused(
            f"{len(waiting)} questions that wait", f"at most {_MOST_WAITING}", where="asked"
        )
    version = table.case.study_version
    made = reading_uid(card.identity, uid, version, prompt)
    asked = AskedPrompt(made, uid, version, reader, prompt, table.person.id, sources.clock())
    return sources.casebook.prompts.ask(asked, _event(table, card, asked))


def _card(table: Table, reader: str) -> Card:
    card = next((c for c in table.sources.askable() if c.identity.name == reader), None)
    if card is None:
        raise NotFound("no reader of this name that can be asked", "one that this page offers")
    if not table.ai_permit.is_allowed:
        raise DecisionRefused("a patient who does not agree to AI", "consent to this use", where="consent")
    if act := table.reveal_by(reader):
        raise DecisionRefused(
            "a question to a reader that is withheld", "your own reading first", where=act or "reader"
        )
    return card


def _check_image(table: Table, card: Card, prompt: Prompt) -> None:
    instance = table.image(prompt.image.sop_instance_uid)
    if instance is None or instance.ref != prompt.image:
        raise NotFound("an image that is not of this study", remedy="open the study again")
    if instance.ref.study_instance_uid != table.study_instance_uid:
        raise NotFound("an image that is not of this study", remedy="open the study again")
    facts = instance.header.facts
    if facts.get("Modality", "") not in card.modalities:
        found = f"an image of modality {facts.get('Modality', '') or 'unknown'}"
        raise DecisionRefused(found, f"one of {', '.join(card.modalities)}", where="image")
    takes = card.prompt and (card.prompt.points if prompt.box is None else card.prompt.boxes)
    if not takes:
        raise DecisionRefused("a prompt that the reader does not take", "its other kind", where="prompt")
    _check_place(facts, prompt)


def _check_place(facts: Facts, prompt: Prompt) -> None:
    rows, columns, frames = (_whole(facts, name) for name in ("Rows", "Columns", "NumberOfFrames"))
    box = prompt.box
    corners = [prompt.middle]
    if box is not None:
        corners = [(box.left_px, box.top_px), (box.left_px + box.width_px, box.top_px + box.height_px)]
    is_inside = all(0 <= x <= columns and 0 <= y <= rows for x, y in corners)
    if not is_inside or prompt.frame > max(frames, 1):
        raise DecisionRefused(
            "a place outside of the image", f"within {columns} x {rows} pixels", where="prompt"
        )


def _whole(facts: Facts, name: str) -> int:
    text = facts.get(name, "").strip()
    return int(text) if text.isdecimal() else 0


def _event(table: Table, card: Card, asked: AskedPrompt) -> Event:
    image = table.image(asked.prompt.image.sop_instance_uid)
    facts = {
        "asked": asked.uid,
        "reader": str(card.identity),
        "weights_sha256": card.identity.weights_sha256,
        "version": str(asked.study_version),
        "prompt": " ".join(asked.prompt.key[1:]),
        "image": asked.prompt.image.sop_instance_uid,
        "image_sha256": image.sha256 if image else "",
        "mode": str(table.mode(asked.reader)),
    }
    return Event("reader.asked", asked.study_instance_uid, table.person.actor, asked.asked_at, facts)


@passes(Use.AI)
def reconsidered(table: Table, finding_uid: str, traits: Sequence[Trait]) -> Confidence:
    """Ask a reader what it answers with characteristics as the doctor corrected them; on record.

    Raises
    ------
    NotFound
        If the finding is not before this doctor.
    DecisionRefused
        If the reader's answer does not follow from characteristics, or a value is none of its choices.
    """
    found = table.findings.get(finding_uid)
    if found is None:
        raise NotFound("a finding that is not before you", remedy="open the study again")
    reading, finding = found
    ask = table.sources.reconsider(reading.reader.name)
    if ask is None:
        raise DecisionRefused("a reader that does not answer anew", "one that does", where="reader")
    answer = ask(replace(finding, characteristics=_corrected(finding, traits)))
    said = " ".join(f"{t.concept.value}={t.value.value}" for t in traits)
    facts = {
        "finding": finding_uid,
        "reading": reading.uid,
        "reader": str(reading.reader),
        "weights_sha256": reading.reader.weights_sha256,
        "characteristics": said,
        "before": f"{finding.confidence.probability:g}",
        "after": f"{answer.probability:g}",
    }
    sources = table.sources
    event = Event("reader.reconsidered", table.study_instance_uid, table.person.actor, sources.clock(), facts)
    sources.ledger.append(event)
    return answer


def _corrected(finding: Finding, traits: Sequence[Trait]) -> tuple[Characteristic, ...]:
    """Return the finding's characteristics with the doctor's values in place of the reader's."""
    wanted = {_named(t.concept): t.value for t in traits}
    known = {_named(c.concept) for c in finding.characteristics}
    if not wanted.keys() <= known:
        raise DecisionRefused("a characteristic that the finding has not", "one of its own", where="traits")
    return tuple(_with(item, wanted.get(_named(item.concept))) for item in finding.characteristics)


def _with(item: Characteristic, wanted: Code | None) -> Characteristic:
    if wanted is None or _named(wanted) == _named(item.value):
        return item
    chosen = next((c.value for c in item.choices if _named(c.value) == _named(wanted)), None)
    if chosen is None:
        raise DecisionRefused("a value that the characteristic has not", "one of its choices", where="traits")
    certain = Confidence(1.0, 1.0, 1.0, item.confidence.level, "the doctor", "医师")
    return replace(item, value=chosen, confidence=certain)


def _named(code: Code) -> tuple[str, str]:
    return code.scheme, code.value
