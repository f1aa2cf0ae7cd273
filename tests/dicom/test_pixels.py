"""Stored values: each transfer syntax against dcmtk and GDCM, odd bit depths against values made by hand."""

from __future__ import annotations

import io
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import jpeg_ls
import numpy as np
import pydicom
import pytest
from real_files import real_file, with_identifiers

from coread.dicom import data_set_offset, open_object, part10_prefix, write_object
from coread.dicom.frames import decoder_child, isolated
from coread.dicom.frames.pixels import MAX_FRAME_PIXELS
from coread.errors import BadQuery, BrokenPixelData, UnsupportedPixels
from coread.testing import broken, chest_pixels, chest_radiograph, dicom_from_pixels, text_report

EXPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
J2K, JPEG = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"
LOSSLESS = ["1.2.840.10008.1.2", EXPLICIT, BIG, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"]
LOSSLESS += ["1.2.840.10008.1.2.4.80", J2K]

SECONDARY_CAPTURE = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
    "SOPInstanceUID": "1.2.3.1",
    "StudyInstanceUID": "1.2.3.2",
    "SeriesInstanceUID": "1.2.3.3",
}


def made(pixels, syntax=EXPLICIT, **facts):
    return open_object(write_object(SECONDARY_CAPTURE | facts, pixels, transfer_syntax_uid=syntax))


def native(path, frame=0):
    """Read frame `frame` of a native little endian grey file with nothing but numpy."""
    dataset = pydicom.dcmread(path)
    size = dataset.Rows * dataset.Columns
    kind = f"<{'ui'[dataset.PixelRepresentation]}{dataset.BitsAllocated // 8}"
    return np.frombuffer(dataset.PixelData, kind)[frame * size :][:size].reshape(
        dataset.Rows, dataset.Columns
    )


def by_dcmtk(data: bytes, program: str, tmp_path, *options: str):
    """Decompress with dcmtk and read the result with numpy."""
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(data)
    subprocess.run([program, *options, source, target], check=True, capture_output=True)
    return native(target)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("kind", ["u1", "u2", "i2"])
def test_every_lossless_syntax_returns_what_was_written(syntax, kind):
    values = np.random.default_rng(1).integers(np.iinfo(kind).min, np.iinfo(kind).max, (65, 43)).astype(kind)
    stored = made(values, syntax).stored()
    np.testing.assert_array_equal(stored, values)
    assert stored.dtype.kind == values.dtype.kind


PEERS = [
    ("JPEG-LL.dcm", "dcmdjpeg"),
    ("JPGLosslessP14SV1_1s_1f_8b.dcm", "dcmdjpeg"),
    ("JPGExtended.dcm", "dcmdjpeg"),
    ("JPEG-lossy.dcm", "dcmdjpeg"),
    ("bad_sequence.dcm", "dcmdjpeg"),
    ("MR_small_RLE.dcm", "dcmdrle"),
    ("MR_small_jpeg_ls_lossless.dcm", "dcmdjpls"),
    ("emri_small_RLE.dcm", "dcmdrle"),
    ("emri_small_jpeg_ls_lossless.dcm", "dcmdjpls"),
    ("JPEGLSNearLossless_16.dcm", "dcmdjpls"),
]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "program"), PEERS)
def test_compressed_files_decode_as_dcmtk_decodes_them(name, program, tool, tmp_path):
    data = with_identifiers(real_file(name))
    expected = by_dcmtk(data, tool(program), tmp_path)
    np.testing.assert_array_equal(open_object(data).stored(), expected)


