"""The structured report by TID 1500."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import pytest
from written_results import CARD, WRITTEN_AT, Written, finding_on, hot_map, reading_of, written

from coread.dicom import open_object
from coread.domain import codes
from coread.domain.finding import Box, Measurement, Presence
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome
from coread.results import Kind, write
from coread.testing.patients import chest_radiograph, ct_slice, dicom_from_pixels, text_report

COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"


def below(item, name):
    """All children of an item with this code value as concept name."""
    return [
        child
        for child in item.ContentSequence
        if "ConceptNameCodeSequence" in child and child.ConceptNameCodeSequence[0].CodeValue == name
    ]


def text_of(item):
    return {"TEXT": "TextValue", "UIDREF": "UID"}[item.ValueType]


def groups(report):
    (container,) = below(report, "126010")
    return below(container, "125007")


def template(group):
    return group.ContentTemplateSequence[0].TemplateIdentifier


def test_it_is_a_preliminary_unverified_research_report(radiograph):
    report = written(radiograph).dataset(Kind.SR)
    assert report.SOPClassUID == COMPREHENSIVE_3D
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert report.ContentQualification == "RESEARCH"


def test_a_finding_is_said_of_the_whole_image_first(radiograph):
    finding = finding_on(radiograph)
    whole, _ = groups(written(radiograph, [finding]).dataset(Kind.SR))
    assert template(whole) == "1501"
    assert below(whole, "112039")[0].TextValue == "Lung opacity 1"
    assert finding.tracking_uid == below(whole, "112040")[0].UID
    assert below(whole, "121071")[0].ConceptCodeSequence[0].CodeValue == "112001"
    assert below(whole, "363698007")[0].ConceptCodeSequence[0].CodeValue == "39607008"
    assert below(whole, "121112")[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == (
        radiograph.header.ref.sop_instance_uid
    )


@pytest.mark.parametrize(
    ("presence", "value"),
    [(Presence.PRESENT, "52101004"), (Presence.ABSENT, "2667000"), (Presence.INDETERMINATE, "82334004")],
)
def test_presence_is_coded(radiograph, presence, value):
    report = written(radiograph, [finding_on(radiograph, presence=presence)]).dataset(Kind.SR)
    assert below(groups(report)[0], "121052")[0].ConceptCodeSequence[0].CodeValue == value


def test_probability_bears_its_interval(radiograph):
    whole = groups(written(radiograph).dataset(Kind.SR))[0]
    (probability,) = below(whole, "122157")
    assert float(probability.MeasuredValueSequence[0].NumericValue) == pytest.approx(0.83)
    (above,), (under,) = below(probability, "371886008"), below(probability, "371885007")
    assert float(above.MeasuredValueSequence[0].NumericValue) == pytest.approx(0.07)
    assert float(under.MeasuredValueSequence[0].NumericValue) == pytest.approx(0.13)


def test_algorithm_is_identified_by_template_4019(radiograph):
    for group in groups(written(radiograph).dataset(Kind.SR)):
        assert below(group, "111001")[0].TextValue == "chest-radiograph"
        assert below(group, "111003")[0].TextValue == "1.2.3"
        assert below(group, "122405")[0].TextValue == "CoRead"
        assert below(group, "111000")[0].ConceptCodeSequence[0].CodeValue == "123110"
        parameters = {item.TextValue for item in below(group, "111002")}
        assert f"weights_sha256={'ab' * 32}" in parameters
        assert "threshold=0.5" in parameters


def test_the_region_is_the_segmentation(radiograph):
    out = written(radiograph)
    _, region = groups(out.dataset(Kind.SR))
    assert template(region) == "1410"
    (reference,) = below(region, "121214")
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == out.of(Kind.SEG)[0].id
    assert out.dataset(Kind.SEG).SegmentSequence[0].TrackingUID == below(region, "112040")[0].UID


def test_one_box_is_the_finding_several_are_numbered(radiograph):
    one = finding_on(radiograph, heat=None, boxes=[Box(4, 8, 10, 20)])
    _, region = groups(written(radiograph, [one]).dataset(Kind.SR))
    assert one.tracking_uid == below(region, "112040")[0].UID
    (shape,) = below(region, "111030")
    assert shape.GraphicType == "POLYLINE"
    assert list(shape.GraphicData) == [4, 8, 14, 8, 14, 28, 4, 28, 4, 8]

    two = finding_on(radiograph, heat=None, boxes=[Box(4, 8, 10, 20), Box(30, 30, 9, 9), Box(99, 99, 1, 1)])
    _, first, second = groups(written(radiograph, [two]).dataset(Kind.SR))
    uids = {below(group, "112040")[0].UID for group in (first, second)}
    assert len(uids | {two.tracking_uid}) == 3
    assert below(second, "112039")[0].TextValue == "Lung opacity 1 box 2"


def test_an_absent_finding_has_no_region(radiograph):
    finding = finding_on(radiograph, presence=Presence.ABSENT, boxes=[Box(1, 1, 9, 9)])
    assert len(groups(written(radiograph, [finding]).dataset(Kind.SR))) == 1


def test_measurements_are_written(radiograph):
    area = Measurement(codes.PROBABILITY, 12.5, codes.MILLIMETRE)
    finding = replace(finding_on(radiograph), measurements=(area,))
    whole = groups(written(radiograph, [finding]).dataset(Kind.SR))[0]
    values = [float(item.MeasuredValueSequence[0].NumericValue) for item in below(whole, "122157")]
    assert values == [0.83, 12.5]


def test_evidence_lists_images_and_maps(radiograph):
    out = written(radiograph)
    (study,) = out.dataset(Kind.SR).CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == radiograph.header.ref.study_instance_uid
    listed = {
        (series.SeriesInstanceUID, item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    ref, seg = radiograph.header.ref, out.dataset(Kind.SEG)
    assert listed == {
        (ref.series_instance_uid, ref.sop_class_uid, ref.sop_instance_uid),
        (seg.SeriesInstanceUID, seg.SOPClassUID, seg.SOPInstanceUID),
    }


def test_every_reference_is_in_evidence(radiograph):
    """PS3.3 section C.17.2.3; mammography viewers refuse a report that breaks it."""
    other = open_object(chest_radiograph(seed=1, facts={"PatientID": "SYN-0000"}))
    reading = reading_of(radiograph, [finding_on(radiograph), finding_on(other, boxes=[Box(1, 1, 9, 9)])])
    out = Written(write(reading, (radiograph, other), CARD, WRITTEN_AT))
    report = out.dataset(Kind.SR)
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    tree = next(element for element in report if element.keyword == "ContentSequence")
    named = {
        element.value
        for item in tree.value
        for element in item.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }
    assert named == evidence
    assert len(evidence) == 4


def test_evidence_lists_a_parametric_map():
    out = written(open_object(ct_slice()))
    report = out.dataset(Kind.SR)
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    uids = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert out.of(Kind.PARAMETRIC_MAP)[0].id in uids


def test_image_library_describes_the_image(radiograph):
    report = written(radiograph).dataset(Kind.SR)
    (library,) = below(report, "111028")
    (group,) = below(library, "126200")
    (entry,) = group.ContentSequence
    assert entry.ReferencedSOPSequence[0].ReferencedSOPClassUID == radiograph.header.ref.sop_class_uid
    assert below(entry, "121139")[0].ConceptCodeSequence[0].CodeValue == "DX"
    spacing = below(entry, "111026")[0].MeasuredValueSequence[0]
    assert float(spacing.NumericValue) == pytest.approx(0.2)


def test_an_object_without_pixels_is_evidence_but_no_image():
    image = open_object(text_report())
    report = written(image, outcome=Outcome.REFUSED).dataset(Kind.SR)
    assert not below(report, "111028")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (item,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == image.header.ref.sop_instance_uid


def test_a_frame_is_named_where_there_are_several():
    pixels = np.zeros((3, 32, 32), np.uint8)
    image = open_object(dicom_from_pixels(pixels, modality="US", sop_class="1.2.840.10008.5.1.4.1.1.3.1"))
    report = written(image, [finding_on(image, hot_map(image, frame=2))]).dataset(Kind.SR)
    whole, region = groups(report)
    assert below(whole, "121112")[0].ReferencedSOPSequence[0].ReferencedFrameNumber == 2
    assert below(region, "121233")[0].ReferencedSOPSequence[0].ReferencedFrameNumber == 2


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.ABSTAINED, "111223"), (Outcome.REFUSED, "111225"), (Outcome.FAILED, "111224")],
)
def test_why_there_is_no_finding(radiograph, outcome, status):
    report = written(radiograph, outcome=outcome).dataset(Kind.SR)
    assert not below(report, "126010")
    (evaluations,) = below(report, "C0034375")
    assert below(evaluations, "111065")[0].ConceptCodeSequence[0].CodeValue == status
    texts = [item.TextValue for item in below(evaluations, "121106")]
    assert texts[0] == "Reason: not-frontal-chest"
    assert "This is no frontal chest radiograph." in texts[1]
    assert "不是正位胸片。" in texts[2]
    assert "未经医师审核" in texts[2]


def test_a_reading_without_any_finding_says_so(radiograph):
    report = written(radiograph, findings=()).dataset(Kind.SR)
    (evaluations,) = below(report, "C0034375")
    assert "No finding reported." in below(evaluations, "121106")[0].TextValue


def test_chinese_statement_is_text_only(radiograph):
    report = written(radiograph).dataset(Kind.SR)
    for item in report.iterall():
        if item.keyword == "CodeMeaning":
            assert str(item.value).isascii()
    whole = groups(report)[0]
    assert "肺部致密影：存在" in below(whole, "121106")[0].TextValue


def test_the_former_version_is_named(radiograph):
    former = reading_of(radiograph)
    report = written(radiograph, predecessor_uid=former.uid).dataset(Kind.SR)
    series = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    old = written(radiograph).dataset(Kind.SR)
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert series.SeriesInstanceUID == old.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == derive_uid(former.uid, "sr")


def test_highdicom_reads_it_back(radiograph):
    report = hd.sr.Comprehensive3DSR.from_dataset(written(radiograph).dataset(Kind.SR))
    found = report.content.get_image_measurement_groups(tracking_uid=finding_on(radiograph).tracking_uid)
    assert len(found) == 1
    assert found[0].finding_type.value == "112001"
    (device,) = report.content.get_observer_contexts()
    assert device.observer_identifying_attributes.name == CARD.identity.name
