"""Outlines, measurements with intervals and characteristics in the objects that leave the clinic."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from outlined_readings import NODULE, asked, at_the_nodule, slices, written_about
from signed_reports import SIGNER, accepted, edited, report_of, statement_of
from written_results import CARD, WRITTEN_AT, Written, finding_on, reading_of

from coread.dicom import open_object
from coread.domain import codes
from coread.domain.finding import Box, Outline, Presence
from coread.domain.review import Trait
from coread.readers import Machine
from coread.results import Kind, write, write_signed
from coread.results.regions import borders
from coread.results.sr.reading import MOST_BOX_GROUPS
from coread.testing import ultrasound
from coread.testing.growing import SUSPICIOUS, growing
from coread.testing.patients import dicom_from_pixels


@pytest.fixture(scope="module")
def reading():
    return asked()


@pytest.fixture(scope="module")
def results(reading):
    return written_about(reading)


def contents(item):
    for child in item.get("ContentSequence", ()):
        yield child
        yield from contents(child)


def groups(report: pydicom.Dataset):
    """Measurement groups of a report."""
    name = "Measurement Group"
    return [i for i in contents(report) if i.ConceptNameCodeSequence[0].CodeMeaning == name]


def named(group, meaning: str):
    found = (i for i in contents(group) if i.ConceptNameCodeSequence[0].CodeMeaning == meaning)
    return next(found, None)


def test_the_segmentation_holds_the_mask_slice_by_slice(reading, results):
    seg = results.dataset(Kind.SEG)
    outlines = {outline.image.sop_instance_uid: outline for outline in reading.findings[0].outlines}
    assert seg.NumberOfFrames == len(outlines) > 3
    pixels = seg.pixel_array.astype(bool)
    for mask, group in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        uid = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert (mask == outlines[uid].mask()).all()
        image = next(i for i in slices() if i.header.ref.sop_instance_uid == uid)
        place = [float(n) for n in group.PlanePositionSequence[0].ImagePositionPatient]
        assert np.allclose(place, image.plane().origin_lps_mm)
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == codes.LUNG_NODULE.value


def test_one_tracking_uid_is_in_segmentation_report_and_fhir(reading, results):
    uid = reading.findings[0].tracking_uid
    assert results.dataset(Kind.SEG).SegmentSequence[0].TrackingUID == uid
    said = [named(g, "Tracking Unique Identifier").UID for g in groups(results.dataset(Kind.SR))]
    assert said.count(uid) == 3  # the image as a whole, the outline, the box around it
    identifiers = [o["identifier"][0]["value"] for o in results.fhir("Observation")]
    assert f"urn:oid:{uid}" in identifiers


def test_the_report_measures_the_outline_with_intervals(reading, results):
    report = results.dataset(Kind.SR)
    group = next(g for g in groups(report) if named(g, "Referenced Segment") is not None)
    segment = named(group, "Referenced Segment").ReferencedSOPSequence[0]
    assert segment.ReferencedSOPInstanceUID == results.dataset(Kind.SEG).SOPInstanceUID
    for measurement in reading.findings[0].measurements:
        item = named(group, measurement.quantity.meaning)
        value = item.MeasuredValueSequence[0]
        assert float(value.NumericValue) == pytest.approx(measurement.value)
        assert value.MeasurementUnitsCodeSequence[0].CodeValue == measurement.unit.value
        above = named(item, "+, range of upper measurement uncertainty")
        above_by = float(above.MeasuredValueSequence[0].NumericValue)
        assert above_by == pytest.approx(measurement.upper - measurement.value)
    volume = next(m for m in reading.findings[0].measurements if m.quantity == codes.VOLUME)
    assert volume.lower <= NODULE.volume_mm3 <= volume.upper


def test_characteristics_are_coded_evaluations_with_their_probability(reading, results):
    group = next(g for g in groups(results.dataset(Kind.SR)) if named(g, "Referenced Segment") is not None)
    texture = named(group, codes.TEXTURE.meaning)
    assert texture.ConceptCodeSequence[0].CodeValue == codes.SOLID.value
    said = float(texture.ContentSequence[0].MeasuredValueSequence[0].NumericValue)
    assert said == pytest.approx(reading.findings[0].characteristics[0].confidence.probability)


def test_fhir_has_a_component_for_each(reading, results):
    observation = results.fhir("Observation")[0]
    parts = {part["code"].get("text", ""): part for part in observation["component"]}
    long_axis = next(part for name, part in parts.items() if name.startswith("Long axis"))
    measurement = reading.findings[0].measurements[0]
    assert long_axis["valueQuantity"]["value"] == measurement.value
    assert long_axis["valueQuantity"]["code"] == "mm"
    interval = parts["95% interval of Long axis"]["valueRange"]
    assert (interval["low"]["value"], interval["high"]["value"]) == (measurement.lower, measurement.upper)
    texture = next(part for name, part in parts.items() if name.startswith("Texture"))
    assert texture["valueCodeableConcept"]["coding"][0]["code"] == codes.SOLID.value
    assert "drawn case" in observation["note"][1]["text"]


def test_the_same_reading_gives_the_same_bytes(reading, results):
    again = written_about(reading)
    assert [made.data for made in again.objects] == [made.data for made in results.objects]


@pytest.mark.peer
def test_dciodvfy_finds_no_error(results, verdict):
    for made in results.dicom():
        errors, warnings = verdict(made.data)
        assert errors == []
        # dciodvfy knows the designators of PS3.16 alone; a private one begins with 99 (PS3.16 section 8.2).
        assert [w for w in warnings if "defined term <99COREAD>" not in w] == []


def test_a_private_scheme_is_named_as_ours(results):
    item = results.dataset(Kind.SR).CodingSchemeIdentificationSequence[0]
    assert (item.CodingSchemeDesignator, item.CodingSchemeResponsibleOrganization) == ("99COREAD", "CoRead")


def test_nothing_is_outlined_where_nothing_is_present(reading):
    absent = replace(reading.findings[0], presence=Presence.ABSENT)
    results = written_about(replace(reading, findings=(absent,)))
    assert results.of(Kind.SEG) == []
    assert named(groups(results.dataset(Kind.SR))[0], "Volume") is not None


def test_an_outline_of_one_frame_of_many_names_its_frame():
    colour = np.zeros((4, 40, 50, 3), np.uint8)
    many = "1.2.840.10008.5.1.4.1.1.3.1"  # Ultrasound Multi-frame Image Storage
    image = open_object(dicom_from_pixels(colour, modality="US", sop_class=many))
    mask = np.zeros((40, 50), bool)
    mask[5:9, 10:20] = True
    outlines = tuple(Outline.of(mask, image.header.ref, frame) for frame in (2, 4))
    finding = replace(finding_on(image, heat=None), frame=2, outlines=outlines)
    made = write(reading_of(image, (finding,)), (image,), CARD, WRITTEN_AT)
    segs = [pydicom.dcmread(io.BytesIO(m.data)) for m in made if m.kind is Kind.SEG]
    assert len(segs) == 2
    for seg, frame in zip(segs, (2, 4), strict=True):
        derived = seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
        assert derived.SourceImageSequence[0].ReferencedFrameNumber == frame
        assert (seg.pixel_array.astype(bool) == mask).all()


def test_the_presentation_draws_the_border_of_the_asked_slice(reading, results):
    state = results.dataset(Kind.PRESENTATION_STATE)
    drawn = [o.GraphicData for a in state.GraphicAnnotationSequence for o in a.GraphicObjectSequence]
    asked_image = at_the_nodule().image
    outline = next(o for o in reading.findings[0].outlines if o.image == asked_image)
    expected = borders(outline)[0].ravel()
    assert any(len(d) == len(expected) and np.allclose(d, expected) for d in drawn)


def test_boxes_bear_their_own_kind_and_too_many_are_counted():
    image = open_object(ultrasound())
    boxes = tuple(Box(1.0 + n % 50, 2.0, 3.0, 4.0, SUSPICIOUS, 0.9) for n in range(MOST_BOX_GROUPS + 5))
    finding = finding_on(image, heat=None, boxes=boxes)
    made = write(reading_of(image, (finding,)), (image,), CARD, WRITTEN_AT)
    report = pydicom.dcmread(io.BytesIO(next(m.data for m in made if m.kind is Kind.SR)))
    own = groups(report)
    assert len(own) == MOST_BOX_GROUPS + 1
    assert named(own[1], "Finding").ConceptCodeSequence[0].CodeValue == SUSPICIOUS.value
    remarks = [i.TextValue for i in contents(own[0]) if i.ValueType == "TEXT"]
    assert f"{MOST_BOX_GROUPS + 5} regions, of which {MOST_BOX_GROUPS} are listed here." in remarks


def test_the_image_library_lists_what_is_pictured_not_all_that_was_given(reading, results):
    report = results.dataset(Kind.SR)
    library = next(i for i in contents(report) if i.ConceptNameCodeSequence[0].CodeMeaning == "Image Library")
    listed = [i for i in contents(library) if i.ValueType == "IMAGE"]
    assert len(listed) == len(reading.findings[0].outlines) < len(reading.inputs)


def signed_about(reading):
    """What goes out when a doctor accepted the nodule and corrected the suspicion."""
    nodule, suspicious = reading.findings
    traits = tuple(Trait(item.concept, item.value) for item in nodule.characteristics)
    border = tuple(map(tuple, borders(nodule.outlines[3])[0].tolist()))
    image = nodule.outlines[3].image
    accepted_as = statement_of(nodule, image=image, outline=border, traits=traits)
    corrected = (traits[0], Trait(codes.MARGINS, codes.SPICULATED))
    decisions = (
        replace(accepted(nodule, reading), statement=accepted_as),
        edited(suspicious, reading, traits=corrected),
    )
    report = report_of(slices()[0], (reading,), decisions)
    cards = {reading.reader.name: growing(Machine()).card}
    return Written(write_signed(report, (reading,), slices(), cards, person=SIGNER))


@pytest.mark.peer
def test_what_a_doctor_signs_of_it_is_valid(reading, verdict):
    signed = signed_about(reading)
    report = signed.dataset(Kind.SR)
    said = [i for i in contents(report) if i.ValueType == "CODE"]
    values = {(i.ConceptNameCodeSequence[0].CodeValue, i.ConceptCodeSequence[0].CodeValue) for i in said}
    assert (codes.TEXTURE.value, codes.SOLID.value) in values
    assert (codes.MARGINS.value, codes.SPICULATED.value) in values
    for made in signed.dicom():
        errors, warnings = verdict(made.data)
        assert errors == []
        assert [w for w in warnings if "defined term <99COREAD>" not in w] == []
    parts = [p["code"].get("text", "") for o in signed.fhir("Observation") for p in o["component"]]
    assert any(name.startswith("Margins") for name in parts)
    assert "95% interval of Volume" in parts