@pytest.mark.parametrize(
    ("compressed", "plain"),
    [
        ("MR2_J2KR.dcm", "MR2_UNCR.dcm"),
        ("MR2_J2KI.dcm", "MR2_UNCI.dcm"),
        ("RG1_J2KR.dcm", "RG1_UNCR.dcm"),
        ("RG3_J2KR.dcm", "RG3_UNCR.dcm"),
        ("693_J2KR.dcm", "693_UNCR.dcm"),
        ("JPEG2000.dcm", "JPEG2000_UNC.dcm"),
        ("emri_small_jpeg_2k_lossless.dcm", "emri_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
    ],
)
def test_jpeg_2000_agrees_with_its_uncompressed_twin(compressed, plain):
    stored = open_object(with_identifiers(real_file(compressed))).stored().astype(int)
    expected = native(real_file(plain)).astype(int)
    # Irreversible twins were decoded by another library: rounding may differ by one.
    tolerance = 1 if "I.dcm" in compressed or compressed == "JPEG2000.dcm" else 0
    assert np.abs(stored - expected).max() <= tolerance


@pytest.mark.parametrize(
    "name", ["MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_expb.dcm", "MR_small_padded.dcm"]
)
def test_native_twins_are_one_picture(name):
    np.testing.assert_array_equal(open_object(real_file(name)).stored(), native(real_file("MR_small.dcm")))


def test_a_colour_file_has_the_values_that_its_makers_document():
    # pydicom's reference: rows of 10 pixels of pure colours, PS3.3 C.7.6.3.1.2 for the YBR twins.
    rgb = open_object(real_file("SC_rgb_small_odd.dcm")).stored()
    np.testing.assert_array_equal(rgb[0], [[166, 141, 52]] * 3)
    np.testing.assert_array_equal(open_object(real_file("SC_rgb_small_odd_big_endian.dcm")).stored(), rgb)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("SC_ybr_full_uncompressed.dcm", 6),
        ("SC_ybr_full_422_uncompressed.dcm", 6),
        ("SC_rgb_rle.dcm", 0),
        ("SC_rgb_expb.dcm", 0),
        ("SC_rgb_jpeg_gdcm.dcm", 0),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 2),
        ("SC_rgb_jls_lossy_line.dcm", 2),
        ("SC_rgb_jls_lossy_sample.dcm", 2),
        ("SC_rgb_gdcm_KY.dcm", 1),
    ],
)
def test_every_colour_space_comes_out_as_rgb(name, tolerance):
    expected = open_object(real_file("SC_rgb.dcm")).stored().astype(int)
    found = open_object(with_identifiers(real_file(name))).stored().astype(int)
    assert np.abs(found - expected).max() <= tolerance


def test_planar_configuration_makes_no_difference():
    by_pixel = open_object(with_identifiers(real_file("color-px.dcm"))).stored()
    by_plane = open_object(with_identifiers(real_file("color-pl.dcm"))).stored()
    np.testing.assert_array_equal(by_pixel, by_plane)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_odd_bit_depths_wherever_the_bits_lie(bits, signed, shift, syntax):
    """Stored bits below `high_bit`, with rubbish (an overlay) in all the others: PS3.5 section 8.1.1."""
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    values = np.random.default_rng(bits).integers(low, high, (16, 16))
    high_bit = bits - 1 + shift
    field = ((1 << bits) - 1) << shift
    rubbish = np.random.default_rng(9).integers(0, 1 << 16, values.shape) & ~field
    container = ((values << shift & field) | rubbish).astype(np.uint16)
    facts = {"BitsStored": bits, "HighBit": high_bit, "PixelRepresentation": int(signed)}
    np.testing.assert_array_equal(made(container, syntax, **facts).stored(), values)


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_thirty_two_bits(syntax):
    values = np.array([[0, 1], [2**31, 2**32 - 1]], np.uint32)
    np.testing.assert_array_equal(made(values, syntax).stored(), values)


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_float_pixel_data(kind, syntax):
    values = np.linspace(-1, 1, 12, dtype=kind).reshape(3, 4)
    found = made(values, syntax)
    np.testing.assert_array_equal(found.stored(), values)
    np.testing.assert_allclose(found.display(), (values + 1) / 2, atol=1e-6)


def test_single_bits_follow_each_other_across_frames():
    bits = np.random.default_rng(0).integers(0, 2, (3, 5, 5)).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little")
    template = made(np.zeros((3, 5, 5), np.uint8)).dataset
    template.BitsAllocated = template.BitsStored = 1
    template.HighBit = 0
    template.PixelData = packed.tobytes()
    found = open_object(_written(template))
    for frame in (1, 2, 3):
        np.testing.assert_array_equal(found.stored(frame), bits[frame - 1])
    assert found.frame_uncompressed(2) == np.packbits(bits[1].ravel(), bitorder="little").tobytes()


def _written(dataset) -> bytes:
    file = pydicom.filebase.DicomBytesIO()
    dataset.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize("name", ["liver.dcm", "liver_expb.dcm"])
def test_real_segmentation_of_single_bits(name):
    found = open_object(real_file(name))
    assert found.number_of_frames == 3
    assert set(np.unique(found.stored(3))) == {0, 1}
    np.testing.assert_array_equal(found.stored(2), open_object(real_file("liver.dcm")).stored(2))


@pytest.mark.parametrize(
    "name",
    ["emri_small.dcm", "emri_small_RLE.dcm", "emri_small_big_endian.dcm", "emri_small_jpeg_ls_lossless.dcm"],
)
def test_each_frame_of_a_multi_frame_file(name):
    found = open_object(real_file(name))
    assert found.number_of_frames == 10
    for frame in (1, 5, 10):
        np.testing.assert_array_equal(found.stored(frame), native(real_file("emri_small.dcm"), frame - 1))


