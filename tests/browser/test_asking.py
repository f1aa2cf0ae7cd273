"""A doctor asks a reader about a place of a CT, by mouse and by keys, and signs what comes of it."""

from __future__ import annotations

import pytest
from journey_clinic import PASSWORD, JourneyClinic, wait_until
from journey_room import Room
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from coread.domain import codes
from coread.testing.nodules import DrawnNodule

pytestmark = [pytest.mark.peer, pytest.mark.slow]

#: In the middle of the image, so that a click into the middle of the pane meets it.
MIDDLE = DrawnNodule(column_px=48.5, row_px=48.5)


def to_the_nodule(room: Room) -> None:
    room.wheel(MIDDLE.slice_number - 1)
    room.wait(
        "return [...document.querySelectorAll('.crv-corner')]"
        ".some((e) => e.innerText.includes(arguments[0]))",
        f"{MIDDLE.slice_number}/{MIDDLE.slices}",
    )


def click_the_middle(room: Room) -> None:
    ActionChains(room.browser).move_to_element(room.find(".crv-surface")).click().perform()


def finding_of(room: Room, code: str) -> str:
    """Wait for the finding of a code, and return its UID."""
    return str(
        room.wait(
            "return fetch(`/api/v1${location.pathname}/review`).then((a) => a.json())"
            ".then((r) => r.findings.find((p) => p.finding.code.value === arguments[0])?.finding_uid)",
            code,
        )
    )


def test_ask_decide_follow_up_and_sign(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.nodule(MIDDLE, PatientName="Stone^Mary")
    room.login("a.meyer")
    room.open(uid)
    to_the_nodule(room)
    room.click(".ask-reader", "region growing")
    click_the_middle(room)
    nodule = finding_of(room, codes.LUNG_NODULE.value)
    room.wait_text("Nodule", room.card(nodule))
    card = room.text(room.card(nodule))
    assert "Long axis" in card
    assert "mm" in card
    assert "Solid" in card
    room.wait_text("Texture Descriptor", f"{room.card(nodule)} .characteristics")
    room.wait("return document.querySelectorAll('.crv-lines polygon').length > 0")
    room.click(f"{room.card(nodule)} summary", "Looks like")
    room.wait_text("drawn case", room.card(nodule))

    correct(room, finding_of(room, "suspicious"))
    room.accept(nodule)
    follow_up(room)
    write_and_sign(room)
    clinic.wait_published(uid)
    check_peers(clinic, uid, nodule)


def correct(room: Room, suspicious: str) -> None:
    """Say that the margins are spiculated: the reader's answer changes before anything is decided."""
    room.click(f"{room.card(suspicious)} .decide button:nth-child(2)")
    field = "select[id^=trait-]"
    room.wait("return document.querySelectorAll(arguments[0]).length === 2", field)
    room.script(
        "const s = document.getElementById('trait-1');"
        "s.selectedIndex = [...s.options].findIndex((o) => o.text === 'Spiculated');"
        "s.dispatchEvent(new Event('change'))"
    )
    room.wait_text("With these characteristics the reader answers", ".reconsidered")
    room.click("#sheet .sheet-foot button.primary")
    room.wait_verdict(suspicious, "edited")


def follow_up(room: Room) -> None:
    """Ask the rule with the measures of the accepted nodule."""
    room.wait("return document.getElementById('nodule-size-0')?.value > 8")
    assert room.script("return document.getElementById('nodule-composition-0').value") == "solid"
    room.click("form.stack button", "Ask the rule")
    room.wait("return !!document.querySelector('.follow-up-answer p')")


def write_and_sign(room: Room) -> None:
    room.open_draft()
    findings = room.section("findings")
    assert "texture descriptor: solid" in findings
    assert "Long axis" in findings
    room.write("impression", "Nodule of the lung.")
    room.sign(PASSWORD)
    room.wait_signed()


def check_peers(clinic: JourneyClinic, uid: str, nodule: str) -> None:
    """PACS has segmentation and reports under one tracking UID; the record system the observation."""
    (seg,) = clinic.at_pacs(uid, "SEG")
    assert seg.SegmentSequence[0].TrackingUID == nodule
    assert seg.NumberOfFrames > 3
    reports = clinic.at_pacs(uid, "SR")
    assert len(reports) == 2
    assert all(nodule in report.to_json() for report in reports)
    verified = next(report for report in reports if report.VerificationFlag == "VERIFIED")
    assert codes.SPICULATED.value in verified.to_json()
    assert clinic.records
    assert "final" in clinic.records.observations_of(uid)
    kinds = clinic.kinds(uid)
    assert kinds.count("reader.asked") == 1
    assert kinds.count("reader.reconsidered") >= 1
    assert not list(clinic.clinic.ledger.verify())


def test_by_keys_alone_in_chinese(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.nodule(MIDDLE, PatientName="Wang^Fang")
    room.login("li.wei")
    room.open(uid)
    to_the_nodule(room)
    room.press("n")
    room.wait_text("请点击该处", ".viewer-pane")
    # The cross comes to the middle; a second Enter at the same place is a point.
    room.press(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER, Keys.ENTER)
    nodule = finding_of(room, codes.LUNG_NODULE.value)
    room.wait_text("质地", room.card(nodule))
    room.wait_text("实性", room.card(nodule))
    prompt = clinic.clinic.casebook.prompts.of_study(uid)[0].prompt
    assert prompt.point is not None


def test_esc_asks_nothing(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.nodule(MIDDLE)
    room.login("a.meyer")
    room.open(uid)
    room.press("n")
    room.wait_text("draw a box round it", ".viewer-pane")
    room.press(Keys.ESCAPE)
    room.wait("return !document.querySelector('.viewer.is-drawing')")
    assert clinic.clinic.casebook.prompts.of_study(uid) == ()


def test_asking_twice_is_one_reading(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.nodule(MIDDLE)
    room.login("a.meyer")
    room.open(uid)
    to_the_nodule(room)
    for _ in range(2):
        room.click(".ask-reader")
        click_the_middle(room)
        finding_of(room, codes.LUNG_NODULE.value)
    wait_until(lambda: clinic.kinds(uid).count("reader.asked") == 2, "two questions")
    assert len(clinic.clinic.readings.of_study(uid)) == 1


def test_a_drag_is_a_box(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.nodule(MIDDLE)
    room.login("a.meyer")
    room.open(uid)
    to_the_nodule(room)
    room.press("n")
    room.wait_text("draw a box round it", ".viewer-pane")
    room.drag((0.35, 0.35), (0.65, 0.65))
    finding_of(room, codes.LUNG_NODULE.value)
    (asked,) = clinic.clinic.casebook.prompts.of_study(uid)
    assert asked.prompt.box is not None
    x, y = asked.prompt.middle
    assert abs(x - 48) < 3
    assert abs(y - 48) < 3
