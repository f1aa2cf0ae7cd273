"""The structured report: Comprehensive 3D SR by TID 1500, as IHE AI Results asks.

Each finding gives one measurement group for the image as a whole (TID 1501: presence,
probability) and one group for each region: a planar one (TID 1410) for a segmentation of one
frame and for every box, a volumetric one (TID 1411) for a segmentation of several slices.
Measurements and characteristics stand with the outline that they were taken from, else in the
first group. A reading without findings gives Qualitative Evaluations that state why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from highdicom import sr

from coread.domain import codes
from coread.domain.finding import Finding
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome, Reading
from coread.results.edition import (
    MANUFACTURER,
    Edition,
    Kind,
    ResultObject,
    coded,
    is_shown,
    serial_number,
)
from coread.results.heat_map import MAP_SOP_CLASS_UIDS, SEGMENTATION_SOP_CLASS_UID, HeatMapObject
from coread.results.outlined import OutlineObject
from coread.results.regions import outline_of_box
from coread.results.source import STAND_IN_SOP_CLASS_UID, Dataset, Source
from coread.results.sr.parts import (
    CONTAINS,
    HAS_CONCEPT_MOD,
    algorithm,
    characterised,
    code_item,
    container,
    image_library,
    language_of,
    measured,
    probability,
    referenced,
    report_ref,
    root_of,
    text,
)
from coread.results.wording import (
    PRESENCE_CODES,
    clip,
    conclusion,
    conclusion_zh,
    similar_in_words,
    statement_zh,
)

#: Result of the analysis by CID 6042 "Status of Results".
_STATUS = {
    Outcome.FINDINGS: codes.SUCCEEDED,
    Outcome.ABSTAINED: codes.PARTIALLY_SUCCEEDED,
    Outcome.REFUSED: codes.NOT_ATTEMPTED,
    Outcome.FAILED: codes.FAILED,
}


#: More boxes are drawn in the presentation state but not measured one by one: at 10 ms each the report of a
#: smear of a thousand cells would take longer than its reading. The report says how many were left out.
MOST_BOX_GROUPS = 100


@dataclass(frozen=True, slots=True)
class Pictures:
    """The objects of the same edition that a report refers to as regions."""

    maps: Sequence[HeatMapObject] = ()
    outlines: Sequence[OutlineObject] = ()

    def outlines_of(self, finding: Finding) -> tuple[OutlineObject, ...]:
        """Return the outlines of one finding."""
        return tuple(made for made in self.outlines if made.finding is finding)


def write(
    edition: Edition, maps: Sequence[HeatMapObject], outlines: Sequence[OutlineObject] = ()
) -> ResultObject:
    """Write the structured report of a reading.

    Parameters
    ----------
    maps, outlines
        The objects of the same edition; segmentations are referred to as regions.
    """
    made = Pictures(maps, outlines)
    result = sr.Comprehensive3DSR(
        evidence=[*(s.reference() for s in edition.inputs), *_segmentations(edition, made)],
        content=root_of("en"),
        sop_instance_uid=edition.reading.derive_uid(Kind.SR),
        is_complete=True,
        is_final=False,
        is_verified=False,
        **edition.series(Kind.SR),
        **edition.equipment(),
    )
    # Set afterwards: the constructor would copy and search the whole tree, which costs more than all else.
    result.ContentSequence = _content(edition, made)
    # No reader is cleared anywhere yet; the attribute is an extension of this IOD, as AIR uses it.
    result.ContentQualification = "RESEARCH"
    if edition.reading.predecessor_uid:
        result.PredecessorDocumentsSequence = referenced(
            [report_ref(edition.reading.study_instance_uid, edition.reading.predecessor_uid)]
        )
    return edition.finish(result, Kind.SR, edition.first)


def _content(edition: Edition, made: Pictures) -> sr.ContentSequence:
    """Return the rows of TID 1500 below its root."""
    groups = [item for finding in edition.reading.findings for item in _groups(edition, finding, made)]
    return sr.ContentSequence(
        [
            *language_of("en"),
            *_observer(edition),
            code_item(codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE, HAS_CONCEPT_MOD),
            *image_library([source for source in edition.pictured if source.rows]),
            container(codes.IMAGING_MEASUREMENTS, groups) if groups else _evaluations(edition.reading),
        ]
    )


def _observer(edition: Edition) -> sr.ObserverContext:
    reader = edition.reading.reader
    return sr.ObserverContext(
        observer_type=coded(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=derive_uid("reader", reader.name, reader.version, reader.weights_sha256),
            name=clip(reader.name, 64),
            manufacturer_name=clip(reader.manufacturer, 64) or MANUFACTURER,
            model_name=clip(f"{reader.name} {reader.version}", 64),
            serial_number=serial_number(reader),
        ),
    )


def _groups(edition: Edition, finding: Finding, made: Pictures) -> Iterator[Dataset]:
    """Yield the measurement groups of one finding: the whole image, then each region."""
    source, outlines = edition.source_of(finding), made.outlines_of(finding)
    said = _said(finding)
    whole = sr.MeasurementsAndQualitativeEvaluations(
        source_images=[sr.SourceImageForMeasurementGroup(*_frame_of(finding, source))],
        measurements=[probability(finding), *((not outlines and said["measurements"]) or ())],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(coded(codes.PRESENCE), coded(PRESENCE_CODES[finding.presence])),
            *((not outlines and said["qualitative_evaluations"]) or ()),
        ],
        **_common(edition, finding, finding.tracking_id, finding.tracking_uid),
    )
    whole[0].ContentSequence.extend(text(codes.COMMENT, remark) for remark in _remarks(finding))
    yield from whole
    for number, outline in enumerate(outlines):
        yield from _outline_group(edition, outline, said if number == 0 else {})
    if is_shown(finding):
        yield from _segment_groups(edition, finding, made.maps)
        yield from _box_groups(edition, finding, source)


def _said(finding: Finding) -> dict[str, Any]:
    """Return what was measured and how it looks, as constructor arguments."""
    return {
        "measurements": list(measured(finding.measurements)) or None,
        "qualitative_evaluations": list(characterised(finding.characteristics)) or None,
    }


def _remarks(finding: Finding) -> Iterator[str]:
    yield statement_zh(finding)
    if finding.similar:
        yield similar_in_words(finding)
    if is_shown(finding) and len(finding.boxes) > MOST_BOX_GROUPS:
        yield f"{len(finding.boxes)} regions, of which {MOST_BOX_GROUPS} are listed here."


def _outline_group(edition: Edition, made: OutlineObject, said: dict[str, Any]) -> Iterator[Dataset]:
    """Yield the group of one outline: planar for one frame, volumetric for several."""
    finding = made.finding
    common = _common(edition, finding, finding.tracking_id, finding.tracking_uid) | said
    if len(made.images) == 1:
        source, frame = made.images[0], made.frames[0]
        region = _region(made.result.id, source, frame)
        yield from sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=region, **common)
        return
    images = list(dict.fromkeys(source.ref.sop_instance_uid for source in made.images))
    segment = sr.ReferencedSegment(
        sop_class_uid=SEGMENTATION_SOP_CLASS_UID,
        sop_instance_uid=made.result.id,
        segment_number=1,
        source_images=[sr.SourceImageForSegmentation(STAND_IN_SOP_CLASS_UID, uid) for uid in images],
    )
    yield from sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **common)


def _region(uid: str, source: Source, frame: int) -> sr.ReferencedSegmentationFrame:
    """Refer to the only frame of a segmentation."""
    frames = [frame] if source.has_frames else None
    image = sr.SourceImageForSegmentation(STAND_IN_SOP_CLASS_UID, source.ref.sop_instance_uid, frames)
    region = sr.ReferencedSegmentationFrame(
        sop_class_uid=SEGMENTATION_SOP_CLASS_UID,
        sop_instance_uid=uid,
        frame_number=1,
        segment_number=1,
        source_image=image,
    )
    # Frame and segment exclude each other in one reference (PS3.3 table C.17.5-1); highdicom writes both.
    del region[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return region


def _segment_groups(edition: Edition, finding: Finding, maps: Sequence[HeatMapObject]) -> Iterator[Dataset]:
    source = edition.source_of(finding)
    for made in maps:
        if made.finding is not finding or made.result.kind is not Kind.SEG:
            continue
        region = _region(made.result.id, source, finding.key_frame)
        yield from sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=region,
            **_common(edition, finding, finding.tracking_id, finding.tracking_uid),
        )


def _box_groups(edition: Edition, finding: Finding, source: Source) -> Iterator[Dataset]:
    lone = len(finding.boxes) == 1
    for number, box in enumerate(finding.boxes[:MOST_BOX_GROUPS], start=1):
        outline = outline_of_box(box, source.rows, source.columns)
        if outline is None:
            continue
        uid = finding.tracking_uid if lone else derive_uid(finding.tracking_uid, "box", str(number))
        name = finding.tracking_id if lone else f"{clip(finding.tracking_id, 48)} box {number}"
        region = sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=outline,
            source_image=sr.SourceImageForRegion(*_frame_of(finding, source)),
        )
        common = _common(edition, finding, name, uid)
        if box.label is not None:
            common["finding_type"] = coded(box.label)
        yield from sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **common)


def _common(edition: Edition, finding: Finding, tracking_id: str, tracking_uid: str) -> dict[str, Any]:
    return {
        "tracking_identifier": sr.TrackingIdentifier(tracking_uid, clip(tracking_id, 64) or "Finding"),
        "finding_category": coded(codes.MORPHOLOGIC_ABNORMALITY),
        "finding_type": coded(finding.code),
        "finding_sites": [sr.FindingSite(coded(finding.site))] if finding.site else None,
        "algorithm_id": algorithm(edition.reading.reader, finding, edition.card),
    }


def _evaluations(reading: Reading) -> sr.ContainerContentItem:
    """State why there is no finding: the status coded, the sentence in both languages.

    The reason is text: a code of our own scheme would be foreign to every receiver.
    """
    reason = [text(codes.COMMENT, f"Reason: {reading.reason.code}")] if reading.reason else []
    return container(
        codes.QUALITATIVE_EVALUATIONS,
        [
            code_item(codes.SUMMARY_OF_ANALYSES, _STATUS[reading.outcome], CONTAINS),
            *reason,
            text(codes.COMMENT, conclusion(reading)),
            text(codes.COMMENT, conclusion_zh(reading)),
        ],
    )


def _segmentations(edition: Edition, made: Pictures) -> Iterator[Dataset]:
    pictures = [(one.finding, one.result) for one in made.maps]
    pictures += [(one.finding, one.result) for one in made.outlines]
    for finding, result in pictures:
        evidence = edition.source_of(finding).reference()
        evidence.SeriesInstanceUID = edition.reading.derive_uid("series", result.kind)
        evidence.SOPInstanceUID = result.id
        evidence.SOPClassUID = MAP_SOP_CLASS_UIDS[result.kind]
        yield evidence


def _frame_of(finding: Finding, source: Source) -> tuple[str, str, list[int] | None]:
    """Return stand-in SOP class, SOP instance, and the frame's number where the image has several."""
    frames = [finding.key_frame] if source.has_frames else None
    return STAND_IN_SOP_CLASS_UID, source.ref.sop_instance_uid, frames
