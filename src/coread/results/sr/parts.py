"""Content items of structured reports, as both kinds of report need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from highdicom import sr

from coread.domain import codes
from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import Characteristic, Finding, Measurement
from coread.domain.identity import derive_uid
from coread.domain.reading import ReaderIdentity
from coread.domain.review import Trait
from coread.domain.study import InstanceRef
from coread.results.edition import MANUFACTURER, Kind, coded
from coread.results.source import STAND_IN_SOP_CLASS_UID, Dataset, Source
from coread.results.wording import clip, readable

COMPREHENSIVE_3D_SR_SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.88.34"

HAS_ACQ_CONTEXT = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
HAS_CONCEPT_MOD = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
HAS_PROPERTIES = sr.RelationshipTypeValues.HAS_PROPERTIES
INFERRED_FROM = sr.RelationshipTypeValues.INFERRED_FROM
CONTAINS = sr.RelationshipTypeValues.CONTAINS

SOURCE = sr.CodedConcept(value="260753009", scheme_designator="SCT", meaning="Source")
_LANGUAGES = {"en": "English", "zh": "Chinese"}


def language_of(language: str) -> sr.LanguageOfContentItemAndDescendants:
    """Return the item that says in which language the texts are (TID 1204)."""
    return sr.LanguageOfContentItemAndDescendants(
        sr.CodedConcept(value=language, scheme_designator="RFC5646", meaning=_LANGUAGES[language])
    )


def root_of(language: str) -> sr.ContainerContentItem:
    """Return the root of TID 1500 with as little in it as the constructor takes."""
    root = sr.ContainerContentItem(name=coded(codes.IMAGING_MEASUREMENT_REPORT), template_id="1500")
    root.ContentSequence = sr.ContentSequence(language_of(language))
    return root


def container(name: Code, content: Sequence[Dataset]) -> sr.ContainerContentItem:
    """Return a container of items, contained itself."""
    item = sr.ContainerContentItem(name=coded(name), relationship_type=CONTAINS)
    item.ContentSequence = sr.ContentSequence(content)
    return item


def code_item(name: Code, value: Code, relationship: sr.RelationshipTypeValues) -> sr.CodeContentItem:
    """Return a coded value."""
    return sr.CodeContentItem(name=coded(name), value=coded(value), relationship_type=relationship)


def text(name: Code, value: str, relationship: sr.RelationshipTypeValues = CONTAINS) -> sr.TextContentItem:
    """Return a text."""
    return sr.TextContentItem(name=coded(name), value=readable(value), relationship_type=relationship)


def number(name: Code, value: float, unit: Code) -> sr.NumContentItem:
    """Return a number that describes an acquisition."""
    return sr.NumContentItem(
        name=coded(name), value=value, unit=coded(unit), relationship_type=HAS_ACQ_CONTEXT
    )


def rounded(value: float) -> float:
    """Return a number of six decimals, which a decimal string can hold."""
    return round(float(value), 6)


def image_library(sources: Sequence[Source]) -> Iterator[sr.ContainerContentItem]:
    """List the images by TID 1600, each with its own descriptors of TID 1602; no list without images."""
    if sources:
        group = container(codes.IMAGE_LIBRARY_GROUP, [_library_entry(source) for source in sources])
        yield container(codes.IMAGE_LIBRARY, [group])


def _library_entry(source: Source) -> sr.ImageContentItem:
    item = sr.ImageContentItem(
        name=SOURCE,
        referenced_sop_class_uid=STAND_IN_SOP_CLASS_UID,
        referenced_sop_instance_uid=source.ref.sop_instance_uid,
        relationship_type=CONTAINS,
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
            code_item(codes.MODALITY, modality, HAS_ACQ_CONTEXT),
            *(number(name, size, codes.PIXELS) for name, size in sizes),
            *(number(name, float(mm), codes.MILLIMETRE) for name, mm in spacings),
        ]
    )
    return item


def probability(finding: Finding) -> sr.Measurement:
    """Give the probability; its interval as the ranges of uncertainty above and below (TID 310)."""
    confidence = finding.confidence
    return sr.Measurement(
        name=coded(codes.PROBABILITY),
        value=rounded(confidence.probability),
        unit=coded(codes.NO_UNITS),
        properties=sr.MeasurementProperties(
            upper_measurement_uncertainty=rounded(confidence.upper - confidence.probability),
            lower_measurement_uncertainty=rounded(confidence.probability - confidence.lower),
        ),
    )


def measured(measurements: Iterable[Measurement]) -> Iterator[sr.Measurement]:
    """Yield measurements with quantity and unit; an interval as ranges of uncertainty (TID 310)."""
    for m in measurements:
        yield sr.Measurement(
            name=coded(m.quantity),
            value=rounded(m.value),
            unit=coded(m.unit),
            properties=_uncertainty(m),
        )


def _uncertainty(measurement: Measurement) -> sr.MeasurementProperties | None:
    if measurement.lower is None or measurement.upper is None:
        return None
    return sr.MeasurementProperties(
        upper_measurement_uncertainty=rounded(measurement.upper - measurement.value),
        lower_measurement_uncertainty=rounded(measurement.value - measurement.lower),
    )


def characterised(characteristics: Iterable[Characteristic]) -> Iterator[sr.QualitativeEvaluation]:
    """Yield characteristics as coded evaluations (TID 1501), each with the probability of its value."""
    for item in characteristics:
        evaluation = sr.QualitativeEvaluation(coded(item.concept), coded(item.value))
        evaluation[0].ContentSequence = sr.ContentSequence([_probability_of(item)])
        yield evaluation


def stated(traits: Iterable[Trait]) -> Iterator[sr.QualitativeEvaluation]:
    """Yield what a doctor states of a finding's looks as coded evaluations."""
    return (sr.QualitativeEvaluation(coded(trait.concept), coded(trait.value)) for trait in traits)


