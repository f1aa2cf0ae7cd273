"""The signed report on paper: what stands there, in which letters, and always the same."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from datetime import timedelta, timezone
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_reports import CARDS, SIGNER, Signed, addendum_to, report_of, signed_on
from written_results import CARD, IDENTITY, finding_on, reading_of

from coread.dicom import open_object
from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.domain.review import Line, Origin, Section
from coread.results import ReportFacts, pdf
from coread.results.printed.breaking import broken
from coread.results.printed.fonts import plain, runs
from coread.results.printed.patient import person, shown_facts
from coread.testing.patients import chest_radiograph

#: Names as hospitals send them: character sets, then the name in it, then what must stand on paper.
NAMES = {
    "chinese gb18030": ("GB18030", "Wang^XiaoDong=王^小东", ["王小东", "Wang XiaoDong"]),
    "chinese rare": ("GB18030", "=㐂^䶮", ["㐂䶮"]),
    "chinese iso 2022": (
        r"\ISO 2022 IR 58",
        # PS3.5 section K.3; pydicom writes no escape sequence for this set, so the bytes are given.
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        ["张小东", "Zhang XiaoDong"],
    ),
    "japanese": (
        r"\ISO 2022 IR 87",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ["山田太郎", "やまだたろう", "Yamada Tarou"],
    ),
    "japanese half width": (
        r"ISO 2022 IR 13\ISO 2022 IR 87",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        ["ﾔﾏﾀﾞﾀﾛｳ", "山田太郎"],
    ),
    "korean": (
        r"\ISO 2022 IR 149",
        "Hong^Gildong=洪^吉洞=홍^길동",
        ["Hong Gildong", "홍길동", "洪吉洞"],
    ),
    "greek": ("ISO_IR 126", "Διονυσιος", ["Διονυσιος"]),
    "russian": ("ISO_IR 144", "Люкceмбypг", ["Люкceмбypг"]),
    "polish": ("ISO_IR 101", "Wałęsa^Łukasz", ["Wałęsa Łukasz"]),
    "vietnamese": ("ISO_IR 192", "Nguyễn^Thị Ưng", ["Nguyễn Thị Ưng"]),
}


def image_of(character_set: str, name: str | bytes):
    sets = character_set.split("\\")
    return open_object(
        chest_radiograph(size_px=64, facts={"SpecificCharacterSet": sets, "PatientName": name})
    )


@pytest.fixture
def words(tool, tmp_path):
    """Give a function that reads a PDF's text."""
    program = tool("pdftotext")

    def read(data: bytes) -> str:
        path = tmp_path / "report.pdf"
        path.write_bytes(data)
        said = subprocess.run([program, "-layout", str(path), "-"], capture_output=True, check=True)
        assert not said.stderr
        return said.stdout.decode()

    return read


@pytest.fixture
def signed(radiograph):
    return signed_on(radiograph)


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_name_stands_on_paper_in_its_own_letters(name, language, words):
    character_set, sent, shown = NAMES[name]
    made = signed_on(image_of(character_set, sent), language)
    text = words(pdf(made.report, made.facts))
    for part in shown:
        assert part in text


@pytest.mark.peer
def test_the_signed_words_stand_there_word_for_word(signed, words):
    text = words(pdf(signed.report, signed.facts))
    for section in signed.report.draft.sections:
        for line in section.lines:
            assert line.text in text
    for wanted in ("SYN-0000", "A0001", "1970-01-01", "2024-01-02", "DX (Digital Radiography)", "54 years"):
        assert wanted in text
    assert "Page 1 of 1" in text


@pytest.mark.peer
def test_lines_that_rest_on_a_reader_are_marked_and_its_verdicts_told(signed, words):
    text = words(pdf(signed.report, signed.facts))
    assert re.search(r"AI 1 +Opacity in the right lower field\.", text)
    assert re.search(r"AI 2 +Nodule in the right lower field\.", text)
    assert re.search(r"\n +Heart size normal\.", text)
    assert re.search(r"AI 1 .*chest-radiograph 1\.2\.3 +0\.83 \[0\.70–0\.90\] +Accepted\n", text)
    assert re.search(r"AI 2 .* Accepted after editing\n", text)
    assert re.search(r"AI 3 .*Rejected: artefact \(skin fold\)", text)
    assert "retrospective study" in text
    assert "research use" in text


