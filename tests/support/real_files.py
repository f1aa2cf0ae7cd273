"""The real DICOM files that pydicom and pydicom-data ship, found on disk; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pydicom
import pytest

from coread.domain.identity import is_uid

_INSIDE = Path(pydicom.__file__).parent / "data" / "test_files"


def _beside() -> Path | None:
    found = importlib.util.find_spec("data_store")
    return Path(str(found.origin)).parent / "data" if found else None


_FOLDERS = [folder for folder in (_INSIDE, _beside()) if folder is not None]

#: Every file that is named as DICOM, sorted by name.
REAL_FILES = sorted((p for folder in _FOLDERS for p in folder.glob("*.dcm")), key=lambda p: p.name)


def real_file(name: str) -> Path:
    """Return the path of one file, or skip where pydicom-data is not installed."""
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"{name} is in pydicom-data, which is not installed")


def with_identifiers(path: Path) -> bytes:
    """Return a file's bytes, with identifiers filled in where it has none or bad ones, pixels untouched."""
    dataset = pydicom.dcmread(path, force=True)
    for number, keyword in enumerate(
        ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"), 1
    ):
        if not is_uid(str(dataset.get(keyword) or "")):
            setattr(dataset, keyword, f"1.2.3.{number}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()
