"""Whole journeys of doctors: from the login to what PACS and record system get."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from journey_clinic import BLIND, PASSWORD, SECOND, TRIAGE, JourneyClinic, wait_until
from journey_room import Room
from selenium.webdriver.common.keys import Keys

pytestmark = [pytest.mark.peer, pytest.mark.slow]


def signed_of(clinic: JourneyClinic, uid: str) -> list[pydicom.Dataset]:
    """Return the doctor's structured reports that the PACS has, the first one first."""
    reports = [r for r in clinic.at_pacs(uid, "SR") if r.VerificationFlag == "VERIFIED"]
    return sorted(reports, key=lambda report: str(report.VerifyingObserverSequence[0].VerificationDateTime))


def predecessors(report: pydicom.Dataset) -> set[str]:
    """Return the SOP Instance UIDs of a report's predecessors."""
    return {
        str(item.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def words_of(document: pydicom.Dataset, folder: Path) -> str:
    """Return what is to be read in an encapsulated PDF, by an independent program."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (see CONTRIBUTING.md for the Debian packages)")
    path = folder / f"{document.SOPInstanceUID}.pdf"
    path.write_bytes(document.EncapsulatedDocument)
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def test_a_morning_s_work(room: Room, clinic: JourneyClinic, tmp_path: Path) -> None:
    uid = clinic.real(PatientName="Smith^Jane")
    clinic.drawn(2, PatientName="Miller^John")
    room.login("a.meyer")
    row = room.find(f'tr[data-uid="{uid}"]')
    assert "Smith Jane" in row.text
    assert re.search(r"Opacity: present, 9\d%", row.text)
    room.open_from_list(uid)
    assert "Smith Jane" in room.text(".study-head")
    assert "Image 1/1" in room.corner()

    decide(room)
    write_and_sign(room, clinic, uid)
    clinic.wait_published(uid)
    report = check_report(clinic, uid, tmp_path)
    amend(room, uid)
    clinic.wait_published(uid, 2)
    check_addendum(clinic, uid, report)

    kinds = clinic.kinds(uid)
    assert kinds.count("report.signed") == kinds.count("report.published") == 2
    assert kinds.count("finding.decided") == 3
    assert not list(clinic.clinic.ledger.verify())


def decide(room: Room) -> None:
    """Of two findings one is right and one is not; a third was missed."""
    reader, simple = room.findings()
    assert "chest-radiograph" in room.text(room.card(reader))
    room.accept(reader)
    room.reject(simple, reason=4)
    room.click("#findings button", "Add a finding")
    room.fill("#statement-label", "Pleural effusion")
    room.fill("#statement-comment", "Right, small.")
    room.click("#sheet button", "Draw a box")
    room.drag((0.4, 0.6), (0.5, 0.8))
    room.wait_text("Box", "#sheet")
    room.click("#sheet .sheet-foot button.primary")
    room.wait_text("Pleural effusion", "article.finding.own")


def write_and_sign(room: Room, clinic: JourneyClinic, uid: str) -> None:
    """Let the draft be made, add to it, sign; at first with a wrong password."""
    room.open_draft()
    assert "opacity" in room.section("findings").lower()
    assert "leural effusion" in room.section("findings")
    room.write("impression", "Opacities of both lungs. Compare with earlier films.")
    room.sign("not the password")
    room.wait_text("password", "dialog .fault-text")
    assert not clinic.clinic.casebook.reports_of(uid)
    room.fill("#sign-password", PASSWORD)
    room.click('dialog button[form="sign-form"]')
    room.wait_signed()


def check_report(clinic: JourneyClinic, uid: str, folder: Path) -> pydicom.Dataset:
    """Look what PACS and record system have of the report."""
    assert clinic.records
    (report,) = signed_of(clinic, uid)
    readers = {r.SOPInstanceUID for r in clinic.at_pacs(uid, "SR")} - {report.SOPInstanceUID}
    assert report.CompletionFlag == "COMPLETE"
    assert str(report.VerifyingObserverSequence[0].VerifyingObserverName).startswith("Anna Meyer")
    assert report.VerifyingObserverSequence[0].VerifyingOrganization == "Journey Hospital"
    assert predecessors(report) == readers
    (document,) = clinic.at_pacs(uid, "DOC")
    assert "Compare with earlier films." in words_of(document, folder)
    (final,) = clinic.records.doctors_reports_of(uid)
    assert final["status"] == "final"
    assert "Compare with earlier films." in final["conclusion"]
    assert clinic.records.observations_of(uid) == ["entered-in-error", "final", "final"]
    return report


def amend(room: Room, uid: str) -> None:
    """Come back some time later, see that all went out, write an addendum and sign it."""
    room.open(uid)
    room.click("#tab-report")
    room.wait_text("delivered", ".deliveries")
    assert "failed" not in room.text(".deliveries")
    room.click("#report button", "addendum")
    room.write("impression", "Earlier films of 2023 seen: unchanged.")
    room.sign()
    room.wait_signed(2)


def check_addendum(clinic: JourneyClinic, uid: str, report: pydicom.Dataset) -> None:
    """Look what PACS and record system have of the addendum."""
    assert clinic.records
    first, second = signed_of(clinic, uid)
    assert first.SOPInstanceUID == report.SOPInstanceUID
    assert predecessors(second) == {first.SOPInstanceUID}
    assert len(clinic.at_pacs(uid, "DOC")) == 2
    (appended,) = clinic.records.doctors_reports_of(uid)
    assert appended["status"] == "appended"
    assert clinic.records.refused == []


def test_the_same_in_chinese(room: Room, clinic: JourneyClinic, tmp_path: Path) -> None:
    uid = clinic.drawn(3, SpecificCharacterSet="GB18030", PatientName="Wang^XiaoDong=王^小东")
    room.login("li.wei")
    assert room.script("return document.documentElement.lang") == "zh-CN"
    assert "王小东" in room.find(f'tr[data-uid="{uid}"]').text
    room.open_from_list(uid)
    assert room.text(".study-head h1").startswith("王小东")

    assert "1/3" in room.corner()
    room.wheel(1)
    room.wait("return [...document.querySelectorAll('.crv-corner')].some((e) => e.innerText.includes('2/3'))")

    first, second, third = room.findings()
    room.accept(first)
    room.edit(second, "实变", "左下肺野。")
    room.reject(third)
    room.open_draft()
    assert room.script("return document.querySelector('#report select[name=language]').value") == "zh"
    assert "实变" in room.section("findings")
    room.write("impression", "与前片比较无变化。")
    room.sign()
    room.wait_signed()
    clinic.wait_published(uid)

    (report,) = signed_of(clinic, uid)
    assert "李伟" in str(report.VerifyingObserverSequence[0].VerifyingObserverName)
    (document,) = clinic.at_pacs(uid, "DOC")
    printed = words_of(document, tmp_path).replace(" ", "")
    assert "与前片比较无变化。" in printed
    assert "王小东" in printed
    assert clinic.records
    (final,) = clinic.records.doctors_reports_of(uid)
    assert "与前片比较无变化。" in final["conclusion"]

    room.click("#report button", "补充")
    room.write("impression", "补充：已对照旧片。")
    room.sign()
    room.wait_signed(2)
    clinic.wait_published(uid, 2)
    (appended,) = clinic.records.doctors_reports_of(uid)
    assert (appended["id"], appended["status"]) == (final["id"], "appended")
    assert clinic.records.refused == []


def test_the_language_is_switched_and_remembered(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.drawn(1)
    room.login("a.meyer")
    room.click(".masthead-end button", "中文")
    room.wait("return document.documentElement.lang === 'zh-CN'")
    room.open(uid)
    assert "所见" in room.text("#findings-panel") or "发现" in room.text("#findings-panel")
    assert "校准数据：无患者数据" in room.text("#findings-panel")
    room.click(".masthead-end button", "English")
    room.wait("return document.documentElement.lang === 'en'")
    assert "Calibrated on no patients" in room.text("#findings-panel")
    assert f"/studies/{uid}" in room.browser.current_url


def test_keys_alone(room: Room, clinic: JourneyClinic) -> None:
    """From the login to the addendum without a mouse; the test has no way to click."""
    uid = clinic.drawn(3, PatientName="Keys^Only")
    room.leave()
    room.go("/login")
    room.tab_to("#login")
    room.press("a.meyer", Keys.TAB, PASSWORD, Keys.ENTER)
    room.wait_list()

    room.press("/", "Keys Only", Keys.ENTER)
    room.wait(
        "return [...document.querySelectorAll('tr.case')].map((e) => e.dataset.uid).join() === arguments[0]",
        uid,
    )
    room.press("j", "e")
    room.find(".why")
    room.press(Keys.ESCAPE, Keys.ENTER)
    room.wait_ready()

    # The images.
    room.press(Keys.ARROW_DOWN)
    room.wait("return [...document.querySelectorAll('.crv-corner')].some((e) => e.innerText.includes('2/3'))")
    room.press("i", "i", "?")
    room.find("dialog h2", "Keys")
    room.press(Keys.ESCAPE)
    room.wait("return !document.querySelector('dialog')")

    decide_by_keys(room)
    room.press("d")
    sign_by_keys(room, "No change since last year.")
    room.wait_signed()
    (report,) = clinic.clinic.casebook.reports_of(uid)
    assert "No change since last year." in {line.text for s in report.draft.sections for line in s.lines}
    room.press("d")
    sign_by_keys(room, "Seen again.")
    room.wait_signed(2)

    # And back to the list.
    room.tab_to("#back")
    room.press(Keys.ENTER)
    room.wait("return location.pathname === '/'")


def decide_by_keys(room: Room) -> None:
    """Accept, take it back, accept; put another label; reject; add one's own."""
    first, second, third = room.findings()
    room.press("a")
    room.wait_verdict(first, "accepted")
    room.press("u")
    room.wait_verdict(first, "")
    room.press("a")
    room.wait_verdict(first, "accepted")
    room.press("j", "e")
    room.find("#statement-label")
    room.press_with_ctrl("a")
    room.press("Nodular pattern")
    room.press_with_ctrl(Keys.ENTER)
    room.wait_verdict(second, "edited")
    room.press("j", "r")
    room.find(".reject-menu")
    room.press("4")
    room.wait_verdict(third, "rejected")
    room.press("o")
    room.find("#statement-label")
    room.press("Fibrosis")
    room.press_with_ctrl(Keys.ENTER)
    room.wait_text("Fibrosis", "article.finding.own")


def sign_by_keys(room: Room, words: str) -> None:
    """Type into the impression, save, go on to the button and sign."""
    room.wait("return document.activeElement.id === 'section-impression'")
    room.press(words)
    room.press_with_ctrl(Keys.ENTER)
    room.tab_to(".report-foot button.primary")
    room.press(Keys.ENTER)
    room.wait("return document.activeElement.id === 'sign-password'")
    room.press(PASSWORD, Keys.ENTER)


def test_blind_first(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.real(PatientName="Blind^First", InstitutionName=BLIND)
    room.login("a.meyer")
    assert "%" not in room.find(f'tr[data-uid="{uid}"]').text
    room.open_from_list(uid)
    assert room.findings() == []
    for told in (
        room.review(),
        json.loads(room.script("return document.getElementById('review').textContent")),
    ):
        assert told["findings"] == []
        assert not re.search(r'"probability": 0\.\d', json.dumps(told))
    assert "Opacity" not in room.text()
    assert clinic.kinds(uid).count("review.revealed") == 0

    room.click("#impression-form label.choice", "bnormal")
    room.click("#impression-form fieldset:nth-of-type(2) label.choice:nth-of-type(3)")
    room.fill("#impression-text", "Shadows on both sides.")
    room.click("#impression-form button.primary")
    room.wait("return document.querySelectorAll('article.finding').length === 2")
    assert "Shadows on both sides." in room.text(".own-impression")
    kinds = clinic.kinds(uid)
    assert kinds.index("impression.recorded") < kinds.index("review.revealed")


def test_second_reader_comes_after_the_draft(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.drawn(1, PatientName="Second^Reader", InstitutionName=SECOND)
    room.login("a.meyer")
    room.open(uid)
    assert room.findings() == []
    room.click(".mode-block button")
    room.wait("return !!document.querySelector('#section-impression')")
    room.write("impression", "Nothing of note.")
    room.click(".report-foot button", "Save")
    room.click("#tab-findings")
    room.wait("return document.querySelectorAll('article.finding').length === 1")
    assert "review.revealed" in clinic.kinds(uid)


def test_triage_only_never_shows_what_readers_say(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.drawn(1, PatientName="Triage^Only", InstitutionName=TRIAGE)
    room.login("a.meyer")
    room.open(uid)
    assert room.findings() == []
    room.open_draft()
    room.write("impression", "Read without help.")
    room.sign()
    room.wait_signed()
    assert room.findings() == []
    assert "review.revealed" not in clinic.kinds(uid)


def test_a_study_waits_in_the_list_and_leaves_it(room: Room, clinic: JourneyClinic) -> None:
    """The list tells of what comes in while it is open, moves nothing by itself, and lets the signed go."""
    room.login("a.meyer")
    room.wait_list()
    uid = clinic.drawn(1, PatientName="Comes^In")
    room.find("#fresh")
    assert not room.has(f'tr[data-uid="{uid}"]')
    room.press(".")
    room.click(f'tr[data-uid="{uid}"] a.case-link')
    room.wait_ready()
    room.accept(room.findings()[0])
    room.open_draft()
    room.write("impression", "Normal.")
    room.sign()
    room.wait_signed()
    room.go("/")
    assert not room.has(f'tr[data-uid="{uid}"]')
    room.click(".views a", "Signed")
    room.find(f'tr[data-uid="{uid}"]')
    wait_until(lambda: "report.published" in clinic.kinds(uid), "publishing")
