"""From stored values to the screen: PS3.4 N.2 by hand-computed values, and dcmtk's dcm2pnm as a peer."""

from __future__ import annotations

import math
import subprocess

import numpy as np
import pytest
from PIL import Image
from real_files import real_file, with_identifiers

from coread.dicom import open_object, write_object
from coread.errors import BrokenPixelData
from coread.testing import chest_pixels, chest_radiograph, ct_slice, dicom_from_pixels

EXPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
IDENTITY = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
    "SOPInstanceUID": "1.2.3.1",
    "StudyInstanceUID": "1.2.3.2",
    "SeriesInstanceUID": "1.2.3.3",
}
RAMP = np.array([[0, 1000, 2000], [2047, 3000, 4095]], np.uint16)


def made(pixels=RAMP, syntax=EXPLICIT, **facts):
    return open_object(write_object(IDENTITY | facts, pixels, transfer_syntax_uid=syntax))


def shown(pixels=RAMP, syntax=EXPLICIT, **facts):
    return made(pixels, syntax, **facts).display()


def test_display_is_float32_within_zero_and_one():
    picture = open_object(chest_radiograph()).display()
    assert picture.dtype == np.float32
    assert picture.shape == (64, 64)
    assert 0 <= picture.min() < picture.max() <= 1


def test_linear_window_by_the_formula_of_the_standard():
    # C.11.2.1.2.1: y = (x - (c - 0.5)) / (w - 1) + 0.5, clipped.
    values = shown(WindowCenter=2048, WindowWidth=4096).ravel()
    expected = [(x - 2047.5) / 4095 + 0.5 for x in RAMP.ravel().tolist()]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert (values[0], values[-1]) == (0, 1)


def test_linear_window_clips():
    # c = 2000, w = 1001: below 1499.5 black, above 2499.5 white.
    values = shown(WindowCenter=2000, WindowWidth=1001).ravel()
    np.testing.assert_allclose(values, [0, 0, 0.5005, 0.5475, 1, 1], atol=1e-6)


