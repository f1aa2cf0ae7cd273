"""One reader on one study: gate, read, calibrate, explain. The same case gives the same reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from coread.domain.bundle import Card
from coread.domain.finding import Finding
from coread.domain.reading import Outcome, Prompt, Reading, Reason
from coread.domain.study import Instance, Study
from coread.errors import CoReadError, InputFault, ReaderFailed
from coread.readers.contract import AnyReader, Case, PromptedReader, Reader, ReaderOutput, Said, Unfit
from coread.readers.guard import guarded
from coread.readers.judging import Answer, checked, findings, judged
from coread.readers.refusals import Refusal, most_telling, no_image, unreadable, wrong_kind
from coread.routing import originals

if TYPE_CHECKING:
    from coread.dicom import DicomObject


def eligible(card: Card, study: Study) -> tuple[Instance, ...]:
    """Instances that a reader of this card is given: originals of its modalities, in the study's order.

    Worth asking before objects are opened: a reader of radiographs need not decode the CT of the same study.
    Where there is none of its kind, the study's first original, so that there is an image which is refused.
    """
    images = originals(study)
    own = tuple(i for i in images if i.header.facts.get("Modality", "") in card.modalities)
    return own or images[:1]


def run(reader: Reader, case: Case, predecessor_uid: str = "") -> Reading:
    """Let one reader read one case.

    Parameters
    ----------
    reader
        Any plug-in.
    case
        What it is given; every image is gated on its own.
    predecessor_uid
        Reading of the study's former version, which this one replaces.

    Returns
    -------
    Reading
        ``findings``: all that the reader spoke of on the images that passed the gate, indeterminate where it
        abstained.
        ``abstained``: some image passed, and the reader was sure of nothing.
        ``refused``: no image passed; the reason is that of the image that came furthest.
        ``failed``: the reader raised or broke its contract on some image. Its other answers are dropped,
        because a study half read would look like a study read.

    Notes
    -----
    Never raises for what a plug-in does. *Does not* limit time: the engine that calls does.
    """
    looks: list[Answer | Refusal] = []
    try:
        for image in case.images:
            look = _looked(reader, image, case.images, partial(reader.read, image))
            looks += [look] if isinstance(look, Refusal) else look
    except CoReadError as fault:
        return _failed(reader.card, case, predecessor_uid, fault)
    return _concluded(reader.card, case, predecessor_uid, looks)


def run_at(reader: PromptedReader, case: Case, prompt: Prompt, predecessor_uid: str = "") -> Reading:
    """Let a prompted reader look at one place.

    Parameters
    ----------
    reader
        Any plug-in that answers prompts.
    case
        The asked image with its neighbours, in the order of their places.
    prompt
        Where to look; its image is one of the case's.
    predecessor_uid
        Reading of the same prompt on the study's former version.

    Returns
    -------
    Reading
        As of `run`, with the prompt.

    Notes
    -----
    Never raises for what a plug-in does.
    """
    card = reader.card
    asked = next((image for image in case.images if image.header.ref == prompt.image), None)
    if asked is None:
        return _concluded(card, case, predecessor_uid, (), prompt)
    try:
        look = _looked(reader, asked, case.images, partial(reader.read_at, case.images, prompt))
    except CoReadError as fault:
        return replace(_failed(card, case, predecessor_uid, fault), prompt=prompt)
    looks = [look] if isinstance(look, Refusal) else look
    return _concluded(card, case, predecessor_uid, looks, prompt)


def _concluded(
    card: Card,
    case: Case,
    predecessor_uid: str,
    looks: Sequence[Answer | Refusal],
    prompt: Prompt | None = None,
) -> Reading:
    """Make the reading of all looks at all images."""
    make = partial(_reading, card, case, predecessor_uid)
    answers = [look for look in looks if isinstance(look, Answer)]
    if not answers:
        refusals = [look for look in looks if isinstance(look, Refusal)]
        reason = most_telling(refusals) if refusals else no_image(card, case.study)
        return replace(make(Outcome.REFUSED, reason), prompt=prompt)
    doubts = [answer.doubt for answer in answers if answer.doubt]
    if len(doubts) == len(answers):
        return replace(make(Outcome.ABSTAINED, doubts[0]), prompt=prompt)
    found = tuple(findings(card, answers, prompt))
    return replace(make(Outcome.FINDINGS, found=found), prompt=prompt)


def _looked(
    reader: AnyReader, image: DicomObject, given: Sequence[DicomObject], ask: Callable[[], Said]
) -> list[Answer] | Refusal:
    """Gate one image and let the reader look at it."""
    misfit = wrong_kind(reader.card, image.header)
    if misfit:
        return misfit
    try:
        said = guarded(partial(_said, reader, image, given, ask))
    except InputFault as fault:
        return unreadable(fault)
    return said if isinstance(said, Refusal) else judged(reader, image, said)


def _said(
    reader: AnyReader, image: DicomObject, given: Sequence[DicomObject], ask: Callable[[], Said]
) -> list[ReaderOutput] | Refusal:
    """Everything that runs the plug-in's code."""
    reason = reader.accepts(image)
    if reason is not None:
        return Refusal(reason, "header")
    said = ask()
    if isinstance(said, Unfit):
        return Refusal(said.reason, "pixels")
    return checked(reader.card, image, given, said)


def _failed(card: Card, case: Case, predecessor_uid: str, fault: CoReadError) -> Reading:
    return _reading(card, case, predecessor_uid, Outcome.FAILED, _failure(fault))


def _failure(fault: CoReadError) -> Reason:
    number = fault.number if isinstance(fault, ReaderFailed) else ReaderFailed.number
    told = f"[{number}] {ReaderFailed.sentence} {fault.found}{f' ({fault.where})' if fault.where else ''}."
    told += f" Expected: {fault.expected}." if fault.expected else ""
    told += f" What to do: {fault.remedy}." if fault.remedy else ""
    return Reason(
        "reader-failed",
        told,
        f"[{number}] 模型在读取该检查时出错；其他模型不受影响。",
    )


def _reading(
    card: Card,
    case: Case,
    predecessor_uid: str,
    outcome: Outcome,
    reason: Reason | None = None,
    found: tuple[Finding, ...] = (),
) -> Reading:
    return Reading(
        study_instance_uid=case.study.study_instance_uid,
        study_version=case.study_version,
        reader=card.identity,
        outcome=outcome,
        inputs=tuple(image.header.ref for image in case.images),
        findings=found,
        reason=reason,
        predecessor_uid=predecessor_uid,
    )
