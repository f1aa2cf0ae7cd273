"""The structured report: Comprehensive 3D SR by TID 1500, as IHE AI Results asks.

Each finding gives one measurement group for the image as a whole (TID 1501: presence,
probability) and one planar group (TID 1410) for each region: the segmentation where there is
one, and every box. A reading without findings gives Qualitative Evaluations that state why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from highdicom import sr

from coread.domain import codes
from coread.domain.finding import Finding
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome, Reading
from coread.results.edition import MANUFACTURER, Edition, Kind, ResultObject, coded, is_shown, serial_number
from coread.results.heat_map import MAP_SOP_CLASS_UIDS, SEGMENTATION_SOP_CLASS_UID, HeatMapObject
from coread.results.regions import outline_of_box
from coread.results.source import STAND_IN_SOP_CLASS_UID, Dataset, Source
from coread.results.sr.parts import (
    CONTAINS,
    HAS_CONCEPT_MOD,
    algorithm,
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
from coread.results.wording import PRESENCE_CODES, clip, conclusion, conclusion_zh, statement_zh

#: Result of the analysis by CID 6042 "Status of Results".
_STATUS = {
    Outcome.FINDINGS: codes.SUCCEEDED,
    Outcome.ABSTAINED: codes.PARTIALLY_SUCCEEDED,
    Outcome.REFUSED: codes.NOT_ATTEMPTED,
    Outcome.FAILED: codes.FAILED,
}


def write(edition: Edition, maps: Sequence[HeatMapObject]) -> ResultObject:
    """Write the structured report of a reading.

    Parameters
    ----------
    maps
        The heat map objects of the same edition; segmentations are referred to as regions.
    """
    result = sr.Comprehensive3DSR(
        evidence=[*(s.reference() for s in edition.inputs), *_segmentations(edition, maps)],
        content=root_of("en"),
        sop_instance_uid=edition.reading.derive_uid(Kind.SR),
        is_complete=True,
        is_final=False,
        is_verified=False,
        **edition.series(Kind.SR),
        **edition.equipment(),
    )
    # Set afterwards: the constructor would copy and search the whole tree, which costs more than all else.
    result.ContentSequence = _content(edition, maps)
    # No reader is cleared anywhere yet; the attribute is an extension of this IOD, as AIR uses it.
    result.ContentQualification = "RESEARCH"
    if edition.reading.predecessor_uid:
        result.PredecessorDocumentsSequence = referenced(
            [report_ref(edition.reading.study_instance_uid, edition.reading.predecessor_uid)]
        )
    return edition.finish(result, Kind.SR, edition.first)


def _content(edition: Edition, maps: Sequence[HeatMapObject]) -> sr.ContentSequence:
    """Return the rows of TID 1500 below its root."""
    groups = [item for finding in edition.reading.findings for item in _groups(edition, finding, maps)]
    return sr.ContentSequence(
        [
            *language_of("en"),
            *_observer(edition),
            code_item(codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE, HAS_CONCEPT_MOD),
            *image_library([source for source in edition.inputs if source.rows]),
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


def _groups(edition: Edition, finding: Finding, maps: Sequence[HeatMapObject]) -> Iterator[Dataset]:
    """Yield the measurement groups of one finding: the whole image, then each region."""
    source = edition.source_of(finding)
    whole = sr.MeasurementsAndQualitativeEvaluations(
        source_images=[sr.SourceImageForMeasurementGroup(*_frame_of(finding, source))],
        measurements=[probability(finding), *measured(finding.measurements)],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(coded(codes.PRESENCE), coded(PRESENCE_CODES[finding.presence]))
        ],
        **_common(edition, finding, finding.tracking_id, finding.tracking_uid),
    )
    whole[0].ContentSequence.append(text(codes.COMMENT, statement_zh(finding)))
    yield from whole
    if is_shown(finding):
        yield from _segment_groups(edition, finding, maps)
        yield from _box_groups(edition, finding, source)


def _segment_groups(edition: Edition, finding: Finding, maps: Sequence[HeatMapObject]) -> Iterator[Dataset]:
    source = edition.source_of(finding)
    for made in maps:
        if made.finding is not finding or made.result.kind is not Kind.SEG:
            continue
        region = sr.ReferencedSegmentationFrame(
            sop_class_uid=SEGMENTATION_SOP_CLASS_UID,
            sop_instance_uid=made.result.id,
            frame_number=1,
            segment_number=1,
            source_image=sr.SourceImageForSegmentation(*_frame_of(finding, source)),
        )
        # Frame and segment exclude each other in one reference (PS3.3 table C.17.5-1); highdicom writes both.
        del region[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
        yield from sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=region,
            **_common(edition, finding, finding.tracking_id, finding.tracking_uid),
        )


def _box_groups(edition: Edition, finding: Finding, source: Source) -> Iterator[Dataset]:
    lone = len(finding.boxes) == 1
    for number, box in enumerate(finding.boxes, start=1):
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
        yield from sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_region=region, **_common(edition, finding, name, uid)
        )


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


def _segmentations(edition: Edition, maps: Sequence[HeatMapObject]) -> Iterator[Dataset]:
    for made in maps:
        evidence = edition.source_of(made.finding).reference()
        evidence.SeriesInstanceUID = edition.reading.derive_uid("series", made.result.kind)
        evidence.SOPInstanceUID = made.result.id
        evidence.SOPClassUID = MAP_SOP_CLASS_UIDS[made.result.kind]
        yield evidence


def _frame_of(finding: Finding, source: Source) -> tuple[str, str, list[int] | None]:
    """Return stand-in SOP class, SOP instance, and the frame's number where the image has several."""
    frame = finding.heat_map.frame if finding.heat_map else 1
    frames = [frame] if source.has_frames else None
    return STAND_IN_SOP_CLASS_UID, source.ref.sop_instance_uid, frames
