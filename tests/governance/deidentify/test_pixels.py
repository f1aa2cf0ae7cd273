"""Burned-in text goes from every frame in every transfer syntax, and nothing beside it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from deidentifying import KEY, read, written
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from coread.dicom import open_object, write_object
from coread.governance.deidentify import (
    Deidentified,
    Deidentifier,
    FoundText,
    Pseudonyms,
    Refused,
    load_profile,
)
from coread.governance.deidentify.codestreams import without_comments
from coread.governance.deidentify.pixels.cleaning import is_harmless
from coread.governance.deidentify.pixels.faces import shows_face
from coread.governance.deidentify.pixels.suspicion import is_suspicious
from coread.governance.deidentify.texts.known import Facts, Known

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
LOSSLESS = ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90")
JPEG = "1.2.840.10008.1.2.4.50"
ROWS = slice(8, 16)
COLUMNS = slice(20, 52)


class Brightest:
    """Finds the box around all nearly white pixels: enough for text that is drawn white."""

    name = "brightest"
    text = "QUILLFEATHER"

    def find(self, frame: npt.NDArray[np.uint8]) -> Sequence[FoundText]:
        grey = frame.min(axis=2) if frame.ndim == 3 else frame
        rows, columns = np.nonzero(grey >= 250)
        if not rows.size:
            return []
        box = ((columns.min(), rows.min()), (columns.max(), rows.max()))
        return [FoundText(tuple((float(x), float(y)) for x, y in box), self.text, 0.99)]


def image(pixels: npt.NDArray[np.generic], syntax: str, **more: object) -> bytes:
    facts = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1",
        "SOPInstanceUID": "1.2.3.4.5",
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.1",
        "Modality": "US",
        "PatientID": "MRN7788991",
        "PatientName": "Quillfeather^M",
    }
    return write_object({**facts, **more}, pixels, transfer_syntax_uid=syntax)


def tissue(frames: int, colour: bool, kind: str = "u1") -> npt.NDArray[np.generic]:
    shape = (frames, 64, 96, 3) if colour else (frames, 64, 96)
    top = 200 if kind == "u1" else 3000
    pixels = np.random.default_rng(5).integers(0, top, shape).astype(kind)
    pixels[:, ROWS, COLUMNS] = 255 if kind == "u1" else 4095
    return pixels


def deidentifier(finder: object = None, name: str = "tcia") -> Deidentifier:
    return Deidentifier(load_profile(name), Pseudonyms(KEY, "pixels"), finder or Brightest())


def frames_of(data: bytes) -> npt.NDArray[np.generic]:
    opened = open_object(data)
    return np.stack([opened.stored(n) for n in range(1, opened.number_of_frames + 1)])


def overlay(plane: npt.NDArray[np.float64]) -> list[tuple[int, str, object]]:
    bits = np.packbits(plane.astype(bool).ravel(), bitorder="little").tobytes()
    place = [(0x10, "US", 64), (0x11, "US", 96), (0x40, "CS", "G"), (0x50, "SS", [1, 1])]
    return [*place, (0x100, "US", 1), (0x102, "US", 0), (0x3000, "OW", bits)]


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("kind", ["u1", "u2", "rgb"])
@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS])
def test_text_goes_and_the_rest_stays(syntax, kind, frames):
    colour = kind == "rgb"
    pixels = tissue(frames, colour, "u2" if kind == "u2" else "u1")
    window = {"WindowCenter": "2048", "WindowWidth": "4096"}
    more = {"BitsStored": 12, "HighBit": 11, **window} if kind == "u2" else {}
    data = image(pixels if frames > 1 else pixels[0], syntax, **more)
    made = deidentifier().deidentify(data)
    assert isinstance(made, Deidentified), made
    before, after = frames_of(data), frames_of(made.data)
    mask = made.pixels.mask
    assert mask[ROWS, COLUMNS].all()
    assert mask.mean() < 0.12
    assert not after[:, mask].any() if colour else (after[:, mask] == before.min()).all()
    assert (after[:, ~mask] == before[:, ~mask]).all()
    assert read(made.data).file_meta.TransferSyntaxUID == syntax
    assert read(made.data).BurnedInAnnotation == "NO"
    again = deidentifier().deidentify(made.data)
    assert isinstance(again, Deidentified)
    assert again.data == made.data


@pytest.mark.parametrize("colour", [False, True])
def test_lossy_jpeg_is_kept_as_it_was_decoded_and_said_so(colour):
    data = image(tissue(2, colour), JPEG)
    made = deidentifier().deidentify(data)
    assert isinstance(made, Deidentified)
    mask = made.pixels.mask
    assert (frames_of(made.data)[:, ~mask] == frames_of(data)[:, ~mask]).all()
    after = read(made.data)
    assert after.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert after.LossyImageCompression == "01"
    assert any("written anew" in note for note in made.notes)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_what_is_blanked_looks_black(photometric):
    pixels = tissue(1, False)
    if photometric == "MONOCHROME1":
        pixels = 255 - pixels
    made = deidentifier().deidentify(image(pixels[0], NATIVE[1], PhotometricInterpretation=photometric))
    assert isinstance(made, Deidentified)
    assert open_object(made.data).rendered(1)[made.pixels.mask].max() == 0


def test_planes_of_colour_and_a_palette():
    pixels = tissue(2, True)
    dataset = read(image(pixels, NATIVE[1]))
    dataset.PlanarConfiguration = 1
    dataset.PixelData = np.moveaxis(pixels, 3, 1).tobytes()
    made = deidentifier().deidentify(written(dataset))
    assert isinstance(made, Deidentified)
    assert (frames_of(made.data)[:, ~made.pixels.mask] == pixels[:, ~made.pixels.mask]).all()
    palette = read(image(tissue(1, False)[0], NATIVE[1]))
    palette.PhotometricInterpretation = "PALETTE COLOR"
    ramp = np.roll(np.arange(256, dtype="<u2") * 257, 7)
    for name in ("Red", "Green", "Blue"):
        palette.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        palette.add_new(f"{name}PaletteColorLookupTableData", "OW", ramp.tobytes())
    palette.PixelData = np.where(tissue(1, False)[0] == 255, 6, 100).astype("u1").tobytes()
    made = deidentifier().deidentify(written(palette))
    assert isinstance(made, Deidentified)
    assert np.unique(frames_of(made.data)[0][made.pixels.mask]).tolist() == [7]


def test_a_name_in_one_frame_of_many_goes_from_all():
    pixels = tissue(40, False)
    pixels[:, ROWS, COLUMNS] = 120
    pixels[17, ROWS, COLUMNS] = 255
    made = deidentifier().deidentify(image(pixels, NATIVE[1]))
    assert isinstance(made, Deidentified)
    assert made.pixels.mask[ROWS, COLUMNS].all()
    assert not (frames_of(made.data) >= 250).any()


def test_a_measure_stays_but_never_what_the_header_knows():
    finder = Brightest()
    finder.text = "12.5 cm"
    data = image(tissue(1, False)[0], NATIVE[1])
    made = deidentifier(finder).deidentify(data)
    assert isinstance(made, Deidentified)
    assert made.pixels.left == ("12.5 cm",)
    assert (frames_of(made.data) == frames_of(data)).all()
    known = Known(Facts(ids=frozenset(("125",))))
    assert is_harmless(FoundText(((0, 0), (1, 1)), "R", 0.99), known)
    assert not is_harmless(FoundText(((0, 0), (1, 1)), "R", 0.3), known)
    assert not is_harmless(FoundText(((0, 0), (1, 1)), "125", 0.99), known)
    assert not is_harmless(FoundText(((0, 0), (1, 1)), "1234567", 0.99), known)
    assert not is_harmless(FoundText(((0, 0), (1, 1)), "王小东", 0.99), known)


def test_without_a_finder_only_what_lies_in_the_regions_goes_out():
    dataset = read(image(tissue(2, False), NATIVE[1]))
    blind = Deidentifier(load_profile("tcia"), Pseudonyms(KEY, "pixels"))
    assert isinstance(blind.deidentify(written(dataset)), Refused)
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 10, 24
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 80, 60
    dataset.SequenceOfUltrasoundRegions = Items([region])
    made = blind.deidentify(written(dataset))
    assert isinstance(made, Deidentified)
    after = frames_of(made.data)
    assert (after[:, 24:61, 10:81] == frames_of(written(dataset))[:, 24:61, 10:81]).all()
    assert not after[:, :24].any()
    assert "BurnedInAnnotation" not in read(made.data)


def test_a_devices_own_place_is_blanked_whatever_is_found():
    pixels = np.full((512, 512), 100, "u2")
    data = image(pixels, NATIVE[1], Modality="CT", Manufacturer="GE MEDICAL SYSTEMS",
                 SeriesDescription="Dose Report", BitsStored=12, HighBit=11)  # fmt: skip
    made = deidentifier().deidentify(data)
    assert isinstance(made, Deidentified)
    assert made.pixels.mask[:110].all()
    assert not made.pixels.mask[110:].any()


def test_overlays_with_text_go_and_those_without_stay():
    dataset = read(image(tissue(1, False)[0] // 2, NATIVE[1]))
    for group, plane in ((0x6000, np.eye(64, 96)), (0x6002, np.zeros((64, 96)))):
        for element, vr, value in overlay(plane):
            dataset.add_new((group, element), vr, value)
    made = deidentifier().deidentify(written(dataset))
    assert isinstance(made, Deidentified)
    groups = {element.tag.group for element in read(made.data)}
    assert 0x6002 in groups
    assert 0x6000 not in groups


def test_bits_beside_the_pixel_that_hold_an_overlay_are_cleared(ct, tcia):
    values = np.frombuffer(ct.PixelData, "<i2").copy().view("<u2") & 0x0FFF
    ct.BitsStored, ct.HighBit, ct.PixelRepresentation = 12, 11, 0
    ct.PixelData = (values | 0x8000).tobytes()
    ct.add_new(0x60000102, "US", 15)
    made = tcia.deidentify(written(ct))
    assert isinstance(made, Deidentified)
    assert (np.frombuffer(read(made.data).PixelData, "<u2") == values).all()


def test_such_bits_are_cleared_too_where_text_was_blanked():
    pixels = tissue(2, False, "u2")
    data = image(pixels, NATIVE[1], BitsStored=12, HighBit=11, WindowCenter="2048", WindowWidth="4096")
    dataset = read(data)
    dataset.PixelData = (pixels | 0x8000).astype("<u2").tobytes()
    dataset.add_new(0x60000102, "US", 15)
    made = deidentifier().deidentify(written(dataset))
    assert isinstance(made, Deidentified)
    assert made.pixels.mask.any()
    assert np.frombuffer(read(made.data).PixelData, "<u2").max() < 0x1000


def test_slanted_text_is_blanked_by_its_own_rectangle():
    along = FoundText(((10, 10), (45, 31), (40, 40), (5, 19)), "x", 1.0).mask((64, 96))
    upright = FoundText(((5, 10), (45, 40)), "x", 1.0).mask((64, 96))
    assert along[25, 25]
    assert not along[12, 40]
    assert along.sum() < 0.55 * upright.sum()
    level = FoundText(((10, 10), (50, 10), (50, 20), (10, 20)), "x", 1.0).mask((64, 96))
    rows, columns = np.nonzero(level)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 22, 4, 56)
    assert not FoundText(((-30, -30), (-20, -30), (-20, -25), (-30, -25)), "x", 1.0).mask((64, 96)).any()


def test_comments_in_compressed_frames_are_blanked_in_place():
    jpeg = (
        b"\xff\xd8" + b"\xff\xe1\x00\x0aJohnDoe\0" + b"\xff\xfe\x00\x06Jane" + b"\xff\xda\x00\x02rest\xff\xd9"
    )
    jpeg += b"\0" * (len(jpeg) % 2)
    value = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0" + len(jpeg).to_bytes(4, "little") + jpeg
    cleaned = bytes(without_comments(value, JPEG))
    assert len(cleaned) == len(value)
    assert b"John" not in cleaned
    assert b"Jane" not in cleaned
    assert b"rest" in cleaned
    assert without_comments(value, "1.2.840.10008.1.2.5") is value


@pytest.mark.parametrize(
    ("facts", "suspicious"),
    [
        ({"Modality": "US"}, True),
        ({"Modality": "CT", "ImageType": "ORIGINAL\\PRIMARY\\AXIAL"}, False),
        ({"Modality": "CT", "ImageType": "DERIVED\\SECONDARY\\SCREEN SAVE"}, True),
        ({"Modality": "CT", "ImageType": "ORIGINAL\\PRIMARY", "BurnedInAnnotation": "YES"}, True),
        ({"Modality": "MR", "ImageType": "ORIGINAL\\PRIMARY", "SeriesDescription": "Patient Protocol"}, True),
        ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, True),
        ({}, True),
    ],
)
def test_suspicion(facts, suspicious):
    assert is_suspicious(facts) is suspicious


@pytest.mark.parametrize(
    ("facts", "face"),
    [
        ({"Modality": "MR", "BodyPartExamined": "BRAIN"}, True),
        ({"Modality": "CT", "StudyDescription": "颅脑平扫"}, True),
        ({"Modality": "CT", "SeriesDescription": "Sinuses"}, True),
        ({"Modality": "CT", "BodyPartExamined": "CHEST"}, False),
        ({"Modality": "US", "BodyPartExamined": "HEAD"}, False),
        ({"Modality": "CT", "BodyPartExamined": "FOREHEAD"}, False),
        ({"RecognizableVisualFeatures": "YES"}, True),
    ],
)
def test_faces(facts, face):
    assert shows_face(facts) is face


def test_the_syntaxes_of_this_file_are_the_standards():
    assert all(UID(uid).is_transfer_syntax for uid in (*NATIVE, *LOSSLESS, JPEG))
