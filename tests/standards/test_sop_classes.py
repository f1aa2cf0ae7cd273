"""Our tables of SOP classes and transfer syntaxes against the standard as pynetdicom and pydicom state it."""

from __future__ import annotations

import pydicom.uid
import pytest
from pynetdicom.sop_class import _STORAGE_CLASSES

from coread.dicom import open_object, sop_class_name, storage_sop_class_uids, transfer_syntax_uids
from coread.dicom.json_model import _BINARY, _FLOATS, _INTEGERS
from coread.dicom.sop_classes import NATIVE, encoding_of
from coread.domain.identity import is_uid
from coread.errors import UnknownTransferSyntax
from coread.testing import BROKEN, chest_radiograph
from coread.testing.iods import SOP_CLASSES


def test_every_storage_class_of_part_4_can_be_taken():
    assert set(_STORAGE_CLASSES.values()) <= set(storage_sop_class_uids())


def test_nothing_else_is_a_storage_class():
    others = {
        "1.2.840.10008.1.1",
        "1.2.840.10008.1.3.10",
        "1.2.840.10008.1.20.1",
        "1.2.840.10008.5.1.4.1.2.2.1",
    }
    assert not others & set(storage_sop_class_uids())
    assert all(is_uid(uid) for uid in storage_sop_class_uids())
    assert all("Storage" in sop_class_name(uid) for uid in storage_sop_class_uids())


def test_names():
    assert sop_class_name("1.2.840.10008.5.1.4.1.1.1.1") == "Digital X-Ray Image Storage - For Presentation"
    assert sop_class_name("9.9.9") == "9.9.9"
    assert sop_class_name("1.2.840.10008.5.1.4.1.1.66.7").startswith("Label Map")


def test_every_transfer_syntax_that_pydicom_names_is_known():
    # But for the streams of PS3.22, which are no files.
    files = {uid for uid in pydicom.uid.AllTransferSyntaxes if not uid.startswith("1.2.840.10008.1.2.7.")}
    assert files <= set(transfer_syntax_uids())
    assert set(transfer_syntax_uids()[: len(NATIVE)]) == NATIVE


@pytest.mark.parametrize("uid", transfer_syntax_uids())
def test_each_encoding_is_as_pydicom_says(uid):
    known, ours = pydicom.uid.UID(uid), encoding_of(uid)
    assert ours.explicit == (not known.is_implicit_VR)
    assert ours.little == known.is_little_endian
    assert (uid in NATIVE) == (not known.is_encapsulated) or uid.endswith((".95", ".205", ".94", ".204"))


@pytest.mark.parametrize("uid", ["", "1.2.3", "1.2.840.10008.1.1", "1.2.840.10008.1.2.6.2"])
def test_what_is_no_transfer_syntax(uid):
    with pytest.raises(UnknownTransferSyntax):
        encoding_of(uid)


def test_value_representations_fall_into_their_groups():
    assert not _BINARY & (_FLOATS | _INTEGERS)
    assert not _FLOATS & _INTEGERS
    standard = {vr.value for vr in pydicom.valuerep.VR}
    assert standard >= _BINARY | _FLOATS | _INTEGERS


def test_the_synthetic_patients_use_classes_of_the_standard():
    assert set(SOP_CLASSES.values()) <= set(storage_sop_class_uids())
    assert open_object(chest_radiograph()).dataset.SOPClassUID == SOP_CLASSES["DX"]
    assert len(BROKEN) >= 12
