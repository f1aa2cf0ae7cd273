"""One reader on one study: gate, read, calibrate, explain. The same case gives the same reading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from coread.domain.bundle import Card
from coread.domain.finding import Box, Confidence, Finding, Presence
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome, Reading, Reason
from coread.domain.study import Instance, Study
from coread.errors import CoReadError, InputFault, ReaderFailed
from coread.readers.contract import Case, Reader, ReaderOutput, Unfit
from coread.readers.explain import heat_map
from coread.readers.guard import guarded
from coread.readers.refusals import Refusal, most_telling, no_image, unreadable, wrong_kind
from coread.readers.uncertainty import band_reason, presence
from coread.routing import originals

if TYPE_CHECKING:
    from coread.dicom import DicomObject


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the reader said of one image, calibrated."""

    image: DicomObject
    output: ReaderOutput
    confidence: Confidence
    presence: Presence
    doubt: Reason | None


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
        ``findings``: one finding per image that passed the gate, indeterminate where the reader abstained.
        ``abstained``: some image passed, and the reader was sure of none.
        ``refused``: no image passed; the reason is that of the image that came furthest.
        ``failed``: the reader raised or broke its contract on some image. Its other answers are dropped,
        because a study half read would look like a study read.

    Notes
    -----
    Never raises for what a plug-in does. *Does not* limit time: the engine that calls does.
    """
    try:
        looks = [_look(reader, image) for image in case.images]
    except CoReadError as fault:
        return _reading(reader.card, case, predecessor_uid, Outcome.FAILED, _failure(fault))
    answers = [look for look in looks if isinstance(look, _Answer)]
    if not answers:
        refusals = [look for look in looks if isinstance(look, Refusal)]
        reason = most_telling(refusals) if refusals else no_image(reader.card, case.study)
        return _reading(reader.card, case, predecessor_uid, Outcome.REFUSED, reason)
    doubts = [answer.doubt for answer in answers if answer.doubt]
    if len(doubts) == len(answers):
        return _reading(reader.card, case, predecessor_uid, Outcome.ABSTAINED, doubts[0])
    findings = tuple(_finding(reader.card, answer, number) for number, answer in enumerate(answers, 1))
    return _reading(reader.card, case, predecessor_uid, Outcome.FINDINGS, findings=findings)


def _look(reader: Reader, image: DicomObject) -> _Answer | Refusal:
    """Gate and read one image."""
    misfit = wrong_kind(reader.card, image.header)
    if misfit:
        return misfit
    try:
        said = guarded(partial(_said, reader, image))
    except InputFault as fault:
        return unreadable(fault)
    return said if isinstance(said, Refusal) else _judged(reader, image, said)


def _said(reader: Reader, image: DicomObject) -> ReaderOutput | Refusal:
    """Everything that runs the plug-in's code."""
    reason = reader.accepts(image)
    if reason is not None:
        return Refusal(reason, "header")
    output = reader.read(image)
    if isinstance(output, Unfit):
        return Refusal(output.reason, "pixels")
    _check(output, image)
    return output


def _check(output: object, image: DicomObject) -> None:
    """Hold a reader to its contract.

    Raises
    ------
    ReaderFailed
        If the output is none, or speaks of places or frames that the image does not have.
    """
    if not isinstance(output, ReaderOutput):
        raise ReaderFailed(f"a {type(output).__name__}", "a ReaderOutput or Unfit", where="answer of read()")
    frames, (rows, columns) = image.number_of_frames, _shape(image)
    if not 1 <= output.frame <= frames:
        raise ReaderFailed(f"frame {output.frame}", f"1 to {frames}", where="ReaderOutput.frame")
    if not all(_inside(box, rows, columns) for box in output.boxes):
        raise ReaderFailed("a box outside the frame", f"{columns} x {rows}", where="ReaderOutput.boxes")


def _inside(box: Box, rows: int, columns: int) -> bool:
    right, bottom = box.left_px + box.width_px, box.top_px + box.height_px
    return 0 <= box.left_px <= right <= columns and 0 <= box.top_px <= bottom <= rows


def _shape(image: DicomObject) -> tuple[int, int]:
    """Rows and columns of the stored frame."""
    return int(image.header.facts["Rows"]), int(image.header.facts["Columns"])


def _judged(reader: Reader, image: DicomObject, output: ReaderOutput) -> _Answer:
    band = reader.calibration.band
    confidence = reader.calibration.confidence(output.score)
    called = Presence.INDETERMINATE if output.doubt else presence(confidence, reader.card, band)
    unsure = band_reason(confidence, band) if called is Presence.INDETERMINATE else None
    return _Answer(image, output, confidence, called, output.doubt or unsure)


def _finding(card: Card, answer: _Answer, number: int) -> Finding:
    output, ref = answer.output, answer.image.header.ref
    who, code = card.identity, card.finding
    reader = (who.name, who.version, who.weights_sha256)
    return Finding(
        code=code,
        presence=answer.presence,
        confidence=answer.confidence,
        image=ref,
        site=output.site,
        tracking_uid=derive_uid("finding", *reader, ref.sop_instance_uid, str(output.frame), code.value),
        tracking_id=f"{code.meaning} {number}",
        boxes=output.boxes,
        measurements=output.measurements,
        heat_map=heat_map(output, answer.presence, card, _shape(answer.image)),
    )


def _failure(fault: CoReadError) -> Reason:
    number = fault.number if isinstance(fault, ReaderFailed) else ReaderFailed.number
    return Reason(
        "reader-failed",
        f"[{number}] {ReaderFailed.sentence} {fault.found}{f' ({fault.where})' if fault.where else ''}.",
        f"[{number}] 模型在读取该检查时出错；其他模型不受影响。",
    )


def _reading(
    card: Card,
    case: Case,
    predecessor_uid: str,
    outcome: Outcome,
    reason: Reason | None = None,
    findings: tuple[Finding, ...] = (),
) -> Reading:
    return Reading(
        study_instance_uid=case.study.study_instance_uid,
        study_version=case.study_version,
        reader=card.identity,
        outcome=outcome,
        inputs=tuple(image.header.ref for image in case.images),
        findings=findings,
        reason=reason,
        predecessor_uid=predecessor_uid,
    )
