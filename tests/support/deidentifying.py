"""Data sets to files and back, for the tests of de-identification."""

from __future__ import annotations

import io

import pydicom
from pydicom.dataset import Dataset

KEY = b"a key for tests only, 32 bytes.."


def written(dataset: Dataset) -> bytes:
    """Return the bytes of a file."""
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def read(data: bytes) -> Dataset:
    """Return the data set of a file's bytes."""
    return pydicom.dcmread(io.BytesIO(data))
