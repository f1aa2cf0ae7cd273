"""From what a reader said to findings: its contract, its calibration, its threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coread.domain.bundle import Card, Declared
from coread.domain.codes import Code
from coread.domain.finding import Box, Confidence, Finding, Outline, Presence
from coread.domain.identity import derive_uid
from coread.domain.reading import Prompt, Reason
from coread.errors import ReaderFailed
from coread.readers.contract import AnyReader, ReaderOutput
from coread.readers.explain import heat_map
from coread.readers.uncertainty import Calibration, band_reason, presence

if TYPE_CHECKING:
    from coread.dicom import DicomObject

#: More findings on one image, or more boxes on one finding, are no answer that a doctor can check.
MOST_FINDINGS = 20
MOST_BOXES = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """One finding that the reader spoke of, calibrated."""

    image: DicomObject
    output: ReaderOutput
    declared: Declared
    confidence: Confidence
    presence: Presence
    doubt: Reason | None


def calibration_of(reader: AnyReader, code: Code) -> Calibration:
    """Return the curve of one finding; that of the main one where the reader has one curve only."""
    curves = getattr(reader, "calibrations", None) or {}
    found: Calibration = curves.get(code.value, reader.calibration)
    return found


def judged(reader: AnyReader, image: DicomObject, outputs: Sequence[ReaderOutput]) -> list[Answer]:
    """Calibrate each output, and call it present, absent or indeterminate."""
    return [_judged(reader, image, output) for output in outputs]


def _judged(reader: AnyReader, image: DicomObject, output: ReaderOutput) -> Answer:
    declared = reader.card.declared(output.code or reader.card.finding) or reader.card.all_findings[0]
    curve = calibration_of(reader, declared.code)
    confidence = curve.confidence(output.score)
    called = Presence.INDETERMINATE if output.doubt else presence(confidence, declared, curve.band)
    unsure = band_reason(confidence, curve.band) if called is Presence.INDETERMINATE else None
    return Answer(image, output, declared, confidence, called, output.doubt or unsure)


def findings(card: Card, answers: Sequence[Answer], prompt: Prompt | None = None) -> Iterator[Finding]:
    """Make the findings of one reading; the same answers make the same identifiers."""
    numbers: Counter[str] = Counter()
    places: Counter[tuple[str, ...]] = Counter()
    for answer in answers:
        code, ref = answer.declared.code, answer.image.header.ref
        place = (ref.sop_instance_uid, str(answer.output.frame), code.value)
        numbers[code.value] += 1
        places[place] += 1
        again = (str(places[place]),) if places[place] > 1 else ()
        where = ("prompt", *prompt.key) if prompt else ()
        yield _finding(card, answer, _name(answer, numbers[code.value], prompt), (*place, *again, *where))


def _name(answer: Answer, number: int, prompt: Prompt | None) -> str:
    """Name a finding for people; one that was asked for by where it was asked."""
    meaning = answer.declared.code.meaning
    if prompt is None:
        return f"{meaning} {number}"
    x, y = prompt.middle
    image = answer.image.header.facts.get("InstanceNumber", "").strip()
    where = f"image {image}, {x:.0f}, {y:.0f}" if image else f"{x:.0f}, {y:.0f}"
    return f"{meaning} ({where})" if number == 1 else f"{meaning} {number} ({where})"


def _finding(card: Card, answer: Answer, name: str, role: tuple[str, ...]) -> Finding:
    output, who = answer.output, card.identity
    return Finding(
        code=answer.declared.code,
        presence=answer.presence,
        confidence=answer.confidence,
        image=answer.image.header.ref,
        site=output.site,
        tracking_uid=derive_uid("finding", who.name, who.version, who.weights_sha256, *role),
        tracking_id=name,
        boxes=output.boxes,
        measurements=output.measurements,
        heat_map=heat_map(output, answer.presence, card, shape_of(answer.image)),
        frame=output.frame,
        outlines=output.outlines,
        characteristics=output.characteristics,
        similar=output.similar,
    )


def checked(card: Card, image: DicomObject, given: Sequence[DicomObject], said: object) -> list[ReaderOutput]:
    """Hold an answer to the contract, and return its outputs.

    Parameters
    ----------
    card
        What the reader may state.
    image
        The image that was read or asked about.
    given
        All images that the reader was given; outlines may lie on any of them.
    said
        What it answered, other than that the image is unfit.

    Raises
    ------
    ReaderFailed
        If it is no output, or speaks of findings, places or frames that card and images do not have.
    """
    outputs = [said] if not isinstance(said, Sequence) else list(said)
    if not 1 <= len(outputs) <= MOST_FINDINGS:
        raise ReaderFailed(f"{len(outputs)} outputs", f"1 to {MOST_FINDINGS}", where="answer of the reader")
    return [_checked(card, image, given, output) for output in outputs]


def _checked(card: Card, image: DicomObject, given: Sequence[DicomObject], output: object) -> ReaderOutput:
    if not isinstance(output, ReaderOutput):
        found = f"a {type(output).__name__}"
        raise ReaderFailed(found, "a ReaderOutput or Unfit", where="answer of read()")
    if output.code is not None and card.declared(output.code) is None:
        raise ReaderFailed(f"the finding {output.code.value}", "one of the card", where="ReaderOutput.code")
    frames, (rows, columns) = image.number_of_frames, shape_of(image)
    if not 1 <= output.frame <= frames:
        raise ReaderFailed(f"frame {output.frame}", f"1 to {frames}", where="ReaderOutput.frame")
    if len(output.boxes) > MOST_BOXES or not all(_inside(box, rows, columns) for box in output.boxes):
        raise ReaderFailed("a box outside the frame", f"{columns} x {rows}", where="ReaderOutput.boxes")
    if not all(_lies_on(outline, given) for outline in output.outlines):
        found = "an outline of another image, shape or frame"
        raise ReaderFailed(found, "one on the images given", where="ReaderOutput.outlines")
    return output


def _inside(box: Box, rows: int, columns: int) -> bool:
    right, bottom = box.left_px + box.width_px, box.top_px + box.height_px
    return 0 <= box.left_px <= right <= columns and 0 <= box.top_px <= bottom <= rows


def _lies_on(outline: Outline, given: Sequence[DicomObject]) -> bool:
    image = next((image for image in given if image.header.ref == outline.image), None)
    if image is None:
        return False
    return outline.shape == shape_of(image) and 1 <= outline.frame <= image.number_of_frames


def shape_of(image: DicomObject) -> tuple[int, int]:
    """Rows and columns of the stored frame."""
    return int(image.header.facts["Rows"]), int(image.header.facts["Columns"])
