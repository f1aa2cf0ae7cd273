"""What goes wrong while a doctor reads: sessions end, tabs double, studies change or vanish, lines break."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from journey_clinic import PASSWORD, JourneyClinic
from journey_room import Room
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from coread.clinic import now
from coread.domain.person import Person
from coread.domain.review import Verdict

pytestmark = [pytest.mark.peer, pytest.mark.slow]

WORDS = "Words that took a while to type."


def person(clinic: JourneyClinic, login: str) -> Person:
    return next(p for p in clinic.clinic.people.list() if p.login == login)


def ready_to_sign(room: Room, clinic: JourneyClinic, name: str) -> str:
    """Log in, accept what was found, and write the report."""
    uid = clinic.drawn(1, PatientName=name)
    room.login("a.meyer")
    room.open(uid)
    room.accept(room.findings()[0])
    room.open_draft()
    room.write("impression", WORDS)
    return uid


def end_session(room: Room, clinic: JourneyClinic) -> None:
    """End the session at the server, as time does; the browser still holds its cookie."""
    cookie = room.browser.get_cookie("coread-session")
    assert cookie
    clinic.clinic.sessions.close(cookie["value"], now(), "")


def impressions(clinic: JourneyClinic, uid: str) -> list[str]:
    """Return what the signed reports say as impression."""
    return [
        line.text
        for report in clinic.clinic.casebook.reports_of(uid)
        for section in report.draft.sections
        if section.name == "impression"
        for line in section.lines
    ]


def test_a_session_that_ends_while_one_signs_loses_nothing(room: Room, clinic: JourneyClinic) -> None:
    uid = ready_to_sign(room, clinic, "Session^Ends")
    room.click(".report-foot button.primary")
    room.fill("#sign-password", PASSWORD)
    end_session(room, clinic)
    room.click('dialog button[form="sign-form"]')
    room.find("#again-password")
    room.fill("#again-password", "wrong")
    room.click('dialog button[form="again-form"]')
    room.find("dialog #again-form .fault-text")
    room.fill("#again-password", PASSWORD)
    room.click('dialog button[form="again-form"]')
    room.wait_signed()
    assert impressions(clinic, uid) == [WORDS]


def test_a_session_that_ends_while_one_types_loses_nothing(room: Room, clinic: JourneyClinic) -> None:
    uid = ready_to_sign(room, clinic, "Session^Typing")
    end_session(room, clinic)
    room.write("impression", " And more.")
    room.click(".report-foot button", "Save")
    room.find("#again-password")
    # Instead of logging in here, the doctor loads the page anew and comes back through the login.
    room.script("window.onbeforeunload = null")
    room.browser.refresh()
    room.answer_alert()
    room.wait("return location.pathname === '/login'")
    assert "Session" not in room.text("main")
    room.type("login", "a.meyer")
    room.type("password", PASSWORD)
    room.press(Keys.ENTER)
    room.wait_ready()
    room.click("#tab-report")
    room.wait_text("Saved", ".save-state")
    assert room.section("impression") == f"{WORDS} And more."
    assert uid in room.browser.current_url


def test_somebody_else_who_logs_in_does_nothing_in_the_first_one_s_name(
    room: Room, clinic: JourneyClinic
) -> None:
    uid = ready_to_sign(room, clinic, "Two^People")
    room.click(".report-foot button.primary")
    room.fill("#sign-password", PASSWORD)
    with room.second_tab() as first:
        room.go("/static/icon.svg")
        room.browser.delete_all_cookies()
        room.go("/login")
        room.type("login", "li.wei")
        room.type("password", PASSWORD)
        room.press(Keys.ENTER)
        room.wait("return location.pathname === '/'")
        second = room.browser.current_window_handle
        room.browser.switch_to.window(first)
        room.click('dialog button[form="sign-form"]')
        time.sleep(1)
        room.answer_alert()
        room.wait("return document.documentElement.dataset.login === 'li.wei'")
        assert not clinic.clinic.casebook.reports_of(uid)
        assert WORDS not in room.text()
        room.browser.switch_to.window(second)


def test_two_tabs_agree(room: Room, clinic: JourneyClinic) -> None:
    """A decision in one tab is seen in the other; a decision on an old state is told, and is not lost."""
    uid = clinic.drawn(2, PatientName="Two^Tabs")
    room.login("a.meyer")
    room.open(uid)
    one, two = room.findings()
    with room.second_tab() as first:
        room.open(uid)
        room.accept(one)
        second = room.browser.current_window_handle
        room.browser.switch_to.window(first)
        room.wait_verdict(one, "accepted")
        with cut_off(room):
            room.browser.switch_to.window(second)
            room.reject(two)
        room.browser.switch_to.window(first)
        room.wait_verdict(two, "rejected")
        room.browser.switch_to.window(second)
    review = clinic.clinic.desk.look(uid, person(clinic, "a.meyer"))
    assert {d.finding_uid: str(d.verdict) for d in review.decisions} == {one: "accepted", two: "rejected"}


def test_two_texts_of_one_report_are_shown_side_by_side(room: Room, clinic: JourneyClinic) -> None:
    uid = ready_to_sign(room, clinic, "Two^Texts")
    room.click(".report-foot button", "Save")
    room.wait_text("Saved", ".save-state")
    with room.second_tab() as first:
        second = room.browser.current_window_handle
        room.open(uid)
        room.click("#tab-report")
        room.wait("return !!document.querySelector('#section-impression')")
        room.browser.switch_to.window(first)
        with cut_off(room):  # neither tab hears of the other before both have written
            room.write("impression", "\nFrom the first tab.")
            room.browser.switch_to.window(second)
            room.write("impression", "\nFrom the second tab.")
            room.click(".report-foot button", "Save")
            room.wait_text("Saved", ".save-state")
            room.browser.switch_to.window(first)
        dialog = room.find("dialog")
        assert "From the first tab." in dialog.text
        assert "From the second tab." in dialog.text
        room.click("dialog button.primary")
        room.wait_text("Saved", ".save-state")
        assert "From the first tab." in room.section("impression")
        room.browser.switch_to.window(second)


def test_the_back_button_shows_what_is_true_now(room: Room, clinic: JourneyClinic) -> None:
    uid = ready_to_sign(room, clinic, "Back^Button")
    room.go("/")
    room.answer_alert()
    room.find(f'tr[data-uid="{uid}"]')
    room.open(uid)
    room.click("#tab-report")
    room.wait("return !!document.querySelector('#section-impression')")
    assert room.section("impression") == WORDS
    room.sign()
    room.wait_signed()
    room.browser.back()
    room.wait("return location.pathname === '/'")
    assert not room.has(f'tr[data-uid="{uid}"]')
    room.browser.forward()
    room.wait_ready()
    room.click("#tab-report")
    room.wait_signed()
    assert not room.has("#section-impression")
    # And after the logout nobody sees the patient again.
    room.click(".masthead-end summary, .masthead-end .menu > button", "Anna Meyer")
    room.click("button", "Sign out")
    room.wait("return location.pathname === '/login'")
    room.browser.back()
    time.sleep(0.5)
    room.wait("return location.pathname === '/login'")
    assert "Back Button" not in room.text()


def test_a_double_click_signs_once(room: Room, clinic: JourneyClinic) -> None:
    uid = ready_to_sign(room, clinic, "Double^Click")
    room.click(".report-foot button.primary")
    room.fill("#sign-password", PASSWORD)
    button = room.find('dialog button[form="sign-form"]')
    ActionChains(room.browser).double_click(button).click(button).perform()
    room.wait_signed()
    time.sleep(1)
    assert len(clinic.clinic.casebook.reports_of(uid)) == 1
    assert clinic.kinds(uid).count("report.signed") == 1
    # Enter and Enter again, for an addendum.
    room.click("#report button", "addendum")
    room.write("impression", "Once.")
    room.click(".report-foot button.primary")
    room.fill("#sign-password", PASSWORD)
    room.press(Keys.ENTER, Keys.ENTER, Keys.ENTER)
    room.wait_signed(2)
    time.sleep(1)
    assert len(clinic.clinic.casebook.reports_of(uid)) == 2


def test_a_late_image_is_told_and_shown(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.drawn(1, PatientName="Late^Image")
    room.login("a.meyer")
    room.open(uid)
    (first,) = room.findings()
    room.accept(first)
    room.open_draft()
    room.write("impression", WORDS)
    clinic.send(clinic.image(uid, 2))
    clinic.wait_read(uid, 2)
    room.find("#banners button", "Show the new images")
    assert "New images arrived" in room.banners()
    assert room.section("impression") == WORDS
    room.click("#banners button", "Show the new images")
    room.wait("return [...document.querySelectorAll('.crv-corner')].some((e) => e.innerText.includes('/2'))")
    room.click(".report-foot button.primary")
    room.wait_text("Not decided yet: Opacity", "dialog .message.warn")
    assert not room.find('dialog button[form="sign-form"]').is_enabled()
    room.press(Keys.ESCAPE)
    room.click("#tab-findings")
    late = next(finding for finding in room.findings() if finding != first)
    room.accept(late)
    room.click("#tab-report")
    room.click("#report button", "up to date")
    room.sign()
    room.wait_signed()
    assert WORDS in impressions(clinic, uid)


def test_a_late_image_after_the_signature_asks_for_a_look(room: Room, clinic: JourneyClinic) -> None:
    uid = ready_to_sign(room, clinic, "Late^Later")
    room.sign()
    room.wait_signed()
    clinic.send(clinic.image(uid, 2))
    clinic.wait_read(uid, 2)
    room.wait_text("sign", "#banners .message.warn")
    room.go("/?state=signed")
    assert "changed" in room.find(f'tr[data-uid="{uid}"] .state-cell').text.lower()


def test_a_study_deleted_meanwhile_keeps_what_was_typed(room: Room, clinic: JourneyClinic) -> None:
    uid = ready_to_sign(room, clinic, "Deleted^Meanwhile")
    clinic.clinic.archive.delete_study(uid, "the wrong patient", now())
    room.wait_text("has been deleted", "#banners")
    assert room.section("impression") == WORDS
    assert not room.has("article.finding .decide button")
    room.go(f"/studies/{uid}")
    room.answer_alert()
    room.wait_text("Nothing of this name is kept here.", "main")
    room.click("main a.button")
    room.wait("return location.pathname === '/'")
    assert not room.has(f'tr[data-uid="{uid}"]')


def spoilt(image: bytes) -> bytes:
    """Turn over bits in the middle of an image's JPEG 2000 stream."""
    at = image.index(b"\xff\x4f\xff\x51") + 60
    return image[:at] + bytes(255 - value for value in image[at : at + 400]) + image[at + 400 :]


