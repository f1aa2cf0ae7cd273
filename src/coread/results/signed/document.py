"""The printed report as a DICOM object: Encapsulated PDF (PS3.3 section A.45.1)."""

from __future__ import annotations

from highdicom.base import SOPClass

from coread.dicom import DicomObject
from coread.domain import codes
from coread.domain.codes import Code
from coread.results.edition import Kind, ResultObject, coded, equipment
from coread.results.signed.edition import SignedEdition
from coread.results.signed.words import say
from coread.results.source import Dataset, text_element
from coread.results.sr.parts import report_ref
from coread.results.wording import clip

ENCAPSULATED_PDF_SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.104.1"
_MEDIA_TYPE = "application/pdf"
#: Purpose of reference by CID 7060.
_SOURCE = Code("128225", "DCM", "Source report")


def write(edition: SignedEdition, pdf: bytes) -> ResultObject:
    """Wrap the printed report.

    Burned In Annotation is YES: the pages name the patient (PS3.3 section C.24.2).
    """
    result = SOPClass(
        study_instance_uid=edition.report.study_instance_uid,
        sop_instance_uid=edition.derive_uid(Kind.PDF),
        sop_class_uid=ENCAPSULATED_PDF_SOP_CLASS_UID,
        modality="DOC",
        **edition.series(Kind.PDF),
        **equipment("none"),
    )
    result.ConversionType = "WSD"
    # The times are stamped when the object is finished.
    result.ContentDate, result.ContentTime = "", ""
    result["AcquisitionDateTime"] = text_element("AcquisitionDateTime", _studied(edition))
    result.BurnedInAnnotation = "YES"
    result.RecognizableVisualFeatures = "NO"
    result.SourceInstanceSequence = [_source(edition)]
    result["DocumentTitle"] = text_element("DocumentTitle", _title(edition))
    result.ConceptNameCodeSequence = [coded(codes.DIAGNOSTIC_IMAGING_REPORT)]
    result.VerificationFlag = "VERIFIED"
    result.MIMETypeOfEncapsulatedDocument = _MEDIA_TYPE
    result.EncapsulatedDocumentLength = len(pdf)
    result.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return edition.finish(result, Kind.PDF, edition.first)


def printed_in(document: DicomObject) -> bytes:
    """Return the PDF that an Encapsulated PDF object holds, without padding."""
    length = int(document.dataset.EncapsulatedDocumentLength)
    return bytes(document.dataset.EncapsulatedDocument[:length])


def _title(edition: SignedEdition) -> str:
    report = edition.report
    title = say("title", report.draft.language)
    return clip(f"{title} {say('addendum', report.draft.language)}" if report.is_addendum else title, 64)


def _studied(edition: SignedEdition) -> str:
    """Return when the images were taken, which is what the document is about."""
    elements = {element.keyword: str(element.value) for element in edition.first.identity()}
    date, time = elements.get("StudyDate", ""), elements.get("StudyTime", "")
    return f"{date}{time}" if date else ""


def _source(edition: SignedEdition) -> Dataset:
    """Name the structured report that says the same."""
    item = Dataset()
    ref = report_ref(edition.report.study_instance_uid, edition.report.uid)
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ref.sop_class_uid, ref.sop_instance_uid
    item.PurposeOfReferenceCodeSequence = [coded(_SOURCE)]
    return item