def _probability_of(item: Characteristic) -> sr.NumContentItem:
    return sr.NumContentItem(
        name=coded(codes.PROBABILITY),
        value=rounded(item.confidence.probability),
        unit=coded(codes.NO_UNITS),
        relationship_type=HAS_PROPERTIES,
    )


def algorithm(reader: ReaderIdentity, finding: Finding, card: Card | None) -> sr.AlgorithmIdentification:
    """Identify the algorithm by TID 4019, its weights and operating point as parameters.

    Without a card of the reader, what only the card knows is left out.
    """
    confidence = finding.confidence
    declared = card.declared(finding.code) if card else None
    parameters = {
        "weights_sha256": reader.weights_sha256 or "none",
        **({"threshold": f"{declared.threshold:.6g}"} if declared else {}),
        "interval_level": f"{confidence.level:g}",
        "calibrated_on": confidence.calibrated_on or "unknown",
        **({"evidence_grade": card.evidence_grade} if card else {}),
    }
    return sr.AlgorithmIdentification(
        name=clip(reader.name, 64),
        version=clip(reader.version, 64),
        manufacturer=clip(reader.manufacturer, 64) or MANUFACTURER,
        parameters=[clip(f"{name}={value}", 1024) for name, value in parameters.items()],
        family=coded(codes.ARTIFICIAL_INTELLIGENCE),
    )


def referenced(refs: Iterable[InstanceRef]) -> list[Dataset]:
    """Return instances as Hierarchical SOP Instance References (PS3.3 table C.17-3), each once."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for ref in dict.fromkeys(refs):
        item = Dataset()
        item.ReferencedSOPClassUID = ref.sop_class_uid
        item.ReferencedSOPInstanceUID = ref.sop_instance_uid
        studies.setdefault(ref.study_instance_uid, {}).setdefault(ref.series_instance_uid, []).append(item)
    return [_study_item(uid, series) for uid, series in studies.items()]


def _study_item(uid: str, series: dict[str, list[Dataset]]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = uid
    study.ReferencedSeriesSequence = []
    for series_uid, instances in series.items():
        item = Dataset()
        item.SeriesInstanceUID = series_uid
        item.ReferencedSOPSequence = instances
        study.ReferencedSeriesSequence.append(item)
    return study


def report_ref(study_instance_uid: str, owner_uid: str) -> InstanceRef:
    """Return the report that was written of a reading or of a signed report; its UIDs follow from theirs."""
    return InstanceRef(
        study_instance_uid,
        derive_uid(owner_uid, "series", Kind.SR),
        derive_uid(owner_uid, Kind.SR),
        COMPREHENSIVE_3D_SR_SOP_CLASS_UID,
    )
