"""The hot region lands where the reader saw it."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
from written_results import finding_on, hot_map, written

from coread.dicom import open_object
from coread.domain.finding import Box, HeatMap
from coread.results import Kind
from coread.testing.patients import chest_radiograph, ct_slice, dicom_from_pixels, ultrasound

US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"


def hot_pixels(image, mask):
    """The cell's corners as (top, bottom, left, right) in pixels, from a mask of the image's matrix."""
    assert mask.shape == (int(image.header.facts["Rows"]), int(image.header.facts["Columns"]))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def segmented(out, index=0):
    result = out.dataset(Kind.SEG, index)
    return result, result.pixel_array.reshape(result.Rows, result.Columns)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (7, 7), (7, 0)])
def test_segmentation_covers_the_hot_cell(photometric, row, column):
    image = open_object(chest_radiograph(size_px=80, photometric=photometric))
    _, mask = segmented(written(image, [finding_on(image, hot_map(image, row, column))]))
    assert hot_pixels(image, mask) == (row * 10, row * 10 + 10, column * 10, column * 10 + 10)


@pytest.mark.parametrize("shape", [(96, 64), (64, 96), (61, 127)])
def test_segmentation_of_an_oblong_image_with_oblong_pixels(shape):
    pixels = np.zeros(shape, np.uint16)
    image = open_object(dicom_from_pixels(pixels, facts={"ImagerPixelSpacing": [0.4, 0.1]}))
    _, mask = segmented(written(image, [finding_on(image, hot_map(image, 1, 6))]))
    expected = (shape[0] / 8, shape[0] / 4, shape[1] * 6 / 8, shape[1] * 7 / 8)
    assert np.abs(np.subtract(hot_pixels(image, mask), expected)).max() <= 0.5


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotated_pixels_carry_their_region_along(turns):
    """A reader that turns the picture and turns its map back gives the map of the stored frame."""
    values = np.zeros((4, 8), np.float32)
    values[1, 6] = 1
    turned = np.rot90(values, turns)
    stored = np.zeros((turned.shape[0] * 16, turned.shape[1] * 16), np.uint16)
    stored += np.kron(turned, np.full((16, 16), 4000)).astype(np.uint16)
    image = open_object(dicom_from_pixels(stored, facts={"PatientOrientation": ["F", "R"]}))
    extent = Box(0, 0, float(stored.shape[1]), float(stored.shape[0]))
    finding = finding_on(image, HeatMap(np.ascontiguousarray(turned), extent))
    result, mask = segmented(written(image, [finding]))
    assert np.array_equal(mask.astype(bool), stored > 0)
    assert list(result.PatientOrientation) == ["F", "R"]


def test_extent_smaller_than_the_image(radiograph):
    heat = HeatMap(np.float32([[1, 0], [0, 0]]), Box(16, 8, 32, 40))
    _, mask = segmented(written(radiograph, [finding_on(radiograph, heat)]))
    assert hot_pixels(radiograph, mask) == (8, 28, 16, 32)


def test_segmentation_of_one_frame_of_many():
    pixels = np.zeros((5, 48, 64), np.uint8)
    image = open_object(dicom_from_pixels(pixels, modality="US", sop_class=US_MULTI_FRAME))
    result, mask = segmented(written(image, [finding_on(image, hot_map(image, 3, 4, frame=4))]))
    assert hot_pixels(image, mask) == (18, 24, 32, 40)
    frame = result.PerFrameFunctionalGroupsSequence[0]
    source = frame.DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedFrameNumber == 4
    assert source.ReferencedSOPClassUID == US_MULTI_FRAME
    assert source.ReferencedSOPInstanceUID == image.header.ref.sop_instance_uid


def test_segmentation_of_a_colour_image():
    image = open_object(ultrasound())
    _, mask = segmented(written(image))
    assert hot_pixels(image, mask) == (16, 24, 40, 48)


def test_segment_bears_finding_tracking_and_algorithm(radiograph):
    finding = finding_on(radiograph)
    result, _ = segmented(written(radiograph, [finding]))
    (segment,) = result.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "112001"
    assert segment.TrackingUID == finding.tracking_uid
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("chest-radiograph", "1.2.3")
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"
    assert f"weights_sha256={'ab' * 32}" in algorithm.AlgorithmParameters
    assert "FrameOfReferenceUID" not in result


def test_a_cold_map_gives_no_object(radiograph):
    cold = HeatMap(np.zeros((3, 3), np.float32), Box(0, 0, 64, 64))
    assert not written(radiograph, [finding_on(radiograph, cold)]).of(Kind.SEG)


ORIENTATIONS = {
    "axial": [1, 0, 0, 0, 1, 0],
    "coronal": [1, 0, 0, 0, 0, -1],
    "sagittal": [0, 1, 0, 0, 0, -1],
    "oblique": [0.8, 0.6, 0, 0, 0, -1],
}


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("spacing", [[2.5, 2.5], [3.0, 0.5]])
def test_parametric_map_lies_on_the_slice(orientation, spacing):
    facts = {"ImageOrientationPatient": orientation, "PixelSpacing": spacing}
    image = open_object(ct_slice(position=7, facts=facts))
    heat = HeatMap(hot_map(image, 1, 6).values, Box(8, 4, 48, 56))
    out = written(image, [finding_on(image, heat)])
    assert not out.of(Kind.SEG)
    result = out.dataset(Kind.PARAMETRIC_MAP)
    assert result.FrameOfReferenceUID == image.dataset.FrameOfReferenceUID

    shared = result.SharedFunctionalGroupsSequence[0]
    frame = result.PerFrameFunctionalGroupsSequence[0]
    to_patient = hd.spatial.ImageToReferenceTransformer(
        image_position=_in(frame, shared, "PlanePositionSequence").ImagePositionPatient,
        image_orientation=_in(frame, shared, "PlaneOrientationSequence").ImageOrientationPatient,
        pixel_spacing=_in(frame, shared, "PixelMeasuresSequence").PixelSpacing,
    )
    to_pixels = hd.spatial.ReferenceToImageTransformer(
        image_position=image.dataset.ImagePositionPatient,
        image_orientation=orientation,
        pixel_spacing=spacing,
    )
    values = np.frombuffer(result.FloatPixelData, np.float32).reshape(result.Rows, result.Columns)
    (row, column) = np.argwhere(values == 1)[0]
    corners = np.array([(column, row), (column + 1, row + 1)], float)
    found = to_pixels(to_patient(corners))
    expected = [(8 + 6 * 6, 4 + 7), (8 + 6 * 7, 4 + 7 * 2)]
    assert np.allclose(found[:, :2], expected, atol=1e-3)
    assert np.allclose(found[:, 2], 0, atol=1e-3)


def _in(frame, shared, keyword):
    return (frame if keyword in frame else shared)[keyword].value[0]


def test_parametric_map_keeps_the_values(radiograph):
    image = open_object(ct_slice())
    values = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    out = written(image, [finding_on(image, HeatMap(values, Box(0, 0, 64, 64)))])
    result = out.dataset(Kind.PARAMETRIC_MAP)
    assert np.array_equal(np.frombuffer(result.FloatPixelData, np.float32).reshape(5, 7), values)
    mapping = result.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    quantity = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert (quantity.CodeValue, quantity.CodingSchemeDesignator) == ("130404", "DCM")
    assert result.ContentQualification == "RESEARCH"


@pytest.mark.parametrize(
    "facts",
    [
        {"ImagePositionPatient": None},
        {"FrameOfReferenceUID": None},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"PixelSpacing": None},
        {"ImageOrientationPatient": [1, 0, 0]},
    ],
)
def test_a_slice_without_whole_geometry_gets_a_segmentation(facts):
    image = open_object(ct_slice(facts=facts))
    out = written(image)
    assert out.of(Kind.SEG)
    assert not out.of(Kind.PARAMETRIC_MAP)


ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


def enhanced(frames=3):
    """An enhanced CT whose frames lie 5 mm apart; spacing, orientation and window are shared."""
    shared = {
        "PixelMeasuresSequence": [{"PixelSpacing": [2, 1], "SliceThickness": 5}],
        "PlaneOrientationSequence": [{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}],
        "FrameVOILUTSequence": [{"WindowCenter": 40, "WindowWidth": 400}],
        "PixelValueTransformationSequence": [
            {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
        ],
    }
    own = [{"PlanePositionSequence": [{"ImagePositionPatient": [-10, -20, 5 * n]}]} for n in range(frames)]
    at_root = (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    )
    facts = dict.fromkeys(at_root) | {
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": own,
        "NumberOfFrames": frames,
    }
    pixels = np.zeros((frames, 32, 32), np.int16)
    return open_object(dicom_from_pixels(pixels, modality="CT", sop_class=ENHANCED_CT, facts=facts))


@pytest.mark.peer
def test_a_frame_of_an_enhanced_image_lies_in_its_own_plane(verdict):
    image = enhanced()
    out = written(image, [finding_on(image, hot_map(image, frame=3))])
    result = out.dataset(Kind.PARAMETRIC_MAP)
    frame = result.PerFrameFunctionalGroupsSequence[0]
    shared = result.SharedFunctionalGroupsSequence[0]
    position = _in(frame, shared, "PlanePositionSequence").ImagePositionPatient
    # Cells of 4 x 4 pixels of 2 x 1 mm: the first centre lies 1.5 pixels inward.
    assert np.allclose(position, [-10 + 1.5 * 1, -20 + 1.5 * 2, 10])
    assert list(_in(frame, shared, "PixelMeasuresSequence").PixelSpacing) == [8, 4]
    source = _in(frame, shared, "DerivationImageSequence").SourceImageSequence[0]
    assert (source.ReferencedSOPClassUID, source.ReferencedFrameNumber) == (ENHANCED_CT, 3)
    state = out.dataset(Kind.PRESENTATION_STATE)
    assert (state.RescaleIntercept, state.SoftcopyVOILUTSequence[0].WindowCenter) == (-1024, 40)
    assert [verdict(made.data)[0] for made in out.dicom()] == [[]] * len(out.dicom())