def test_a_frame_that_cannot_be_decoded_is_told_and_the_others_are_shown(
    room: Room, clinic: JourneyClinic
) -> None:
    uid = "1.2.826.0.1.3680043.10.543.7"
    jpeg_2000 = "1.2.840.10008.1.2.4.90"
    good = clinic.image(uid, 1, PatientName="Bad^Frame")
    clinic.send(good, spoilt(clinic.image(uid, 2, PatientName="Bad^Frame", transfer_syntax_uid=jpeg_2000)))
    clinic.wait_read(uid)
    room.login("a.meyer")
    room.open(uid)
    room.press(Keys.ARROW_DOWN)
    room.wait_text("This image cannot be shown", "#viewer")
    room.wait_text("cannot be shown", "#viewer-words")
    room.press(Keys.ARROW_UP)
    room.wait("return [...document.querySelectorAll('.crv-corner')].some((e) => e.innerText.includes('1/2'))")
    for finding in room.findings():
        room.accept(finding)


def test_a_line_that_breaks_holds_no_decision_up(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.drawn(1, PatientName="Broken^Line")
    room.login("a.meyer")
    room.open(uid)
    (finding,) = room.findings()
    with cut_off(room):
        room.click(f"{room.card(finding)} button.accept")
        time.sleep(1)
        assert room.verdict(finding) == ""
    room.wait_verdict(finding, "accepted")
    assert clinic.kinds(uid).count("finding.decided") == 1


def test_a_colleague_s_study_is_read_only_and_can_be_taken_with_a_reason(
    room: Room, clinic: JourneyClinic
) -> None:
    uid = clinic.drawn(1, PatientName="Held^By")
    desk, li = clinic.clinic.desk, person(clinic, "li.wei")
    desk.open(uid, li)
    desk.take_lock(uid, li)
    room.login("a.meyer")
    room.open(uid)
    assert "李伟" in room.banners()
    assert not room.has("article.finding .decide button")
    room.press("a")
    room.click("#banners button")
    room.fill("#break-reason", "The patient is in the theatre.")
    room.press(Keys.ENTER)
    room.wait("return !!document.querySelector('article.finding .decide button')")
    room.accept(room.findings()[0])
    assert "review.lock-broken" in clinic.kinds(uid)


def test_a_decision_of_a_colleague_meanwhile_is_told(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.drawn(2, PatientName="Colleague^Meanwhile")
    desk, li = clinic.clinic.desk, person(clinic, "li.wei")
    room.login("a.meyer")
    room.open(uid)
    one, _ = room.findings()
    seen = desk.open(uid, li)
    desk.decide(uid, li, one, Verdict.ACCEPTED, revision=seen.revision, key=uuid.uuid4().hex)
    room.wait_verdict(one, "accepted")
    room.wait_text("李伟", "#banners")


@contextmanager
def cut_off(room: Room) -> Iterator[None]:
    """Take the network from the present tab for a while."""
    handle = room.browser.current_window_handle
    room.browser.execute_cdp_cmd("Network.enable", {})
    none = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    room.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, **none})
    try:
        yield
    finally:
        now_at = room.browser.current_window_handle
        room.browser.switch_to.window(handle)
        room.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **none})
        room.browser.switch_to.window(now_at)
