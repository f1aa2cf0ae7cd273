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
from coread.domain.codes import Code
from coread.domain.finding import Finding
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome, Reading
from coread.results.edition import MANUFACTURER, Edition, Kind, ResultObject, coded, is_shown
from coread.results.heat_map import MAP_SOP_CLASS_UIDS, SEGMENTATION_SOP_CLASS_UID, HeatMapObject
from coread.results.regions import outline_of_box
from coread.results.source import STAND_IN_SOP_CLASS_UID, Dataset, Source
from coread.results.wording import PRESENCE_CODES, clip, conclusion, conclusion_zh, statement_zh

COMPREHENSIVE_3D_SR_SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.88.34"

_HAS_ACQ_CONTEXT = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
_HAS_CONCEPT_MOD = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
_CONTAINS = sr.RelationshipTypeValues.CONTAINS

_ENGLISH = sr.CodedConcept(value="en", scheme_designator="RFC5646", meaning="English")
_SOURCE = sr.CodedConcept(value="260753009", scheme_designator="SCT", meaning="Source")

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
        content=_root(),
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
        result.PredecessorDocumentsSequence = [_predecessor(edition.reading)]
    return edition.finish(result, Kind.SR, edition.first)


def _root() -> sr.ContainerContentItem:
    root = sr.ContainerContentItem(name=coded(codes.IMAGING_MEASUREMENT_REPORT), template_id="1500")
    root.ContentSequence = sr.ContentSequence(sr.LanguageOfContentItemAndDescendants(_ENGLISH))
    return root


def _content(edition: Edition, maps: Sequence[HeatMapObject]) -> sr.ContentSequence:
    """Return the rows of TID 1500 below its root."""
    groups = [item for finding in edition.reading.findings for item in _groups(edition, finding, maps)]
    return sr.ContentSequence(
        [
            *sr.LanguageOfContentItemAndDescendants(_ENGLISH),
            *_observer(edition),
            _code_item(codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE, _HAS_CONCEPT_MOD),
            *_image_library([source for source in edition.inputs if source.rows]),
            _container(codes.IMAGING_MEASUREMENTS, groups) if groups else _evaluations(edition.reading),
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
            serial_number=edition.serial_number,
        ),
    )


def _image_library(sources: Sequence[Source]) -> Iterator[sr.ContainerContentItem]:
    """List the images by TID 1600, each with its own descriptors of TID 1602; no list without images."""
    if sources:
        group = _container(codes.IMAGE_LIBRARY_GROUP, [_library_entry(source) for source in sources])
        yield _container(codes.IMAGE_LIBRARY, [group])


def _library_entry(source: Source) -> sr.ImageContentItem:
    item = sr.ImageContentItem(
        name=_SOURCE,
        referenced_sop_class_uid=STAND_IN_SOP_CLASS_UID,
        referenced_sop_instance_uid=source.ref.sop_instance_uid,
        relationship_type=_CONTAINS,
    )
    modality = codes.MODALITIES.get(source.facts.get("Modality", ""), codes.MODALITIES["OT"])
    sizes = ((codes.PIXEL_DATA_ROWS, source.rows), (codes.PIXEL_DATA_COLUMNS, source.columns))
    spacing = source.image.pixel_spacing_mm
    spacings = (
        zip((codes.VERTICAL_PIXEL_SPACING, codes.HORIZONTAL_PIXEL_SPACING), spacing, strict=True)
        if spacing
        else ()
    )
    item.ContentSequence = sr.ContentSequence(
        [
            _code_item(codes.MODALITY, modality, _HAS_ACQ_CONTEXT),
            *(_number(name, size, codes.PIXELS) for name, size in sizes),
            *(_number(name, float(mm), codes.MILLIMETRE) for name, mm in spacings),
        ]
    )
    return item


def _groups(edition: Edition, finding: Finding, maps: Sequence[HeatMapObject]) -> Iterator[Dataset]:
    """Yield the measurement groups of one finding: the whole image, then each region."""
    source = edition.source_of(finding)
    whole = sr.MeasurementsAndQualitativeEvaluations(
        source_images=[sr.SourceImageForMeasurementGroup(*_frame_of(finding, source))],
        measurements=[_probability(finding), *_measurements(finding)],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(coded(codes.PRESENCE), coded(PRESENCE_CODES[finding.presence]))
        ],
        **_common(edition, finding, finding.tracking_id, finding.tracking_uid),
    )
    whole[0].ContentSequence.append(_text(codes.COMMENT, statement_zh(finding)))
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
        "algorithm_id": _algorithm(edition, finding),
    }


