"""Persons whom no header names are found by the words around them; words of reports stay."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from canaries import COMMENT, WRITTEN, found_in
from hypothesis import given
from hypothesis import strategies as st

from coread.governance.deidentify import Deidentified, Deidentifier, Pseudonyms, load_profile, profile_names
from coread.governance.deidentify.texts.persons import only_allowed, remove_persons
from coread.governance.deidentify.texts.persons.words import (
    chinese_vocabulary,
    chinese_words,
    is_word,
    latin_vocabulary,
    latin_words,
    ordinary_chinese,
)
from coread.testing import dicom_from_pixels


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Discussed with Dr Amara Oyelaran at 10:15", "Discussed with Dr at 10:15"),
        ("seen by dr van der oyelaran today", "seen by dr today"),
        ("Dr. A. Brankovic agrees", "Dr. agrees"),
        ("Her brother Bartholomew noticed it", "Her brother noticed it"),
        ("Ivo Brankovic, her husband, was told", ", her husband, was told"),
        ("No fracture. Szymanski, MD", "No fracture. , MD"),
        ("Referred by QUILLFEATHER MARGUERITE", "Referred by"),
        ("cc: J. O'Halloran", "cc:"),
        ("Please send a copy to Chidi Okonkwo soon", "Please send a copy to soon"),
        ("COR MARIA OYELARAN", "COR"),
        ("患者母亲李秀兰陪同检查", "患者母亲陪同检查"),
        ("家属（儿子）：柴佳琪签字", "家属（儿子）：签字"),
        ("其兄柏舟发现", "其兄发现"),
        ("由欧阳春晓主任审核", "由主任审核"),
        ("右肺上叶小结节，张建国", "右肺上叶小结节，"),
    ],
)
def test_persons_go(text, left):
    assert remove_persons(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "MR knee without contrast",
        "MS plaques in the white matter",
        "AX T2 FLAIR 5mm",
        "Referred by Cardiology for chest pain",
        "Mother: Hypertension",
        "Discussed with the patient and her husband",
        "Right Upper Lobe nodule, Lung-RADS 3",
        "ABD/PEL W/O CONTRAST",
        "Crohn disease of the terminal ileum",
        "患者高血压多年，黄疸加重",
        "双肺纹理增粗，右肺上叶见小结节，边缘毛刺",
        "由急诊科转入，考虑张力性气胸",
        "金黄色葡萄球菌感染",
    ],
)
def test_reports_stay(text):
    assert remove_persons(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("small nodule 5 mm, told oyelaran by telephone", "small nodule 5 mm, told by telephone"),
        ("Brown stain, brown fat, T2 at L4/5", "stain, brown fat, T2 at L4/5"),
        ("按褚静怡要求复查，右肺结节", "要求复查，右肺结节"),
        ("活动性出血，血流信号丰富", "活动性出血，血流信号丰富"),  # ordinary words
        ("转交鲍浩然，灶周水肿", "转交，灶水肿"),  # alone stays what no name has
    ],
)
def test_the_strictest_profiles_keep_words_of_reports_alone(text, left):
    assert only_allowed(text) == left
    assert only_allowed(left) == left


@given(st.text(max_size=80))
def test_twice_is_once_and_nothing_is_added(text):
    for way in (remove_persons, only_allowed):
        after = way(text)
        for _ in range(20):
            after, before = way(after), after
            if after == before:
                break
        assert way(after) == after
        assert len(after) <= len(text)


def test_no_frequent_name_counts_as_a_word_where_it_is_written_as_one():
    names = latin_words()
    assert [n for n in names.surnames | names.given if is_word(n.title()) or is_word(n.upper())] == []
    assert {n for n in names.given if n in latin_vocabulary()} <= {
        "rose", "grace", "mark", "frank", "amber", "jack", "may", "harry",
    }  # fmt: skip
    surnames = chinese_words().surnames
    assert sorted(w for w in chinese_vocabulary() if len(w) == 1 and w in surnames) == ["于", "向"]


def test_no_name_stays_for_an_ordinary_word_of_its_characters():
    """Names of frequent and rare surnames with given names that are words elsewhere, where no cue stands."""
    assert not {"春晓", "志强", "建国", "国栋", "明远"} & ordinary_chinese()
    names = ("鲍春晓", "牛志强", "苗建国", "佟国栋", "裴明远")
    assert [n for n in names if n[1:] in only_allowed(f"转交{n}，随访")] == []
    surnames = chinese_words().surnames | chinese_words().more
    assert [w for w in ordinary_chinese() if len(w) == 1 and w in surnames] == []


def with_comment(text):
    facts = {"PatientName": "Doe^J", "PatientID": "P1", "SpecificCharacterSet": "ISO_IR 192"}
    dataset = pydicom.dcmread(io.BytesIO(dicom_from_pixels(np.zeros((16, 16), np.uint8), facts=facts)))
    dataset.RequestedProcedureDescription = dataset.StudyDescription = text
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


class Blind:
    """Finds no burned-in text."""

    name = "blind"

    def find(self, frame):
        return ()


@pytest.mark.parametrize("name", profile_names())
def test_a_relative_in_a_description_leaves_under_no_profile(name):
    profile = load_profile(name)
    made = Deidentifier(profile, Pseudonyms(b"k" * 32, "tests"), Blind()).deidentify(with_comment(COMMENT))
    assert isinstance(made, Deidentified)
    assert found_in(made.data.decode("utf-8", "replace"), WRITTEN) == []


def test_strict_profiles_keep_words_of_reports_alone():
    strict = {name for name in profile_names() if load_profile(name).texts.keep == "words of reports"}
    assert strict == {"hipaa-safe-harbor", "gdpr-anonymised", "pipl-anonymised", "appi-anonymised"}