@pytest.mark.peer
def test_the_signature_names_doctor_time_and_digest(signed, words):
    facts = replace(signed.facts, zone=timezone(timedelta(hours=8)))
    text = words(pdf(signed.report, facts))
    assert re.search(r"Electronically signed by +LI Wei\n", text)
    assert "2026-03-04 17:30 (UTC+0800)" in text
    assert signed.report.uid in text
    assert signed.report.text_sha256 in text
    assert "First Hospital" in text


@pytest.mark.peer
def test_an_addendum_says_what_it_follows_and_shows_it(signed, words):
    later = addendum_to(signed)
    text = words(pdf(later.report, later.facts))
    first, rest = text.split("Earlier report", 1)
    assert "Addendum 1 to the report signed by LI Wei on 2026-03-04 09:30 (UTC)" in first
    assert "Compared with the film of 2023: unchanged." in first
    assert "Heart size normal." not in first
    assert "Heart size normal." in rest
    assert signed.report.uid in rest
    second = addendum_to(later, words="And once more.")
    assert words(pdf(second.report, second.facts)).count("Earlier report") == 2


@pytest.mark.peer
def test_an_abstention_is_told_with_its_reason(radiograph, words):
    reading = reading_of(radiograph, outcome=Outcome.ABSTAINED)
    made = Signed(radiograph, report_of(radiograph, (reading,), [], "zh"), (reading,))
    text = words(pdf(made.report, made.facts))
    assert "放弃判读" in text
    assert "不是正位胸片" in text
    assert "AI未对本次检查报告任何发现" in text


@pytest.mark.peer
def test_what_was_not_decided_on_is_told_too(radiograph, words):
    reading = reading_of(radiograph, [finding_on(radiograph, None, Presence.ABSENT)])
    made = Signed(radiograph, report_of(radiograph, (reading,), []), (reading,))
    text = words(pdf(made.report, made.facts))
    assert re.search(r"– +Opacity: absent +chest-radiograph 1\.2\.3 +0\.83 .* Not decided on", text)


@pytest.mark.peer
def test_of_a_reader_in_another_version_no_evidence_is_claimed(signed, words):
    newer = {IDENTITY.name: replace(CARD, identity=replace(IDENTITY, version="9"))}
    text = words(pdf(signed.report, replace(signed.facts, cards=newer)))
    assert "chest-radiograph 1.2.3: not stated" in text


@pytest.mark.peer
def test_without_any_reader_nothing_is_said_of_research(radiograph, words):
    made = Signed(radiograph, report_of(radiograph, (), []), ())
    text = words(pdf(made.report, made.facts))
    assert "research" not in text
    assert "No AI reader reported a finding" in text


@pytest.mark.peer
def test_a_long_report_has_numbered_pages_and_loses_no_line(radiograph, words):
    lines = [Line(f"Line {n}: {'观察 word ' * (n % 40)}end{n}.", Origin.TYPED) for n in range(300)]
    report = report_of(radiograph, (), [])
    report = replace(report, draft=replace(report.draft, sections=(Section("findings", tuple(lines)),)))
    text = words(pdf(report, ReportFacts(radiograph.header.facts, SIGNER)))
    pages = int(re.search(r"Page 1 of (\d+)", text)[1])
    assert pages > 5
    assert [f"Page {n} of {pages}" in text for n in range(1, pages + 1)] == [True] * pages
    for n in range(300):
        assert f"end{n}." in text
    assert text.count("SYN-0000") == pages + 1


@pytest.mark.peer
def test_every_font_is_embedded_and_cut_to_what_is_shown(signed, tool, tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf(signed.report, signed.facts))
    said = subprocess.run([tool("pdffonts"), str(path)], capture_output=True, text=True, check=True)
    rows = said.stdout.splitlines()[2:]
    assert rows
    for row in rows:
        # name, type, encoding, then embedded, subset, mapped to Unicode
        assert re.search(r"^[A-Z]{6}\+Noto\S+ +TrueType +\S+ +yes +yes +yes ", row), row
    assert len(path.read_bytes()) < 200_000