def _algorithm(edition: Edition, finding: Finding) -> sr.AlgorithmIdentification:
    """Identify the algorithm by TID 4019, its weights and operating point as parameters."""
    reader = edition.reading.reader
    confidence = finding.confidence
    parameters = {
        "weights_sha256": reader.weights_sha256 or "none",
        "threshold": f"{edition.card.threshold:.6g}",
        "interval_level": f"{confidence.level:g}",
        "calibrated_on": confidence.calibrated_on or "unknown",
        "evidence_grade": edition.card.evidence_grade,
    }
    return sr.AlgorithmIdentification(
        name=clip(reader.name, 64),
        version=clip(reader.version, 64),
        manufacturer=clip(reader.manufacturer, 64) or MANUFACTURER,
        parameters=[clip(f"{name}={value}", 1024) for name, value in parameters.items()],
        family=coded(codes.ARTIFICIAL_INTELLIGENCE),
    )


def _probability(finding: Finding) -> sr.Measurement:
    """Give the probability; its interval as the ranges of uncertainty above and below (TID 310)."""
    confidence = finding.confidence
    return sr.Measurement(
        name=coded(codes.PROBABILITY),
        value=_rounded(confidence.probability),
        unit=coded(codes.NO_UNITS),
        properties=sr.MeasurementProperties(
            upper_measurement_uncertainty=_rounded(confidence.upper - confidence.probability),
            lower_measurement_uncertainty=_rounded(confidence.probability - confidence.lower),
        ),
    )


def _measurements(finding: Finding) -> Iterator[sr.Measurement]:
    for m in finding.measurements:
        yield sr.Measurement(name=coded(m.quantity), value=_rounded(m.value), unit=coded(m.unit))


def _evaluations(reading: Reading) -> sr.ContainerContentItem:
    """State why there is no finding: the status coded, the sentence in both languages.

    The reason is text: a code of our own scheme would be foreign to every receiver.
    """
    reason = [_text(codes.COMMENT, f"Reason: {reading.reason.code}")] if reading.reason else []
    return _container(
        codes.QUALITATIVE_EVALUATIONS,
        [
            _code_item(codes.SUMMARY_OF_ANALYSES, _STATUS[reading.outcome], _CONTAINS),
            *reason,
            _text(codes.COMMENT, conclusion(reading)),
            _text(codes.COMMENT, conclusion_zh(reading)),
        ],
    )


def _predecessor(reading: Reading) -> Dataset:
    """Refer to the report of the study's former version; its UIDs follow from the former reading's."""
    instance = Dataset()
    instance.ReferencedSOPClassUID = COMPREHENSIVE_3D_SR_SOP_CLASS_UID
    instance.ReferencedSOPInstanceUID = derive_uid(reading.predecessor_uid, Kind.SR)
    series = Dataset()
    series.SeriesInstanceUID = derive_uid(reading.predecessor_uid, "series", Kind.SR)
    series.ReferencedSOPSequence = [instance]
    study = Dataset()
    study.StudyInstanceUID = reading.study_instance_uid
    study.ReferencedSeriesSequence = [series]
    return study


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


def _container(name: Code, content: Sequence[Dataset]) -> sr.ContainerContentItem:
    item = sr.ContainerContentItem(name=coded(name), relationship_type=_CONTAINS)
    item.ContentSequence = sr.ContentSequence(content)
    return item


def _code_item(name: Code, value: Code, relationship: sr.RelationshipTypeValues) -> sr.CodeContentItem:
    return sr.CodeContentItem(name=coded(name), value=coded(value), relationship_type=relationship)


def _text(name: Code, text: str) -> sr.TextContentItem:
    return sr.TextContentItem(name=coded(name), value=text, relationship_type=_CONTAINS)


def _number(name: Code, value: float, unit: Code) -> sr.NumContentItem:
    return sr.NumContentItem(
        name=coded(name), value=value, unit=coded(unit), relationship_type=_HAS_ACQ_CONTEXT
    )


def _rounded(value: float) -> float:
    return round(float(value), 6)
