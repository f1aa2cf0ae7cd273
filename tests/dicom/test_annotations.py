"""What SEG, SR and RTSTRUCT objects say: CoRead's own results come back as they were, real files are read."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dicom_codes
from real_files import real_file, with_identifiers
from written_results import finding_on, written

from coread.dicom import open_object
from coread.dicom.annotations import read_annotations
from coread.domain import codes
from coread.domain.finding import Box, Presence
from coread.errors import MalformedObject, UnsupportedPixels
from coread.results.edition import Kind
from coread.testing.patients import chest_radiograph, ct_slice, text_report


@pytest.fixture(scope="module")
def radiograph():
    return open_object(chest_radiograph(size_px=64))


def read(data):
    return read_annotations(open_object(data))


def kinds(annotations):
    return [annotation.kind for annotation in annotations]


def test_a_written_segmentation_comes_back_on_its_image(radiograph):
    made = written(radiograph).of(Kind.SEG)
    [mask] = read(made[0].data)
    assert mask.kind == "mask"
    assert mask.code == codes.Code("112001", "DCM", "Opacity")
    assert (mask.sop_instance_uid, mask.frame) == (radiograph.header.ref.sop_instance_uid, 1)
    assert mask.mask.shape == (64, 64)
    assert mask.mask[16:24, 40:48].all()
    assert mask.mask.sum() == 64
    assert mask.is_algorithm
    assert "chest-radiograph" in mask.author


def test_a_written_report_comes_back_with_finding_numbers_and_places(radiograph):
    finding = finding_on(radiograph, boxes=(Box(10, 20, 8, 4),))
    found = read(written(radiograph, (finding,)).of(Kind.SR)[0].data)
    assert {a.sop_instance_uid for a in found} == {radiograph.header.ref.sop_instance_uid}
    outline = next(a for a in found if a.kind == "outline")
    assert outline.points_px == ((10, 20), (18, 20), (18, 24), (10, 24), (10, 20))
    numbers = {a.words: a.value for a in found if a.kind == "measurement"}
    assert numbers["Probability"] == pytest.approx(0.83)
    assert {a.target for a in found} == {finding.tracking_uid}
    assert all(a.is_algorithm for a in found)
    assert {a.value for a in found if a.kind == "finding"} == {1.0}


@pytest.mark.parametrize(
    ("presence", "values"),
    [(Presence.ABSENT, {0.0}), (Presence.INDETERMINATE, set()), (Presence.PRESENT, {1.0})],
)
def test_a_finding_said_to_be_absent_is_not_taken_for_present(radiograph, presence, values):
    finding = finding_on(radiograph, heat=None, presence=presence)
    found = read(written(radiograph, (finding,)).of(Kind.SR)[0].data)
    assert {a.value for a in found if a.kind == "finding"} == values


def person(name):
    context = sr.ObserverContext(
        observer_type=dicom_codes.DCM.Person,
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(name=name),
    )
    return sr.ObservationContext(observer_person_context=context)


def report_with(region, image, name="Tulip^Ada"):
    planar = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(hd.UID(), "lesion 1"),
        referenced_region=region,
        finding_type=sr.CodedConcept("27925004", "SCT", "Nodule"),
        measurements=[
            sr.Measurement(
                name=sr.CodedConcept("103339001", "SCT", "Long Axis"),
                value=12.5,
                unit=sr.CodedConcept("mm", "UCUM", "mm"),
            )
        ],
    )
    content = sr.MeasurementReport(
        observation_context=person(name),
        procedure_reported=sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[planar],
    )
    made = sr.Comprehensive3DSR(
        evidence=[image],
        content=content,
        series_number=9,
        series_instance_uid=hd.UID(),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="someone else",
    )
    return as_bytes(made)


def as_bytes(dataset):
    file = pydicom.filebase.DicomBytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("graphic", "data", "kind", "count"),
    [
        ("POINT", [[12.0, 30.0]], "point", 1),
        ("POLYLINE", [[1.0, 1.0], [9.0, 1.0], [9.0, 7.0], [1.0, 1.0]], "outline", 4),
        ("CIRCLE", [[20.0, 20.0], [25.0, 20.0]], "outline", 36),
        ("ELLIPSE", [[10.0, 20.0], [30.0, 20.0], [20.0, 16.0], [20.0, 24.0]], "outline", 36),
    ],
)
def test_a_report_of_another_maker_is_read_by_person_and_place(graphic, data, kind, count):
    dataset = open_object(ct_slice()).dataset
    image = sr.SourceImageForRegion(dataset.SOPClassUID, dataset.SOPInstanceUID)
    region = sr.ImageRegion(graphic_type=graphic, graphic_data=np.array(data), source_image=image)
    found = read(report_with(region, dataset))
    place = next(a for a in found if a.kind == kind)
    assert len(place.points_px) == count
    assert (place.author, place.is_algorithm) == ("Tulip^Ada", False)
    assert place.sop_instance_uid == dataset.SOPInstanceUID
    if graphic == "CIRCLE":
        assert np.ptp([x for x, _ in place.points_px]) == pytest.approx(10)
    if graphic == "ELLIPSE":
        assert np.ptp([y for _, y in place.points_px]) == pytest.approx(8)
    [long_axis] = [a for a in found if a.kind == "measurement"]
    assert (long_axis.value, long_axis.unit, long_axis.words) == (12.5, "mm", "Long Axis")


def test_a_real_segmentation_and_a_real_structure_set_are_read():
    masks = read(with_identifiers(real_file("liver_1frame.dcm")))
    assert {a.words for a in masks} == {"Liver"}
    assert all(a.mask.any() for a in masks)
    contours = read(with_identifiers(real_file("rtstruct.dcm")))
    assert {a.words for a in contours} == {"patient", "Isocenter 1", "Isocenter 2"}
    assert all(a.points_lps_mm.shape[1] == 3 for a in contours)
    assert set(kinds(contours)) == {"outline", "point"}


def label_map(image):
    made = open_object(image).dataset
    segmentation = hd.seg.Segmentation(
        source_images=[made],
        pixel_array=np.repeat(np.arange(64) < 10, 64).reshape(64, 64).astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.LABELMAP,
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=1, segment_label="lung",
                segmented_property_category=dicom_codes.SCT.AnatomicalStructure,
                segmented_property_type=dicom_codes.SCT.Lung,
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            )
        ],
        series_instance_uid=hd.UID(), series_number=3, sop_instance_uid=hd.UID(), instance_number=1,
        manufacturer="x", manufacturer_model_name="y", software_versions="1", device_serial_number="1",
        content_creator_name="Rose^Bo",
    )  # fmt: skip
    return as_bytes(segmentation)


def test_a_label_map_is_read_by_its_numbers():
    [mask] = read(label_map(ct_slice()))
    assert mask.mask[:10].all()
    assert not mask.mask[10:].any()
    assert (mask.author, mask.is_algorithm) == ("Rose^Bo", False)


def test_what_annotates_nothing_is_refused(radiograph):
    with pytest.raises(UnsupportedPixels):
        read_annotations(radiograph)


def test_a_text_report_without_groups_says_nothing():
    assert read(text_report()) == ()


def test_a_garbled_structure_set_is_refused_and_names_no_person():
    structure_set = open_object(with_identifiers(real_file("rtstruct.dcm")))
    structure_set.dataset.ROIContourSequence[0].ContourSequence = [Dataset()]
    structure_set.dataset.ROIContourSequence[0].ContourSequence[0].ContourGeometricType = "POINT"
    with pytest.raises(MalformedObject):
        read_annotations(structure_set)
