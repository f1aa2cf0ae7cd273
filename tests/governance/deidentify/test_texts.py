"""What names someone is found in texts; what does not, stays."""

from __future__ import annotations

import pytest

from coread.governance.deidentify.texts import remove_patterns
from coread.governance.deidentify.texts.known import Facts, Known, date_forms

KNOWN = Known(
    Facts(
        names=frozenset(("Quillfeather^Marguerite=王^小东", "Ostrander^T", "Müller^Jürgen")),
        ids=frozenset(("MRN7788991", "0012345678", "S12")),
        places=frozenset(("Thornbury Mercy Hospital, Room 4", "明湖区第二人民医院", "Radiology")),
        dates=frozenset(("19520304",)),
    )
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CT of QUILLFEATHER", "CT of"),
        ("quillfeather_marguerite_axial", "__axial"),
        ("MARGUERITEQUILLFEATHER axial", "axial"),
        ("王小东 头部CT", "头部CT"),
        ("王 小东头部", "头部"),
        ("copy of MRN7788991", "copy of"),
        ("no 12345678 here", "no here"),
        ("born 04.03.1952 in", "born in"),
        ("born 1952-03-04", "born"),
        ("生于1952年3月4日", "生于"),
        ("4 Mar 1952", ""),
        ("at THORNBURY MERCY HOSPITAL", "at"),
        ("转自明湖区第二人民医院", "转自"),
        ("Muller J", "J"),
        ("Radiology", "Radiology"),
        ("series S12 ok", "series ok"),
        ("S123 stays", "S123 stays"),
        ("Quillfeathers stays", "Quillfeathers stays"),
    ],
)
def test_what_is_known_goes(text, left):
    assert KNOWN.remove(text) == left


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
def test_what_is_known_is_found_in_bytes(encoding):
    assert KNOWN.is_in_bytes(b"\x01\x02" + "王小东".encode(encoding) + b"\xff")
    assert not KNOWN.is_in_bytes(b"\x00" * 64)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CHEST PA 2024-01-02", "CHEST PA"),
        ("done 2 Jan 2024 late", "done late"),
        ("mail a.b@hospital.example now", "mail now"),
        ("see https://pacs.example/7788 there", "see there"),
        ("检查于2024年1月2日完成", "检查于完成"),
        ("身份证 11010519491231002X", "身份证"),
        ("1.25mm 120kV slice 0.625", "1.25mm 120kV slice 0.625"),
        ("1.3.12.2 version 2.0.1.2024", "1.3.12.2 version 2.0.1.2024"),
        ("B30f medium smooth", "B30f medium smooth"),
    ],
)
def test_strong_patterns_go_from_every_text(text, left):
    assert remove_patterns(text, weak=False) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("reported by: Jane Smith, axial", "reported by: , axial"),
        ("Dr. Smith saw it", "Dr. saw it"),
        ("MRN: 445566", "MRN:"),
        ("Tel 555-867-5309", "Tel"),
        ("call 13812345678", "call"),
        ("姓名:张三丰 男", "姓名: 男"),
        ("李明医生报告", "医生报告"),
        ("93-year-old woman", "-year-old woman"),
        ("45-year-old woman", "45-year-old woman"),
        ("scan 20240102", "scan"),
        ("lives at 12 Elm Tree Road", "lives at"),
        ("AX T2 FLAIR 5mm", "AX T2 FLAIR 5mm"),
        ("ABD/PEL W/O CONTRAST", "ABD/PEL W/O CONTRAST"),
        ("Mean 512x512 FOV 350", "Mean 512x512 FOV 350"),
        ("1/2/24 follow-up", "follow-up"),
        ("id ACC123456 end", "id end"),
    ],
)
def test_weak_patterns_go_from_descriptions(text, left):
    assert remove_patterns(text, weak=True) == left


def test_a_date_that_is_none_has_no_forms():
    assert list(date_forms("20249999")) == list(date_forms("2024")) == []