def test_linear_exact_window():
    # C.11.2.1.3.2: y = (x - c) / w + 0.5.
    values = shown(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT").ravel()
    np.testing.assert_allclose(values, [0, 0, 0.5, 0.547, 1, 1], atol=1e-6)


def test_sigmoid_window():
    # C.11.2.1.3.1: y = 1 / (1 + exp(-4 (x - c) / w)).
    values = shown(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID").ravel()
    expected = [1 / (1 + math.exp(-4 * (x - 2000) / 1000)) for x in RAMP.ravel().tolist()]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_sigmoid_far_outside_its_window_does_not_overflow():
    values = shown(WindowCenter=2000, WindowWidth=1, VOILUTFunction="SIGMOID").ravel()
    np.testing.assert_allclose(values, [0, 0, 0.5, 1, 1, 1], atol=1e-6)


def test_a_window_of_one_is_a_step():
    values = shown(WindowCenter=2000, WindowWidth=1).ravel()
    np.testing.assert_array_equal(values, [0, 0, 1, 1, 1, 1])


def test_the_first_of_several_windows_is_used():
    several = shown(WindowCenter=[2000, 40], WindowWidth=[1001, 400])
    np.testing.assert_array_equal(several, shown(WindowCenter=2000, WindowWidth=1001))


@pytest.mark.parametrize("width", [0, -400])
def test_an_impossible_window_is_as_none(width):
    np.testing.assert_array_equal(shown(WindowCenter=40, WindowWidth=width), shown())


def test_rescale_comes_before_the_window():
    values = shown(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000, WindowWidth=2001).ravel()
    expected = [np.clip((2 * x - 1000 - 2999.5) / 2000 + 0.5, 0, 1) for x in RAMP.ravel().tolist()]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_hounsfield_units_of_a_ct_slice():
    picture = open_object(ct_slice()).display()
    assert picture[0, 0] == 0  # air, far below a window of 40 +- 200
    assert picture[32, 32] == pytest.approx(0.5, abs=0.1)  # soft tissue, 40 HU


def test_without_any_window_eight_bits_keep_their_range():
    grey = np.array([[10, 100], [200, 255]], np.uint8)
    np.testing.assert_allclose(shown(grey), grey / 255, atol=1e-7)


def test_without_any_window_more_bits_are_stretched():
    np.testing.assert_allclose(shown().ravel()[[0, -1]], [0, 1])
    assert shown(np.full((4, 4), 7, np.uint16)).max() == 0


def test_monochrome1_shows_the_same_chest():
    plain = open_object(chest_radiograph(1)).display()
    inverse = open_object(chest_radiograph(1, photometric="MONOCHROME1")).display()
    np.testing.assert_allclose(inverse, plain, atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_in_either_sense(photometric):
    values = shown(PixelPaddingValue=4095, PhotometricInterpretation=photometric)
    assert values[1, 2] == 0
    # and does not take part in the stretch
    assert values.max() == 1
    assert values[1, 1] == (1 if photometric == "MONOCHROME2" else 0)


def test_a_range_of_padding():
    values = shown(PixelPaddingValue=0, PixelPaddingRangeLimit=1500)
    np.testing.assert_allclose(values, [[0, 0, 0], [47 / 2095, 1000 / 2095, 1]], atol=1e-6)


@pytest.mark.parametrize("padding", [-2000, 63536])
def test_signed_padding_in_either_vr(padding):
    pixels = np.array([[-2000, 0], [500, 1000]], np.int16)
    found = made(pixels)
    found.dataset.add_new(0x00280120, "SS" if padding < 0 else "US", padding)
    np.testing.assert_allclose(found.display(), [[0, 0], [0.5, 1]], atol=1e-6)


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
@pytest.mark.parametrize("as_words", [False, True])
def test_voi_lut(syntax, as_words):
    pixels = np.array([[0, 10], [11, 99]], np.uint8)
    table = np.array([0, 32768, 65535], np.uint16)
    data = table.astype(">u2" if syntax == BIG else "<u2").tobytes()
    found = made(pixels, syntax, VOILUTSequence=[{"LUTDescriptor": [3, 10, 16]}])
    found.dataset.VOILUTSequence[0].add_new(
        0x00283006, "OW" if as_words else "US", data if as_words else table.tolist()
    )
    np.testing.assert_allclose(found.display(), [[0, 0], [32768 / 65535, 1]], atol=1e-6)


def test_a_voi_lut_of_bytes_and_of_sixty_five_thousand_entries():
    pixels = np.array([[0, 65535]], np.uint16)
    table = np.arange(65536, dtype=np.uint32) >> 8
    found = made(pixels, VOILUTSequence=[{"LUTDescriptor": [0, 0, 8]}])
    found.dataset.VOILUTSequence[0].add_new(0x00283006, "OW", table.astype(np.uint8).tobytes())
    np.testing.assert_array_equal(found.display(), [[0, 1]])


def test_modality_lut_then_window():
    pixels = np.array([[0, 1], [2, 3]], np.uint8)
    found = made(
        pixels, ModalityLUTSequence=[{"LUTDescriptor": [4, 0, 16]}], WindowCenter=50.5, WindowWidth=101
    )
    found.dataset.ModalityLUTSequence[0].add_new(0x00283006, "US", [100, 50, 25, 0])
    np.testing.assert_allclose(found.display(), [[1, 0.5], [0.25, 0]], atol=1e-6)


@pytest.mark.parametrize("descriptor", [[0, 0, 0], [1], [3, 0, 99]])
def test_a_broken_lut(descriptor):
    found = made(VOILUTSequence=[{"LUTDescriptor": descriptor}])
    found.dataset.VOILUTSequence[0].add_new(0x00283006, "US", [1, 2, 3])
    with pytest.raises(BrokenPixelData, match="VOILUTSequence"):
        found.display()


def test_each_frame_of_an_enhanced_object_has_its_own_window_and_rescale():
    frames = np.stack([RAMP.T, RAMP.T])
    per_frame = [
        {
            "FrameVOILUTSequence": [{"WindowCenter": center, "WindowWidth": 1001}],
            "PixelValueTransformationSequence": [{"RescaleSlope": 1, "RescaleIntercept": 0}],
        }
        for center in (2000, 3000)
    ]
    found = made(frames, PerFrameFunctionalGroupsSequence=per_frame)
    for frame, center in ((1, 2000), (2, 3000)):
        np.testing.assert_array_equal(found.display(frame).T, shown(WindowCenter=center, WindowWidth=1001))


def test_shared_groups_hold_for_every_frame():
    shared = [{"FrameVOILUTSequence": [{"WindowCenter": 2000, "WindowWidth": 1001}]}]
    found = made(np.stack([RAMP.T, RAMP.T]), SharedFunctionalGroupsSequence=shared)
    np.testing.assert_array_equal(found.display(2).T, shown(WindowCenter=2000, WindowWidth=1001))


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
@pytest.mark.parametrize("bits", [8, 16])
def test_palette(syntax, bits):
    indices = np.array([[0, 1], [2, 200]], np.uint8)
    found = made(indices, syntax, PhotometricInterpretation="PALETTE COLOR")
    order = ">" if syntax == BIG else "<"
    for number, colour in enumerate(("Red", "Green", "Blue")):
        table = np.roll(np.array([0, 100, 255]), number)
        words = table.astype("u1" if bits == 8 else order + "u2") * (1 if bits == 8 else 257)
        setattr(found.dataset, f"{colour}PaletteColorLookupTableDescriptor", [3, 0, bits])
        setattr(found.dataset, f"{colour}PaletteColorLookupTableData", words.astype(words.dtype).tobytes())
    expected = [[[0, 255, 100], [100, 0, 255]], [[255, 100, 0], [255, 100, 0]]]
    np.testing.assert_array_equal(found.rendered(), expected)
    np.testing.assert_allclose(found.display(), np.array(expected) @ [0.299, 0.587, 0.114] / 255, atol=1e-6)


def test_a_palette_without_tables():
    with pytest.raises(BrokenPixelData):
        made(np.zeros((2, 2), np.uint8), PhotometricInterpretation="PALETTE COLOR").display()


@pytest.mark.parametrize(
    "name", ["OBXXXX1A.dcm", "OBXXXX1A_rle.dcm", "OBXXXX1A_expb.dcm", "gdcm-US-ALOKA-16_big.dcm"]
)
def test_real_palettes_are_one_picture_in_every_syntax(name):
    twin = "gdcm-US-ALOKA-16.dcm" if "ALOKA" in name else "OBXXXX1A.dcm"
    np.testing.assert_array_equal(
        open_object(real_file(name)).rendered(), open_object(real_file(twin)).rendered()
    )


def test_sixteen_bit_colour_is_shown_in_eight():
    eight = open_object(real_file("SC_rgb.dcm")).rendered()
    for name in ("SC_rgb_16bit.dcm", "SC_rgb_32bit.dcm", "SC_rgb_rle_16bit.dcm"):
        np.testing.assert_array_equal(open_object(real_file(name)).rendered(), eight)


def by_dcm2pnm(data, program, tmp_path, *options):
    source, target = tmp_path / "in.dcm", tmp_path / "out.pnm"
    source.write_bytes(data)
    subprocess.run([program, *options, source, target], check=True, capture_output=True)
    return np.asarray(Image.open(target))


WINDOWED = ["CT_small.dcm", "MR_small.dcm", "693_UNCR.dcm", "RG1_UNCR.dcm", "MR2_UNCR.dcm", "RG3_UNCR.dcm"]


@pytest.mark.peer
@pytest.mark.parametrize("name", WINDOWED)
def test_real_windows_are_shown_as_dcmtk_shows_them(name, tool, tmp_path):
    found = open_object(with_identifiers(real_file(name)))
    option = ["+Wi", "1"] if "WindowCenter" in found.dataset else ["+Wm"]
    expected = by_dcm2pnm(with_identifiers(real_file(name)), tool("dcm2pnm"), tmp_path, *option)
    difference = np.abs(found.rendered().astype(int) - expected)
    assert difference.max() <= 1


@pytest.mark.peer
@pytest.mark.parametrize("name", ["vlut_04.dcm", "mlut_18.dcm"])
def test_real_look_up_tables_are_shown_as_dcmtk_shows_them(name, tool, tmp_path):
    data = with_identifiers(real_file(name))
    option = ["+Wl", "1"] if name == "vlut_04.dcm" else ["+Wi", "1"]
    if name == "mlut_18.dcm" and "WindowCenter" not in open_object(data).dataset:
        option = ["+Wm"]
    expected = by_dcm2pnm(data, tool("dcm2pnm"), tmp_path, *option)
    assert np.abs(open_object(data).rendered().astype(int) - expected).max() <= 1


@pytest.mark.peer
@pytest.mark.parametrize(
    "name", ["SC_rgb.dcm", "SC_ybr_full_uncompressed.dcm", "OBXXXX1A.dcm", "color-pl.dcm"]
)
def test_real_colours_are_shown_as_dcmtk_shows_them(name, tool, tmp_path):
    data = with_identifiers(real_file(name))
    expected = by_dcm2pnm(data, tool("dcm2pnm"), tmp_path)
    assert np.abs(open_object(data).rendered().astype(int) - expected).max() <= 2


@pytest.mark.peer
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_made_radiograph_is_shown_as_dcmtk_shows_it(photometric, tool, tmp_path):
    data = chest_radiograph(photometric=photometric)
    expected = by_dcm2pnm(data, tool("dcm2pnm"), tmp_path, "+Wi", "1")
    assert np.abs(open_object(data).rendered().astype(int) - expected).max() <= 1


def test_a_window_that_is_asked_for_replaces_the_objects_own():
    found = made(WindowCenter=40, WindowWidth=400)
    picture = found.rendered(window=(2000, 1001))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.rint(shown(WindowCenter=2000, WindowWidth=1001) * 255))


def test_real_pixels_wrapped_as_dx_come_back_as_they_were():
    grey = (chest_pixels() >> 4).astype(np.uint8)
    np.testing.assert_array_equal(open_object(dicom_from_pixels(grey)).rendered(), grey)
    np.testing.assert_allclose(open_object(dicom_from_pixels(grey)).display(), grey / 255, atol=1e-6)


@pytest.mark.parametrize("value", ["abc", "1e999", "NaN"])
def test_a_window_that_is_no_number(value):
    found = made(WindowCenter=40, WindowWidth=400)
    found.dataset["WindowCenter"]._value = value
    if value == "abc":
        with pytest.raises(BrokenPixelData, match="WindowCenter"):
            found.display()
    else:
        np.testing.assert_array_equal(found.display(), shown())


def test_values_beyond_all_bounds_are_black_or_white():
    values = np.array([[-1e300, np.nan, 0.0, np.inf, 1e300]])
    np.testing.assert_array_equal(shown(values, WindowCenter=0, WindowWidth=2), [[0, 0, 1, 1, 1]])
    picture = shown(np.array([[np.nan, 1.0, 3.0, np.inf, -np.inf]]))
    np.testing.assert_array_equal(picture, [[0, 0, 1, 1, 0]])
    assert np.isfinite(shown(RescaleSlope="1e300", RescaleIntercept="-1e300")).all()
