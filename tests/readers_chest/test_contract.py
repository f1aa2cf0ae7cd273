from __future__ import annotations

from pathlib import Path

import pytest

from coread.dicom import open_object
from coread.readers import Machine
from coread.readers.chest_radiograph import reader
from coread.testing.readers import ReaderTests

data = pytest.importorskip("data_store.tests", reason="pydicom-data is not installed")


class TestChestRadiograph(ReaderTests):
    def reader(self):
        return reader(Machine(threads=1))

    def fit_images(self):
        return [open_object(Path(data.__file__).parents[1] / "data" / "RG1_UNCI.dcm")]
