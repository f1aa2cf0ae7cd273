"""Our codes against the dictionary of PS3.16 that pydicom ships."""

from __future__ import annotations

import pytest
from pydicom.sr import _concepts_dict

from coread.domain import codes
from coread.domain.codes import FHIR_SYSTEMS, Code

OURS = {name: value for name, value in vars(codes).items() if isinstance(value, Code)}

#: Concepts that PS3.16 does not list, or lists where pydicom does not look; each with its definition.
ELSEWHERE = {
    "95436008": "SNOMED CT, 95436008 |Lung consolidation (disorder)|",
    "233604007": "SNOMED CT, 233604007 |Pneumonia (disorder)|",
    "2667000": "SNOMED CT, 2667000 |Absent (qualifier value)|; RSNA common data elements",
    "C0034375": "PS3.16 TID 1500, container (C0034375, UMLS, 'Qualitative Evaluations')",
    "solid": "our own (PS3.16 section 8.2): PS3.16 has no value of Texture Descriptor for it",
    "part-solid": "our own, as above",
    "{pixels}": "PS3.16 TID 1602, UNITS EV ({pixels}, UCUM, 'pixels')",
}


def meanings(code: Code) -> set[str]:
    """All meanings that the dictionary knows of a code; parts after a zero-width space included."""
    known = _concepts_dict.concepts.get(code.scheme, {})
    return {entry[code.value][0].replace("\u200b", "") for entry in known.values() if code.value in entry}


@pytest.mark.parametrize("name", sorted(OURS))
def test_code_is_in_the_standard_with_our_meaning(name):
    code = OURS[name]
    if code.value in ELSEWHERE:
        assert not meanings(code), "now in the dictionary: take it off the list of exceptions"
        return
    assert code.meaning in meanings(code)


@pytest.mark.parametrize("modality", sorted(codes.MODALITIES))
def test_modality_is_its_own_code(modality):
    code = codes.MODALITIES[modality]
    assert (code.value, code.scheme) == (modality, "DCM")
    assert code.meaning in meanings(code)


def test_every_scheme_has_a_fhir_system():
    assert {code.scheme for code in OURS.values()} <= FHIR_SYSTEMS.keys()


def test_every_code_has_a_chinese_meaning():
    assert [name for name, code in OURS.items() if not code.meaning_zh] == []


def test_opacity_is_not_an_abscess():
    # 128477000 |Abscess (disorder)| once stood here as "abnormal opacity of lung".
    assert "128477000" not in {code.value for code in OURS.values()}


def test_the_check_can_fail():
    assert meanings(Code("39607008", "SCT", "Liver")) == meanings(codes.LUNG)
    assert "Liver" not in meanings(codes.LUNG)
    assert not meanings(Code("1", "SCT", "nothing"))
