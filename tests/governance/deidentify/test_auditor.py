"""The auditor looks everywhere: a name is put back into each place of an output, and is found there."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from deidentifying import KEY, read, written
from pydicom.dataset import Dataset

from coread.governance.deidentify import Deidentifier, Pseudonyms, load_profile
from coread.governance.deidentify.export import deidentify_folder
from coread.testing import text_report
from coread.testing.leaks import find_leaks

NAME = "Quillfeather"


def meta(dataset: Dataset) -> None:
    dataset.file_meta.SourceApplicationEntityTitle = "QUILLFEATHER"


def sop_instance(dataset: Dataset) -> None:
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.840.99999.7788991"


def private(dataset: Dataset) -> None:
    dataset.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "LO", f"seen by {NAME}")


def private_and_unknown(dataset: Dataset) -> None:
    dataset.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "UN", b"\1\2Quillfeather\0")


def nested(dataset: Dataset) -> None:
    item = Dataset()
    item.TextValue = f"Dr. {NAME} saw nothing"
    outer = Dataset()
    outer.ContentSequence = [item]
    dataset.ContentSequence = [outer]


def date_in_words(dataset: Dataset) -> None:
    dataset.ImageComments = "as on 07.06.2019"


def pdf(dataset: Dataset) -> None:
    shown = zlib.compress(f"BT (Quill) Tj [(feat) -20 (her)] TJ ET {NAME[:5]}".encode())
    dataset.EncapsulatedDocument = b"%PDF-1.7\n1 0 obj <<>> stream\n" + shown + b"\nendstream endobj"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"


def after_the_pixels(dataset: Dataset) -> None:
    dataset.DataSetTrailingPadding = NAME.encode()


def in_a_frames_comment(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:100] + NAME.encode() + dataset.PixelData[100 + len(NAME) :]


def overlay(dataset: Dataset) -> None:
    plane = np.zeros((8, 16), np.uint8)
    plane[2:6, 3:9] = 1
    for element, vr, value in (
        (0x0010, "US", 8), (0x0011, "US", 16), (0x0040, "CS", "G"), (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1), (0x0102, "US", 0),
        (0x3000, "OW", np.packbits(plane.ravel(), bitorder="little").tobytes()),
    ):  # fmt: skip
        dataset.add_new((0x6000, element), vr, value)


@pytest.fixture
def folders(tmp_path: Path, ct: Dataset) -> tuple[Path, Path]:
    """One slice and one report, and what came of them."""
    source = tmp_path / "in"
    source.mkdir()
    ct.file_meta.SourceApplicationEntityTitle = "QUILLFEATHER"
    ct.SOPInstanceUID = ct.file_meta.MediaStorageSOPInstanceUID = "1.2.840.99999.7788991"
    (source / "a.dcm").write_bytes(written(ct))
    report = read(text_report())
    report.PatientName, report.PatientID = ct.PatientName, ct.PatientID
    (source / "b.dcm").write_bytes(written(report))
    list(
        deidentify_folder(
            source, tmp_path / "out", Deidentifier(load_profile("tcia"), Pseudonyms(KEY, "audit"))
        )
    )
    return source, tmp_path / "out"


def image_of(out: Path) -> Path:
    return next(p for p in out.rglob("*") if p.is_file() and b"PixelData" in dir_of(p))


def dir_of(path: Path) -> bytes:
    return " ".join(pydicom.dcmread(path).dir()).encode()


def reads(frame: np.ndarray) -> list[str]:
    """Read a bright block in a small picture, as a person who knows what to look for."""
    return [f"NAME {NAME}"] if frame.shape == (8, 16) and frame[2:6, 3:9].all() else []


@pytest.mark.parametrize(
    ("hide", "where", "kind"),
    [
        (meta, "bytes", "name"),
        (sop_instance, "bytes", "uid"),
        (private, "bytes", "name"),
        (private_and_unknown, "bytes", "name"),
        (nested, "TextValue", "name"),
        (date_in_words, "ImageComments", "date"),
        (pdf, "document", "name"),
        (after_the_pixels, "bytes", "name"),
        (in_a_frames_comment, "bytes", "name"),
        (overlay, "overlay", "name"),
    ],
)
def test_what_is_hidden_there_is_found(
    folders: tuple[Path, Path], hide: Callable[[Dataset], None], where: str, kind: str
) -> None:
    source, out = folders
    assert [leak for _, leaks in find_leaks(source, out, reads) for leak in leaks] == []
    path = image_of(out)
    dataset = pydicom.dcmread(path)
    hide(dataset)
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset)
    path.write_bytes(file.getvalue())
    found = [leak for _, leaks in find_leaks(source, out, reads) for leak in leaks]
    assert (where, kind) in {(leak.where, leak.kind) for leak in found}
    assert {leak.file for leak in found} == {str(path.relative_to(out))}


def test_a_document_that_goes_out_is_told_whatever_it_says(folders):
    source, out = folders
    path = image_of(out)
    dataset = pydicom.dcmread(path)
    dataset.EncapsulatedDocument, dataset.MIMETypeOfEncapsulatedDocument = b"\0\1", "model/stl"
    dataset.save_as(path)
    leaks = [leak for _, found in find_leaks(source, out) for leak in found]
    assert [(leak.kind, leak.value) for leak in leaks] == [("document", "model/stl")]


@pytest.mark.parametrize("name", ["DICOMDIR", "notes.txt", "Quillfeather.txt"])
def test_what_is_no_object_is_searched_all_the_same(folders, name):
    source, out = folders
    (out / name).write_bytes(b"about Quillfeather" if name != "Quillfeather.txt" else b"nothing")
    leaks = [leak for _, found in find_leaks(source, out) for leak in found]
    where = "file name" if name.startswith("Quill") else "bytes"
    assert [(leak.file, leak.where) for leak in leaks] == [(name, where)]


def test_a_name_that_stood_in_a_private_value_alone_is_looked_for(tmp_path, ct):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir(), out.mkdir()
    ct.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "UN", b"\1Zubiria^Carmen\0")
    (source / "a.dcm").write_bytes(written(ct))
    (out / "x").write_bytes(b"of Zubiria")
    leaks = [leak for _, found in find_leaks(source, out) for leak in found]
    assert [leak.value for leak in leaks] == ["zubiria"]
