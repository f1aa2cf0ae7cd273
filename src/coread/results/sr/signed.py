"""The signed report as a structured report: Comprehensive 3D SR by TID 1500, complete and verified.

What the doctor states, by accepting, editing or adding, gives measurement groups (TID 1501, and
TID 1410 for each region) under the tracking identifiers of the findings. What the doctor rejected
is no statement about the patient: it stands among the qualitative evaluations, with verdict and
reason. The signed words stand in sections of CID 7001 after them (TID 1500 is extensible).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import highdicom as hd
import numpy as np
from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.identity import derive_uid
from coread.domain.review import Line, Origin, Section, Statement
from coread.domain.study import InstanceRef
from coread.results.edition import Kind, ResultObject, coded, equipment
from coread.results.regions import Polygon, outline_of_box
from coread.results.signed.edition import SignedEdition
from coread.results.signed.facts import Assessed
from coread.results.signed.words import (
    OWN,
    REASON,
    REASONS,
    SCHEME,
    VERDICT,
    VERDICTS,
    is_chinese,
    judged,
    plain_name,
    say,
)
from coread.results.source import STAND_IN_SOP_CLASS_UID, Dataset, holds_frames, items, text_element
from coread.results.sr.parts import (
    CONTAINS,
    HAS_CONCEPT_MOD,
    HAS_PROPERTIES,
    INFERRED_FROM,
    SOURCE,
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
    stated,
    text,
)
from coread.results.wording import PRESENCE_CODES, clip, statement

_PERSON = Code("121006", "DCM", "Person")
_FINDING = Code("121071", "DCM", "Finding")
_TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
_TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
_SUMMARY_HEADING = Code("55112-7", "LN", "Summary")
_SUMMARY = Code("121111", "DCM", "Summary")
#: An image that is not given is taken to be as large as any.
_UNKNOWN_SIZE_PX = 1 << 20
#: Headings by CID 7001 and their elements by CID 7002.
_HEADINGS = {
    "technique": (
        Code("55111-9", "LN", "Current Procedure Descriptions"),
        Code("121065", "DCM", "Procedure Description"),
    ),
    "indication": (Code("18785-6", "LN", "Indications for Procedure"), codes.COMMENT),
    "history": (Code("11329-0", "LN", "History"), codes.COMMENT),
    "comparison": (
        Code("18834-2", "LN", "Previous Findings"),
        Code("121069", "DCM", "Previous Finding"),
    ),
    "findings": (Code("59776-5", "LN", "Findings"), _FINDING),
    "impression": (Code("19005-8", "LN", "Impressions"), Code("121073", "DCM", "Impression")),
    "recommendation": (
        Code("18783-1", "LN", "Recommendations"),
        Code("121075", "DCM", "Recommendation"),
    ),
    "addendum": (Code("55107-7", "LN", "Addendum"), codes.COMMENT),
}


def write(edition: SignedEdition) -> ResultObject:
    """Write the structured report of a signed report.

    Its predecessors are the readers' reports of the study, or for an addendum the report that it amends.
    """
    result = sr.Comprehensive3DSR(
        evidence=[edition.first.reference()],
        content=root_of(_language(edition)),
        sop_instance_uid=edition.derive_uid(Kind.SR),
        is_complete=True,
        is_final=True,
        is_verified=True,
        verifying_observer_name=plain_name(edition.report.person_name),
        verifying_organization=clip(edition.organization, 64),
        coding_schemes=[own_scheme()],
        **edition.series(Kind.SR),
        **equipment("none"),
    )
    result.ContentSequence = _content(edition)
    result.VerifyingObserverSequence = [_verifier(edition)]
    _refer(result, edition)
    _name_truly(result, edition)
    return edition.finish(result, Kind.SR, edition.first)


def _refer(result: Dataset, edition: SignedEdition) -> None:
    """Name what the report rests on, of this study and of others, and what it was written after."""
    study = edition.report.study_instance_uid
    evidence = _evidence(edition)
    own = [ref for ref in evidence if ref.study_instance_uid == study]
    others = [ref for ref in evidence if ref.study_instance_uid != study]
    result.CurrentRequestedProcedureEvidenceSequence = referenced(own)
    if others:
        result.PertinentOtherEvidenceSequence = referenced(others)
    if predecessors := _predecessors(edition):
        result.PredecessorDocumentsSequence = referenced(predecessors)


def own_scheme() -> CodingSchemeIdentificationItem:
    """Say whose coding scheme the verdicts' is (PS3.3 section C.12.1)."""
    return CodingSchemeIdentificationItem(
        designator=SCHEME, name="CoRead concepts", responsible_organization="CoRead"
    )


def signed_time(edition: SignedEdition) -> str:
    """Return the time of the signature as a date time (DT) with its zone."""
    moment: datetime = edition.first.local(edition.report.signed_at)
    return f"{moment:%Y%m%d%H%M%S.%f%z}"


def identified(edition: SignedEdition) -> hd.sr.CodedConcept:
    """Return the code of the doctor: the opaque identifier, which only the house can resolve."""
    return coded(Code(clip(edition.report.person_id, 16) or "unknown", SCHEME, "Account of the doctor"))


