"""The presentation state and the picture with everything burned in."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from PIL import Image
from written_results import finding_on, hot_map, written

from coread.dicom import open_object
from coread.domain.finding import Box
from coread.results import Kind
from coread.testing.patients import chest_pixels, chest_radiograph, ct_slice, dicom_from_pixels, ultrasound

ORANGE = (255, 140, 0)


def presented(image, findings=None):
    return written(image, findings).dataset(Kind.PRESENTATION_STATE)


def test_any_pacs_reads_who_found_what_how_sure_and_that_nobody_verified_it(radiograph):
    (annotation,) = presented(radiograph).GraphicAnnotationSequence
    text = annotation.TextObjectSequence[0].UnformattedTextValue
    assert text == (
        "CoRead chest-radiograph 1.2.3: Opacity present, p=0.83 (95 % interval 0.70-0.90); not verified"
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_outline_runs_around_the_hot_cell(photometric):
    image = open_object(chest_radiograph(photometric=photometric))
    state = presented(image, [finding_on(image, hot_map(image, row=2, column=5))])
    (shape,) = state.GraphicAnnotationSequence[0].GraphicObjectSequence
    assert shape.GraphicAnnotationUnits == "PIXEL"
    points = np.array(shape.GraphicData).reshape(-1, 2)
    assert (points.min(axis=0).tolist(), points.max(axis=0).tolist()) == ([40, 16], [48, 24])
    assert shape.TrackingUID == finding_on(image).tracking_uid


def test_boxes_are_drawn(radiograph):
    state = presented(radiograph, [finding_on(radiograph, heat=None, boxes=[Box(4, 8, 10, 20)])])
    (shape,) = state.GraphicAnnotationSequence[0].GraphicObjectSequence
    assert list(shape.GraphicData) == [4, 8, 14, 8, 14, 28, 4, 28, 4, 8]


def test_it_refers_to_its_image(radiograph):
    ref = radiograph.header.ref
    (series,) = presented(radiograph).ReferencedSeriesSequence
    assert series.SeriesInstanceUID == ref.series_instance_uid
    (item,) = series.ReferencedImageSequence
    assert (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) == (
        ref.sop_class_uid,
        ref.sop_instance_uid,
    )


@pytest.mark.parametrize(("spacing", "ratio"), [([0.2, 0.2], [1, 1]), ([0.3, 0.1], [3000, 1000])])
def test_pixels_keep_their_shape(spacing, ratio):
    image = open_object(dicom_from_pixels(chest_pixels(), facts={"ImagerPixelSpacing": spacing}))
    (area,) = presented(image).DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == ratio


def test_frames_are_annotated_apart():
    pixels = np.zeros((4, 32, 32), np.uint8)
    image = open_object(dicom_from_pixels(pixels, modality="US", sop_class="1.2.840.10008.5.1.4.1.1.3.1"))
    findings = [finding_on(image, hot_map(image, frame=n), number=n) for n in (1, 3)]
    annotations = presented(image, findings).GraphicAnnotationSequence
    frames = [item.ReferencedImageSequence[0].ReferencedFrameNumber for item in annotations]
    assert frames == [1, 3]


def test_colour_gets_a_colour_state():
    state = presented(open_object(ultrasound()))
    assert state.SOPClassUID == "1.2.840.10008.5.1.4.1.1.11.2"
    assert len(state.ICCProfile) > 1000


WINDOWS = {
    "one": {"WindowCenter": 1000, "WindowWidth": 500},
    "several": {"WindowCenter": [2000, 100], "WindowWidth": [3000, 50]},
    "rescaled": {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 3000, "WindowWidth": 4000},
}


def pnm(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L")).astype(int)


@pytest.mark.peer
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_dcmtk_shows_the_same_picture_with_the_state_as_without(photometric, window, tool, tmp_path):
    data = chest_radiograph(photometric=photometric, facts=window)
    image = open_object(data)
    (tmp_path / "image.dcm").write_bytes(data)
    (tmp_path / "state.dcm").write_bytes(written(image).of(Kind.PRESENTATION_STATE)[0].data)
    arguments = ["--pstate", "state.dcm", "image.dcm", "picture.pgm"]
    subprocess.run([tool("dcmp2pgm"), *arguments], cwd=tmp_path, check=True, capture_output=True)
    shown, ours = pnm(tmp_path / "picture.pgm"), image.rendered().astype(int)
    assert shown.shape == ours.shape
    assert np.abs(shown - ours).max() <= 2


CURVE = (np.linspace(0, 1, 4096) ** 2 * 65535).astype("<u2")
LUT = {"LUTDescriptor": [4096, 0, 16], "LUTExplanation": "曲线", "LUTData": CURVE.tobytes()}
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
@pytest.mark.peer
def test_a_voi_table_stays_one(syntax, tool, tmp_path):
    facts = NO_WINDOW | {"VOILUTSequence": [LUT], "VOILUTFunction": None}
    data = chest_radiograph(facts=facts, transfer_syntax_uid=syntax)
    image = open_object(data)
    (item,) = presented(image).SoftcopyVOILUTSequence
    assert list(item.VOILUTSequence[0].LUTDescriptor) == [4096, 0, 16]
    (tmp_path / "image.dcm").write_bytes(data)
    (tmp_path / "state.dcm").write_bytes(written(image).of(Kind.PRESENTATION_STATE)[0].data)
    arguments = ["--pstate", "state.dcm", "image.dcm", "picture.pgm"]
    subprocess.run([tool("dcmp2pgm"), *arguments], cwd=tmp_path, check=True, capture_output=True)
    shown, ours = pnm(tmp_path / "picture.pgm"), image.rendered().astype(int)
    assert np.abs(shown - ours).max() <= 2


def test_a_modality_table_stays_one():
    table = LUT | {"ModalityLUTType": "US", "LUTExplanation": None}
    facts = {
        "ModalityLUTSequence": [table],
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "RescaleType": None,
    }
    state = presented(open_object(chest_radiograph(facts=facts)))
    assert state.ModalityLUTSequence[0].ModalityLUTType == "US"
    assert "RescaleSlope" not in state


def test_a_table_of_numbers_stays_one():
    """LUT Data (0028,3006) may be US instead of OW."""
    image = open_object(chest_radiograph(facts=NO_WINDOW | {"VOILUTSequence": [LUT]}))
    image.dataset.VOILUTSequence[0].add_new(0x00283006, "US", CURVE.tolist())
    (item,) = presented(image).SoftcopyVOILUTSequence
    assert item.VOILUTSequence[0].LUTData == CURVE.tolist()


def test_a_signed_table_keeps_its_sign():
    facts = NO_WINDOW | {
        "PixelRepresentation": 1,
        "VOILUTSequence": [LUT | {"LUTDescriptor": [4096, -9, 16]}],
    }
    (item,) = presented(open_object(chest_radiograph(facts=facts))).SoftcopyVOILUTSequence
    assert item.VOILUTSequence[0].LUTDescriptor[1] in (-9, 65527)


def test_a_sigmoid_window_stays_one():
    facts = {"WindowCenter": 2000, "WindowWidth": 1500, "VOILUTFunction": "SIGMOID"}
    (item,) = presented(open_object(chest_radiograph(facts=facts))).SoftcopyVOILUTSequence
    assert (item.WindowCenter, item.WindowWidth, item.VOILUTFunction) == (2000, 1500, "SIGMOID")


@pytest.mark.parametrize(
    "facts",
    [
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": 5, "WindowWidth": 0},
        {"WindowCenter": 5, "WindowWidth": None},
    ],
)
def test_an_image_without_a_window_gets_none(facts):
    assert "SoftcopyVOILUTSequence" not in presented(open_object(chest_radiograph(facts=facts)))


def picture(image, findings=None):
    result = written(image, findings).dataset(Kind.SECONDARY_CAPTURE)
    return result, result.pixel_array


def test_outline_is_burned_in_where_the_cell_is(radiograph):
    result, pixels = picture(radiograph)
    scale = result.Columns / 64
    rows, columns = np.nonzero((pixels[: int(64 * scale)] == ORANGE).all(axis=-1))
    found = np.array([rows.min(), rows.max(), columns.min(), columns.max()]) / scale
    assert np.abs(found - [16, 24, 40, 48]).max() <= 0.5


def test_banner_is_below_the_picture(radiograph):
    result, pixels = picture(radiograph)
    assert result.Rows > result.Columns
    banner = pixels[result.Columns :]
    assert (banner == ORANGE).all(axis=-1).any()


def test_picture_is_modest_and_not_tiny(radiograph):
    assert picture(radiograph)[0].Columns == 512
    big = open_object(dicom_from_pixels(np.zeros((1500, 3000), np.uint16)))
    result, _ = picture(big)
    assert result.Columns == 1024
    assert result.Rows < 600


def test_picture_has_square_pixels():
    image = open_object(
        dicom_from_pixels(np.zeros((64, 64), np.uint16), facts={"ImagerPixelSpacing": [0.4, 0.1]})
    )
    result, _ = picture(image)
    assert result.Rows > 3 * result.Columns


def test_two_findings_two_lines(radiograph):
    one = picture(radiograph)[0].Rows
    two = picture(radiograph, [finding_on(radiograph), finding_on(radiograph, number=2)])[0].Rows
    assert two == one + 22


def test_inverse_image_is_shown_as_a_person_sees_it():
    straight = picture(open_object(chest_radiograph()))[1]
    inverse = picture(open_object(chest_radiograph(photometric="MONOCHROME1")))[1]
    assert np.abs(straight.astype(int) - inverse.astype(int)).max() <= 2


@pytest.mark.parametrize("said", ["YES", "NO", None])
def test_burned_in_annotation_is_what_the_image_says(said):
    image = open_object(chest_radiograph(facts={"BurnedInAnnotation": said}))
    assert picture(image)[0].get("BurnedInAnnotation") == said


@pytest.mark.parametrize(
    ("facts", "laterality"),
    [
        ({"BodyPartExamined": "CHEST"}, None),
        ({"BodyPartExamined": "HAND"}, ""),
        ({"BodyPartExamined": "HAND", "Laterality": "L"}, "L"),
        ({"BodyPartExamined": None}, ""),
        ({"BodyPartExamined": "knee!"}, ""),
    ],
)
def test_laterality_is_there_when_a_side_may_be(facts, laterality):
    image = open_object(chest_radiograph(facts=facts))
    out = written(image)
    for kind in (Kind.PRESENTATION_STATE, Kind.SECONDARY_CAPTURE):
        assert out.dataset(kind).get("Laterality") == laterality


def test_a_slice_is_pictured_in_its_window():
    image = open_object(ct_slice())
    _, pixels = picture(image, [finding_on(image, heat=None)])
    shown = image.rendered()
    assert abs(int(pixels[:500].mean()) - int(shown.mean())) < 4