def test_multi_frame_colour_jpeg():
    pixels = np.random.default_rng(0).integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)
    pixels[:] = pixels.mean(axis=(1, 2), keepdims=True)
    found = made(pixels, JPEG)
    assert found.photometric_interpretation == "YBR_FULL_422"
    assert np.abs(found.stored(2).astype(int) - pixels[1]).max() <= 3


@pytest.mark.parametrize("frame", [0, -1, 2])
def test_a_frame_that_is_not_there(frame):
    found = open_object(chest_radiograph())
    for ask in (found.stored, found.display, found.frame_bytes):
        with pytest.raises(BadQuery, match="from 1 to 1"):
            ask(frame)


def test_an_object_without_pixels():
    report = open_object(text_report())
    assert (report.has_pixels, report.number_of_frames) == (False, 0)
    with pytest.raises(UnsupportedPixels):
        report.display()


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"BitsAllocated": 24}, UnsupportedPixels),
        ({"BitsStored": 17}, BrokenPixelData),
        ({"HighBit": 3}, BrokenPixelData),
        ({"HighBit": 16}, BrokenPixelData),
        ({"Rows": 0}, BrokenPixelData),
        ({"Columns": 65535, "Rows": 65535}, BrokenPixelData),
        ({"Rows": 65}, BrokenPixelData),
        ({"NumberOfFrames": 2}, BrokenPixelData),
        ({"NumberOfFrames": 2**31 - 1}, BrokenPixelData),
        ({"NumberOfFrames": -5}, BrokenPixelData),
        ({"PhotometricInterpretation": "HSV"}, UnsupportedPixels),
        ({"PhotometricInterpretation": "RGB"}, UnsupportedPixels),
        ({"SamplesPerPixel": 4}, UnsupportedPixels),
        ({"Rows": [1, 2]}, BrokenPixelData),
    ],
)
def test_an_image_pixel_module_that_contradicts_itself(facts, error):
    found = made(np.zeros((64, 64), np.uint16), **facts)
    with pytest.raises(error):
        found.display(found.number_of_frames if facts.get("NumberOfFrames") == 2 else 1)


def test_a_frame_larger_than_any_film_is_not_decoded():
    assert 43_000 // 50 * (35_000 // 50) < MAX_FRAME_PIXELS < 2**28


def test_a_codestream_of_another_size_than_the_header_says_is_never_decoded():
    found = made(chest_pixels(), J2K)
    found.dataset.Rows = 32
    with pytest.raises(BrokenPixelData, match="another size"):
        found.display()