def _verifier(edition: SignedEdition) -> Dataset:
    item = Dataset()
    item["VerifyingObserverName"] = text_element(
        "VerifyingObserverName", plain_name(edition.report.person_name)
    )
    item["VerifyingOrganization"] = text_element("VerifyingOrganization", clip(edition.organization, 64))
    item["VerificationDateTime"] = text_element("VerificationDateTime", signed_time(edition))
    item.VerifyingObserverIdentificationCodeSequence = [identified(edition)]
    return item


def _language(edition: SignedEdition) -> str:
    return "zh" if is_chinese(edition.report.draft.language) else "en"


def _content(edition: SignedEdition) -> sr.ContentSequence:
    """Return the rows of TID 1500 below its root, then the signed words."""
    assessed = edition.assessed
    groups = [item for a in assessed if a.statement is not None for item in _groups(edition, a)]
    evaluations = [_rejected(edition, a) for a in assessed if a.statement is None]
    if not (groups or evaluations):
        evaluations = [text(codes.COMMENT, say("no_findings", _language(edition)).capitalize())]
    return sr.ContentSequence(
        [
            *language_of(_language(edition)),
            *_observer(edition),
            code_item(codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE, HAS_CONCEPT_MOD),
            *image_library([s for s in edition.sources if s.rows]),
            *([container(codes.IMAGING_MEASUREMENTS, groups)] if groups else []),
            *([container(codes.QUALITATIVE_EVALUATIONS, evaluations)] if evaluations else []),
            *(_section(section) for section in edition.report.draft.sections if section.lines),
        ]
    )


def _observer(edition: SignedEdition) -> sr.ObserverContext:
    return sr.ObserverContext(
        observer_type=coded(_PERSON),
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(
            name=plain_name(edition.report.person_name),
            organization_name=clip(edition.organization, 64),
            role_in_organization=coded(edition.signer.role) if edition.signer.role else None,
        ),
    )


def _groups(edition: SignedEdition, assessed: Assessed) -> Iterator[Dataset]:
    """Yield the measurement groups of one statement: the whole of it, then each region."""
    said = assessed.statement
    if said is None:
        return
    sure = [probability(assessed.finding)] if assessed.finding and assessed.is_accepted else []
    whole = sr.MeasurementsAndQualitativeEvaluations(
        source_images=_source_images(edition, said),
        measurements=[*sure, *measured(said.measurements)] or None,
        qualitative_evaluations=[
            sr.QualitativeEvaluation(coded(codes.PRESENCE), coded(PRESENCE_CODES[said.presence])),
            sr.QualitativeEvaluation(coded(VERDICT), coded(_verdict(assessed))),
            *stated(said.traits),
        ],
        **_common(edition, assessed, said, assessed.name, assessed.decision.finding_uid),
    )
    whole[0].ContentSequence.extend(_remarks(edition, assessed, said))
    yield from whole
    if said.image is not None and PRESENCE_CODES[said.presence] is not codes.ABSENT:
        yield from _regions(edition, assessed, said, said.image)


def _verdict(assessed: Assessed) -> Code:
    verdict = assessed.decision.verdict
    return OWN if verdict is None else VERDICTS[verdict]


def _common(
    edition: SignedEdition, assessed: Assessed, said: Statement, tracking_id: str, uid: str
) -> dict[str, Any]:
    algorithm_id = None
    if assessed.is_accepted and assessed.reading and assessed.finding:
        reading = assessed.reading
        algorithm_id = algorithm(reading.reader, assessed.finding, edition.card_of(reading))
    return {
        "tracking_identifier": sr.TrackingIdentifier(uid, clip(tracking_id, 64) or "Finding"),
        "finding_category": coded(codes.MORPHOLOGIC_ABNORMALITY),
        "finding_type": coded(said.code),
        "finding_sites": [sr.FindingSite(coded(said.site))] if said.site else None,
        "algorithm_id": algorithm_id,
    }


def _remarks(edition: SignedEdition, assessed: Assessed, said: Statement) -> Iterator[Dataset]:
    """Yield the doctor's comment, and for what was edited what it derives from."""
    if said.comment:
        yield text(codes.COMMENT, said.comment)
    if assessed.finding is None or assessed.reading is None or assessed.is_accepted:
        return
    language = _language(edition)
    remark = text(codes.COMMENT, f"{say('reader_said', language)}: {statement(assessed.finding)}")
    remark.ContentSequence = sr.ContentSequence([_derived_from(edition, assessed)])
    yield remark


def _derived_from(edition: SignedEdition, assessed: Assessed) -> sr.CompositeContentItem:
    """Refer to the reader's report, which holds the finding under the same tracking identifier."""
    owner = assessed.reading.uid if assessed.reading else edition.report.uid
    ref = report_ref(edition.report.study_instance_uid, owner)
    return sr.CompositeContentItem(
        name=SOURCE,
        referenced_sop_class_uid=ref.sop_class_uid,
        referenced_sop_instance_uid=ref.sop_instance_uid,
        relationship_type=INFERRED_FROM,
    )