def test_the_same_report_gives_the_same_bytes(signed, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    first = pdf(signed.report, signed.facts)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert pdf(signed.report, signed.facts) == first
    assert b"D:20260304093015" in first
    assert pdf(signed.report, signed.facts, "zh") != first


def test_what_has_no_glyph_is_shown_by_its_number():
    assert plain("\U0001f600 \u0e01 ا") == "[U+1F600] [U+0E01] [U+0627]"
    assert plain("\U00020000王") == "[U+20000]王"


@pytest.mark.peer
def test_a_name_without_glyphs_does_not_vanish(words):
    image = image_of("ISO_IR 192", "صالح^محمد")
    made = signed_on(image)
    text = words(pdf(made.report, made.facts))
    assert "[U+0635][U+0627][U+0644][U+062D]" in text.replace("\n", "")


def test_chinese_is_covered_as_the_law_asks():
    """Every character of GB 18030-2022's first level, and the general standard characters beyond the BMP."""
    missing = [c for c in range(0x4E00, 0x9FF0) if plain(chr(c)) != chr(c)]
    missing += [c for c in range(0x3400, 0x4DB6) if plain(chr(c)) != chr(c)]
    missing += [c for c in range(0xAC00, 0xD7A4) if plain(chr(c)) != chr(c)]
    assert missing == []
    assert plain("𬍡𬀩𫖮") == "𬍡𬀩𫖮"  # characters of given names beyond the BMP


def test_the_shipped_fonts_are_small_and_bear_their_licence():
    folder = files("coread.results") / "fonts"
    sizes = {item.name: len(item.read_bytes()) for item in folder.iterdir()}
    assert sum(sizes.values()) <= 12_000_000
    licences = [name for name in sizes if name.startswith("OFL-")]
    assert len(licences) == 2
    for name in licences:
        assert "SIL OPEN FONT LICENSE" in (folder / name).read_text(encoding="utf-8")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_press_and_no_character_is_lost(text):
    shown = plain(text)
    assert "".join(run.text for run in runs(shown)) == shown
    lines = broken(shown, 20, len)
    assert "".join("".join(lines).split()) == "".join(shown.split())
    assert all(len(line) <= 20 for line in lines)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=300), st.text(max_size=80), st.text(max_size=64))
def test_hostile_texts_are_printed(line, name, identifier):
    image = open_object(chest_radiograph(size_px=16))
    report = report_of(image, (), [])
    section = Section("findings", (Line(line, Origin.TYPED),))
    report = replace(report, draft=replace(report.draft, sections=(section,)), person_name=name)
    report = replace(report, draft=replace(report.draft, sections=(section,)))
    try:
        report.text_sha256.encode()
    except UnicodeEncodeError:
        return
    facts = ReportFacts({"PatientName": name, "PatientID": identifier}, SIGNER, cards=CARDS)
    assert pdf(report, facts).startswith(b"%PDF")


def test_names_without_a_part():
    assert person("", "en") == ""
    assert person("^^^", "zh") == ""
    assert person("王^小东", "en") == "王小东"
    assert person("Wang=Wang=Wang", "en") == "Wang"
    assert person("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "en") == (
        "Adams John Robert Quincy Rev. B.A. M.Div."
    )


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"PatientAge": "045Y"}, "45 years"),
        ({"PatientAge": "003M"}, "3 months"),
        ({"PatientAge": "010D"}, "10 days"),
        ({"PatientBirthDate": "20000229", "StudyDate": "20240228"}, "23 years"),
        ({"PatientBirthDate": "20000229", "StudyDate": "20240301"}, "24 years"),
        ({"PatientBirthDate": "20300101", "StudyDate": "20240301"}, None),
        ({"PatientAge": "old"}, None),
    ],
)
def test_the_age(facts, shown):
    assert dict(shown_facts(facts, "en")).get("Age") == shown


def test_what_the_images_do_not_tell_is_a_dash():
    facts = dict(shown_facts({}, "zh"))
    assert facts["姓名"] == facts["患者编号"] == "–"
    assert "检查部位" not in facts
    assert dict(shown_facts({"PatientBirthDate": "soon", "PatientSex": "X"}, "en"))["Date of birth"] == "soon"