def test_broken_codestreams():
    for syntax in (J2K, JPEG, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"):
        found = made(np.zeros((64, 64), np.uint8), syntax)
        found.dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xc0" + b"\x07" * 100])
        with pytest.raises(BrokenPixelData):
            found.display()
    with pytest.raises(BrokenPixelData):
        open_object(broken("broken_pixels")).display()


def test_fragments_that_cannot_be_told_apart():
    found = made(np.zeros((64, 64), np.uint8), J2K)
    found.dataset.PixelData = b"\0" * 40
    with pytest.raises(BrokenPixelData):
        found.frame_bytes()


def test_video_is_kept_but_not_shown():
    good = chest_radiograph(transfer_syntax_uid=J2K)
    prefix = part10_prefix("1.2.3", "1.2.3", "1.2.840.10008.1.2.4.102")
    found = open_object(prefix + good[data_set_offset(good) :])
    assert found.frame_bytes()[1] == "1.2.840.10008.1.2.4.102"
    with pytest.raises(UnsupportedPixels, match=r"4\.102"):
        found.display()


@pytest.mark.parametrize(
    "name", ["SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm"]
)
def test_lossy_colour_is_near_its_original(name):
    expected = open_object(real_file("SC_rgb.dcm")).stored().astype(int)
    assert np.abs(open_object(real_file(name)).stored().astype(int) - expected).mean() < 4


def test_the_decoder_that_may_fall_falls_alone(tmp_path):
    """GDCM aborts its whole process on some damage; ours must go on and decode the next image."""
    data = bytearray(with_identifiers(real_file("JPEG-LL.dcm")))
    good = bytes(data)
    start = data.index(b"\xff\xc3")
    for offset in range(start + 11, start + 40):
        data[offset] ^= 0x5A
    expected = open_object(good).stored()
    with pytest.raises(BrokenPixelData):
        open_object(bytes(data)).stored()
    np.testing.assert_array_equal(open_object(good).stored(), expected)


def test_a_decoder_that_has_gone_is_started_again():
    found = open_object(with_identifiers(real_file("JPGExtended.dcm")))
    expected = found.stored()
    for child in isolated._POOL.children:
        if child.process is not None:
            child.process.kill()
            child.process.wait()
    np.testing.assert_array_equal(found.stored(), expected)


def test_a_decoder_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT_S", 0.2)
    child = isolated.Child()
    child.process = _popen([shutil.which("sleep"), "30"])
    started = time.monotonic()
    assert child.ask(isolated.Task("1.2.840.10008.1.2.4.70", 8, 8, 1, 8, 8), b"x" * 10) == b""
    assert time.monotonic() - started < 10
    assert child.process is None


def test_a_frame_of_another_size_than_asked_for_is_broken():
    encoded, syntax = open_object(with_identifiers(real_file("JPEG-LL.dcm"))).frame_bytes()
    with pytest.raises(BrokenPixelData):
        isolated.decode(isolated.Task(syntax, 8, 8, 1, 8, 8), encoded)


def unlimited(_shape, _length):
    """Limit nothing: the test's own process decodes."""


def _popen(command):
    return subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_jpeg_of_an_impossible_depth():
    data = bytearray(with_identifiers(real_file("JPEG-LL.dcm")))
    data[data.index(b"\xff\xc3") + 4] = 99
    with pytest.raises(BrokenPixelData, match="99 bits"):
        open_object(bytes(data)).stored()


def test_jpeg_pixels_are_near_what_was_compressed():
    grey = (chest_pixels(size_px=128) >> 4).astype(np.uint8)
    found = open_object(dicom_from_pixels(grey, transfer_syntax_uid=JPEG)).stored().astype(int)
    assert np.abs(found - grey).mean() < 2


@pytest.mark.parametrize(
    "name",
    [
        "SC_ybr_full_uncompressed.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_small_odd.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "color-px.dcm",
        "color-pl.dcm",
    ],
)
def test_native_colour_goes_out_as_its_header_says(name):
    found = open_object(with_identifiers(real_file(name)))
    kept = pydicom.dcmread(real_file(name.replace("_big_endian", ""))).PixelData
    frame = found.frame_uncompressed()
    assert frame == kept[: len(frame)]
    assert len(kept) - len(frame) in (0, 1)  # a byte of padding makes the whole even


def test_the_child_answers_each_task_until_there_are_no_more():
    """The child's own loop, run here on sound frames, which GDCM survives."""
    found = open_object(with_identifiers(real_file("JPEG-LL.dcm")))
    encoded, syntax = found.frame_bytes()
    sound = decoder_child.TASK.pack(syntax.encode(), 1024, 256, 1, 16, 16, len(encoded)) + encoded
    wrong = decoder_child.TASK.pack(syntax.encode(), 512, 256, 1, 16, 16, len(encoded)) + encoded
    noise = decoder_child.TASK.pack(b"1.2.840.10008.1.2.4.80", 8, 8, 1, 8, 8, 5) + b"noise"
    answers = io.BytesIO()
    decoder_child.serve(io.BytesIO(sound + wrong + noise), answers, unlimited)
    size = 1024 * 256 * 2
    answered = answers.getvalue()
    assert answered[:4] == decoder_child.ANSWER.pack(size)
    assert answered[4 : 4 + size] == found.frame_uncompressed()
    assert answered[4 + size :] == decoder_child.ANSWER.pack(0) * 2


def test_many_threads_share_the_decoder():
    found = open_object(with_identifiers(real_file("JPGExtended.dcm")))
    expected = found.stored()
    with ThreadPoolExecutor(4) as pool:
        for values in pool.map(lambda _: found.stored(), range(12)):
            np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    "name", ["SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_the_childs_jpeg_ls_in_each_interleaving(name):
    found = open_object(with_identifiers(real_file(name)))
    encoded, syntax = found.frame_bytes()
    facts = found._facts
    task = isolated.Task(
        syntax, facts.rows, facts.columns, facts.samples_per_pixel, facts.bits_allocated, facts.bits_stored
    )
    head = (task.rows, task.columns, task.samples_per_pixel, task.bits_allocated, task.bits_stored)
    answers = io.BytesIO()
    tasks = decoder_child.TASK.pack(syntax.encode(), *head, len(encoded)) + encoded
    decoder_child.serve(io.BytesIO(tasks), answers, unlimited)
    assert answers.getvalue()[4:] == found.frame_uncompressed()


def test_jpeg_ls_plane_after_plane_comes_out_as_pixels():
    y, x = np.mgrid[:64, :48]
    colours = np.stack([y, x, y + x], axis=-1).astype(np.uint8)
    planes = np.ascontiguousarray(np.moveaxis(colours, 2, 0)).tobytes()
    encoded = bytes(jpeg_ls.encode_buffer(planes, 64, 48, 3, 8, interleave_mode=0))
    task = isolated.Task("1.2.840.10008.1.2.4.80", 64, 48, 3, 8, 8)
    assert isolated.decode(task, encoded) == colours.tobytes()