def _rejected(edition: SignedEdition, assessed: Assessed) -> sr.CodeContentItem:
    """State that a finding was assessed and rejected, which finding it was, and why."""
    finding, decision = assessed.finding, assessed.decision
    item = code_item(VERDICT, _verdict(assessed), CONTAINS)
    properties: list[Dataset] = [code_item(_FINDING, assessed.code, HAS_PROPERTIES)]
    if decision.reason is not None:
        properties.append(code_item(REASON, REASONS[decision.reason], HAS_PROPERTIES))
    properties += [
        text(_TRACKING_IDENTIFIER, clip(assessed.name, 64) or "Finding", HAS_PROPERTIES),
        _tracking(decision.finding_uid),
        text(codes.COMMENT, judged(assessed, _language(edition)), HAS_PROPERTIES),
    ]
    if finding is not None:
        properties += [
            text(codes.COMMENT, statement(finding), HAS_PROPERTIES),
            _derived_from(edition, assessed),
        ]
    item.ContentSequence = sr.ContentSequence(properties)
    return item


def _tracking(uid: str) -> sr.UIDRefContentItem:
    return sr.UIDRefContentItem(name=coded(_TRACKING_UID), value=uid, relationship_type=HAS_PROPERTIES)


def _regions(
    edition: SignedEdition, assessed: Assessed, said: Statement, image: InstanceRef
) -> Iterator[Dataset]:
    """Yield one planar group for each box and for the outline; a lone one is the finding itself."""
    uid, name = assessed.decision.finding_uid, assessed.name
    shapes = list(_shapes(edition, said, image))
    for number, (role, shape) in enumerate(shapes, start=1):
        lone = len(shapes) == 1
        region = sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=shape,
            source_image=sr.SourceImageForRegion(*_image_of(edition, image, said.frame)),
        )
        tracking_id = name if lone else f"{clip(name, 44)} {role[0]} {number}"
        tracking_uid = uid if lone else derive_uid(uid, *role)
        yield from sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_region=region, **_common(edition, assessed, said, tracking_id, tracking_uid)
        )


def _shapes(
    edition: SignedEdition, said: Statement, image: InstanceRef
) -> Iterator[tuple[tuple[str, ...], Polygon]]:
    """Yield role and closed polygon; boxes have the roles that the reader's report gives them."""
    source = edition.source_of(image)
    rows, columns = (source.rows, source.columns) if source else (_UNKNOWN_SIZE_PX, _UNKNOWN_SIZE_PX)
    for number, box in enumerate(said.boxes, start=1):
        polygon = outline_of_box(box, rows, columns)
        if polygon is not None:
            yield ("box", str(number)), polygon
    if len(said.outline) >= 3:
        points = said.outline if said.outline[0] == said.outline[-1] else (*said.outline, said.outline[0])
        yield ("outline",), np.array(points, dtype=np.float64)


def _source_images(edition: SignedEdition, said: Statement) -> list[Any] | None:
    if said.image is None:
        return None
    return [sr.SourceImageForMeasurementGroup(*_image_of(edition, said.image, said.frame))]


def _image_of(edition: SignedEdition, ref: InstanceRef, frame: int) -> tuple[str, str, list[int] | None]:
    """Return stand-in SOP class, SOP instance, and the frame's number where the image has several."""
    source = edition.source_of(ref)
    several = source.has_frames if source else frame > 1 and holds_frames(ref.sop_class_uid)
    return STAND_IN_SOP_CLASS_UID, ref.sop_instance_uid, [frame] if several else None


def _section(section: Section) -> sr.ContainerContentItem:
    heading, element = _HEADINGS.get(section.name, (_SUMMARY_HEADING, _SUMMARY))
    return container(heading, [_line(element, line) for line in section.lines if line.text.strip()])


def _line(element: Code, line: Line) -> sr.TextContentItem:
    item = text(element, line.text)
    if line.origin is Origin.FINDING and line.finding_uid:
        item.ContentSequence = sr.ContentSequence([_tracking(line.finding_uid)])
    return item


def _predecessors(edition: SignedEdition) -> list[InstanceRef]:
    study, report = edition.report.study_instance_uid, edition.report
    if report.predecessor_uid:
        return [report_ref(study, report.predecessor_uid)]
    return [report_ref(study, reading.uid) for reading in edition.readings]


def _evidence(edition: SignedEdition) -> Sequence[InstanceRef]:
    """Return what the report rests on; every reference of its tree is among it (PS3.3 C.17.2.3)."""
    study = edition.report.study_instance_uid
    named = [report_ref(study, reading.uid) for reading in edition.readings]
    shown = [source.ref for source in edition.sources if source.rows]
    return [*edition.images(), *shown, *named]


def _name_truly(result: Dataset, edition: SignedEdition) -> None:
    """Write the true SOP class wherever an image is referred to that is not given."""
    classes = {ref.sop_instance_uid: ref.sop_class_uid for ref in edition.images()}
    for item in items(result, "ReferencedSOPSequence"):
        uid = str(item.ReferencedSOPInstanceUID)
        item.ReferencedSOPClassUID = classes.get(uid, item.ReferencedSOPClassUID)
