"""Strings from everywhere: names in the character sets of Asia, and words that would be scripts."""

from __future__ import annotations

import time

import pytest
from journey_clinic import JourneyClinic
from journey_room import Room
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.keys import Keys

from coread.domain.person import Role

pytestmark = [pytest.mark.peer, pytest.mark.slow]

#: Charset, name as written, as the list shows it in English and in Chinese.
NAMES = {
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou", "山田太郎"),
    "korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "Hong Gildong", "洪吉洞"),
    "chinese": ("GB18030", "Wang^XiaoDong=王^小东", "Wang XiaoDong", "王小东"),
    "unicode": ("ISO_IR 192", "Zieliński^Łukasz", "Zieliński Łukasz", "Zieliński Łukasz"),
}

HOSTILE = (
    "<script>window.__pwned=1</script>",
    '"><img src=x onerror=window.__pwned=1>',
    "'><svg/onload=window.__pwned=1>",
    "</script><script>window.__pwned=1</script>",
    "javascript:window.__pwned=1",
    "{{constructor.constructor('window.__pwned=1')()}}",
    "${window.__pwned=1}`+window.__pwned",
    "<a href=javascript:window.__pwned=1>x",
    "<!--<style>*{display:none}</style>",
    "%3Cscript%3Ewindow.__pwned=1%3C/script%3E",
    "&lt;script&gt;window.__pwned=1",
)
#: Elements that the pages, viewer and reports show, each with the longest text that it may hold.
_ELEMENTS = {
    "PatientName": 60, "PatientID": 60, "AccessionNumber": 16, "StudyDescription": 60,
    "SeriesDescription": 60, "InstitutionName": 60, "StationName": 16, "ReferringPhysicianName": 60,
    "Manufacturer": 60, "ManufacturerModelName": 60, "ProtocolName": 60, "OperatorsName": 60, "StudyID": 16,
    "ImageComments": 200, "PatientComments": 200, "InstitutionalDepartmentName": 60,
}  # fmt: skip


def hostile_facts(first: int) -> dict[str, str]:
    """Give each element a hostile string, a different one for each `first`."""
    strings = [HOSTILE[(first + place) % len(HOSTILE)] for place in range(len(_ELEMENTS))]
    return {name: text[:most] for (name, most), text in zip(_ELEMENTS.items(), strings, strict=True)}


def watched(room: Room) -> None:
    """Give scripts that were let in the time to run; none did."""
    time.sleep(0.3)
    with pytest.raises(NoAlertPresentException):
        _ = room.browser.switch_to.alert
    assert room.faults() == []


def test_names_are_shown_as_their_people_write_them(room: Room, clinic: JourneyClinic) -> None:
    uids = {
        kind: clinic.drawn(1, is_awaited=False, SpecificCharacterSet=charset, PatientName=name)
        for kind, (charset, name, _, _) in NAMES.items()
    }
    for uid in uids.values():
        clinic.wait_read(uid)
    room.login("a.meyer")
    for place, language in enumerate(("en", "zh"), 2):
        room.speak(language)
        room.go("/")
        for kind, uid in uids.items():
            assert NAMES[kind][place] in room.find(f'tr[data-uid="{uid}"]').text
    for kind, uid in uids.items():
        room.go("/")
        room.wait_list()
        room.press("/", NAMES[kind][3], Keys.ENTER)
        room.wait("return location.search.startsWith('?q=')")
        room.click(f'tr[data-uid="{uid}"] a.case-link')
        room.wait_ready()
        assert NAMES[kind][3] in room.text(".study-head h1")


@pytest.mark.parametrize("first", [0, 5])
def test_no_string_of_a_study_runs(room: Room, clinic: JourneyClinic, first: int) -> None:
    uid = clinic.drawn(1, SpecificCharacterSet="ISO_IR 192", **hostile_facts(first))
    room.login("a.meyer")
    row = room.find(f'tr[data-uid="{uid}"]')
    assert HOSTILE[first].replace("^", " ")[:20] in row.text
    room.click(f'tr[data-uid="{uid}"] button.urgency')
    watched(room)
    room.open_from_list(uid)
    room.accept(room.findings()[0])
    for part in room.browser.find_elements("css selector", "article.finding summary"):
        part.click()
    room.open_draft()
    room.write("impression", HOSTILE[first])
    watched(room)
    room.sign()
    room.wait_signed()
    room.click("#tab-case")
    watched(room)
    room.open(uid)
    room.click("#tab-report")
    assert HOSTILE[first] in room.text("#report")
    watched(room)


def test_no_word_that_is_typed_runs(room: Room, clinic: JourneyClinic) -> None:
    text = HOSTILE[1]
    clinic.add("hostile", HOSTILE[0], *Role)
    uid = clinic.drawn(2, PatientName="Typed^Words")
    room.login("hostile")
    room.open(uid)
    first, second = room.findings()
    room.edit(first, text[:60], text)
    room.click(f"{room.card(second)} .decide button:nth-child(3)")
    room.fill(f"{room.card(second)} .reject-menu input", text)
    room.click(f"{room.card(second)} .reasons button:nth-child(9)")
    room.wait_verdict(second, "rejected")
    room.press("o")
    room.fill("#statement-label", HOSTILE[0])
    room.fill("#statement-comment", HOSTILE[3])
    room.click("#sheet .sheet-foot button.primary")
    room.wait_text("<script>", "article.finding.own")
    watched(room)

    room.click("#tab-case")
    room.click("#colleague")
    room.script("const s = document.getElementById('colleague'); s.selectedIndex = 1")
    room.fill("#question-text", text)
    room.click("#case form button", "Ask")
    room.wait_text(text, "article.question")
    watched(room)

    room.open_draft()
    room.write("impression", text)
    room.sign()
    room.wait_signed()
    watched(room)
    assert text in room.text("#report")

    room.go("/?q=<b onclick>")
    room.click("#save-view")
    room.fill("#view-name", HOSTILE[2])
    room.press(Keys.ENTER)
    room.wait_text(HOSTILE[2], ".views")
    watched(room)


PAGES = (
    "/", "/account", "/people", "/system", "/quality", "/quality/readers/example-brightness", "/audit",
    "/settings", "/people?x=<script>window.__pwned=1</script>",
    "/?q=%3Cscript%3Ewindow.__pwned=1%3C/script%3E&state=signed",
    "/studies/<script>window.__pwned=1</script>", "/<img src=x onerror=window.__pwned=1>",
    "/login?next=javascript:window.__pwned=1", "/audit?kind=%22%3E%3Cscript%3Ewindow.__pwned=1%3C/script%3E",
    "/quality/readers/%3Csvg%20onload=window.__pwned=1%3E", "/system?route=%22onfocus=window.__pwned=1",
)  # fmt: skip


def test_no_page_runs_what_was_said_or_asked(room: Room, clinic: JourneyClinic) -> None:
    """After all that hostile people and images have said here, each page is looked at in both languages."""
    if not any(p.login == "everybody" for p in clinic.clinic.people.list()):
        clinic.add("everybody", "Every Role", *Role)
    room.login("everybody")
    for language in ("en", "zh"):
        room.speak(language)
        for page in PAGES:
            room.go(page)
            assert room.text("body")
            assert room.faults() == [], page
