"""Names in real pictures of text: across tissue, turned, faint, in a compressed object of several frames."""

from __future__ import annotations

import io
import lzma
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import pytest
from deidentifying import KEY, read
from PIL import Image, ImageDraw, ImageFont

from coread.dicom import open_object, write_object
from coread.governance.deidentify import Deidentified, Deidentifier, Pseudonyms, load_profile
from coread.governance.deidentify.pixels.rapid import RapidText, is_installed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="rapidocr is not installed (extra deid)"),
]


def font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Give a font that has the text's letters; one without draws crossed boxes, which nobody can read."""
    name = "NotoSans-Regular.ttf.xz" if text.isascii() else "NotoSansSC-Regular.ttf.xz"
    packed = files("coread.results").joinpath("fonts", name).read_bytes()
    return ImageFont.truetype(io.BytesIO(lzma.decompress(packed)), size)


def drawn(text: str, size: int, turn: int = 0) -> npt.NDArray[np.bool_]:
    """Draw a text, bool [row, column]."""
    face = font(text, size)
    left, top, right, bottom = face.getbbox(text)
    image = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=face)
    return np.asarray(image.rotate(turn, expand=True)) > 64


def tissue() -> npt.NDArray[np.uint8]:
    """Draw speckle in a fan, like ultrasound, uint8 [row, column]."""
    rows, columns = np.mgrid[:320, :420]
    depth = np.hypot(rows + 60, columns - 210)
    speckle = (
        np.random.default_rng(3).gamma(2, 20, (320, 420)) * (depth < 340) * (abs(columns - 210) < rows + 60)
    )
    return speckle.clip(0, 160).astype(np.uint8)


@pytest.mark.parametrize(
    ("text", "size", "turn", "step", "corner"),
    [
        ("QUILLFEATHER^MARGUERITE", 16, 0, 200, (4, 6)),
        ("欧阳春晓", 22, 0, 110, (150, 160)),
        ("Ostrander, T", 22, 90, 150, (20, 20)),
        ("诸葛明远", 30, 0, 60, (8, 20)),
    ],
    ids=["latin", "across tissue", "turned", "faint"],
)
def test_a_burned_in_name_is_gone(text, size, turn, step, corner):
    ink = drawn(text, size, turn)
    frame = tissue().astype(int)
    place = np.zeros(frame.shape, bool)
    place[corner[0] : corner[0] + ink.shape[0], corner[1] : corner[1] + ink.shape[1]] = ink
    frames = np.stack([np.clip(frame + step * place, 0, 255).astype(np.uint8)] * 2)
    uids = {"SOPInstanceUID": "1.2.3.4", "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"}
    facts = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1", "Modality": "US", **uids}
    data = write_object(facts, frames, transfer_syntax_uid="1.2.840.10008.1.2.4.80")
    made = Deidentifier(load_profile("tcia"), Pseudonyms(KEY, "x"), RapidText()).deidentify(data)
    assert isinstance(made, Deidentified)
    mask = made.pixels.mask
    assert mask[place].mean() > 0.95
    assert mask.mean() < 0.15
    for number in (1, 2):
        before, after = open_object(data).stored(number), open_object(made.data).stored(number)
        assert (after[~mask] == before[~mask]).all()
        assert not after[mask].any()
    assert read(made.data).BurnedInAnnotation == "NO"
