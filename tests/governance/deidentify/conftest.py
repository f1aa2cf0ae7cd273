"""A person, a key, and what de-identifies under each profile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deidentifying import KEY, read, written
from pydicom.dataset import Dataset

from coread.governance.deidentify import Deidentified, Deidentifier, Pseudonyms, load_profile
from coread.testing import ct_slice


@pytest.fixture(scope="session")
def pseudonyms() -> Pseudonyms:
    return Pseudonyms(KEY, "test")


@pytest.fixture
def tcia(pseudonyms: Pseudonyms) -> Deidentifier:
    return Deidentifier(load_profile("tcia"), pseudonyms)


@pytest.fixture
def ct() -> Dataset:
    """A slice of one person, with names, numbers and dates where they usually are."""
    dataset = read(ct_slice())
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Quillfeather^Marguerite=王^小东"
    dataset.PatientID = "MRN7788991"
    dataset.PatientBirthDate = "19520304"
    dataset.PatientAge = "093Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = "20190607"
    dataset.AccessionNumber = "ACC445566"
    dataset.InstitutionName = "Thornbury Mercy Hospital"
    dataset.ReferringPhysicianName = "Ostrander^Thaddeus"
    return dataset


@pytest.fixture
def out(tcia: Deidentifier) -> Callable[[Dataset], Dataset]:
    def run(dataset: Dataset) -> Dataset:
        made = tcia.deidentify(written(dataset))
        assert isinstance(made, Deidentified), made
        return read(made.data)

    return run
