"""The short list of derived SOP classes, held against the names of all storage classes of the standard."""

from __future__ import annotations

import pytest

from coread.dicom import sop_class_name, storage_sop_class_uids
from coread.domain.study import Header, InstanceRef
from coread.routing import is_derived

DERIVED_WORDS = (
    " SR ",
    "SR Storage",
    "Presentation State",
    "Segmentation",
    "Encapsulated",
    "Key Object",
    "Parametric Map",
    "Registration",
    "Fiducials",
    "Surface",
    "Real World Value",
    "Report",
    "RT Plan",
    "RT Structure",
    "RT Dose",
    "Bulk Simple Annotations",
    "Protocol Storage",
    "Raw Data",
    "Content Assessment",
    "CAD",
)


def derived(uid: str) -> bool:
    return is_derived(Header(InstanceRef("1.2", "1.2.1", "1.2.1.1", uid), "1.2.840.10008.1.2.1"))


ROOT = "1.2.840.10008.5.1.4.1.1."
CLASSES = [
    uid for uid in storage_sop_class_uids() if uid.startswith(ROOT) and "(Retired)" not in sop_class_name(uid)
]


@pytest.mark.parametrize("uid", CLASSES, ids=sop_class_name)
def test_images_are_original_and_results_are_derived(uid):
    name = sop_class_name(uid)
    if any(word in name for word in DERIVED_WORDS):
        assert derived(uid), name
    elif "Image Storage" in name:
        assert not derived(uid), name
