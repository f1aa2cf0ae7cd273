"""A doctor at work in a real browser, and what may go wrong there."""

from __future__ import annotations

import pytest
from identity_site import PASSWORD
from reviewing import CHEST, SECOND
from selenium.webdriver import ActionChains, Keys

from coread.domain.person import Role
from coread.domain.review import Mode
from coread.review import Policy

pytestmark = pytest.mark.peer

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def draft(page, uid):
    """Open a study, accept its first finding, and begin the report."""
    page.open(uid)
    page.press("a", "d")
    page.see("Saved", ".save-state")


def test_from_the_list_to_a_signed_report_by_keys_alone(site, open_page):
    site.room.study(1, {CHEST.name: 0.2})
    uid = site.room.study(2, {CHEST.name: 0.95, SECOND.name: 0.3}, StudyDescription="STAT chest")
    page = open_page()
    page.see("Cannot wait")
    page.press("e")
    page.see("the order says “STAT”")
    page.press(Keys.ESCAPE, "j", "k", Keys.ENTER)
    page.wait(lambda: page.driver.current_url.endswith(uid))
    page.find("article.finding.is-selected")
    page.press("a")
    page.see("Accepted", "article.finding.is-selected")
    page.press("j")
    page.press("r")
    page.see("Why is it rejected?")
    page.press("1")
    page.see("Rejected", "article.finding.is-selected")
    page.press("d")
    page.find("#section-impression")
    page.wait(lambda: page.js("return document.activeElement.id") == "section-impression")
    page.press("Opacity; infection is likely.")
    page.see("Saved", ".save-state")
    page.press(Keys.TAB)
    page.js("document.activeElement.blur()")
    page.press("s")
    page.find("#sign-password").send_keys(PASSWORD + Keys.ENTER)
    page.see("Signed", "#signs")
    page.see("Opacity; infection is likely.", ".signed-report")
    assert page.faults() == []
    report = site.room.casebook.reports_of(uid)[0]
    verdicts = {str(decision.verdict) for decision in report.decisions}
    assert verdicts == {"accepted", "rejected"}
    assert all(decision.active_s >= 0 and "probability" in decision.shown for decision in report.decisions)
    page.press("[")
    page.go("/")
    page.see("To read")
    assert len(page.all("tr.case")) == 1


def test_a_double_click_on_sign_is_one_signature(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    draft(page, uid)
    page.click(".report-foot .primary")
    page.find("#sign-password").send_keys(PASSWORD)
    page.js("const b = document.querySelector('button[form=sign-form]'); b.click(); b.click(); b.click();")
    page.see("Signed", "#signs")
    assert site.room.kinds(uid).count("report.signed") == 1


def test_a_session_that_ends_while_signing_loses_nothing(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    page.press("a", "d")
    page.find("#section-impression").send_keys("Typed before the session ended.")
    page.see("Saved", ".save-state")
    page.click(".report-foot .primary")
    page.find("#sign-password").send_keys(PASSWORD)
    page.driver.delete_all_cookies()
    page.click("button[form=sign-form]")
    page.see("Your session has ended", "dialog:last-of-type")
    page.find("#again-password").send_keys(PASSWORD + Keys.ENTER)
    page.see("Signed", "#signs")
    page.see("Typed before the session ended.", ".signed-report")
    assert site.room.kinds(uid).count("report.signed") == 1


def test_words_typed_without_a_connection_come_back(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    draft(page, uid)
    page.driver.set_network_conditions(offline=True, latency=0, throughput=0)
    page.find("#section-impression").send_keys("Typed while offline.")
    page.see("kept in this window", ".save-state")
    page.driver.delete_network_conditions()
    page.js("window.onbeforeunload = null")
    page.driver.refresh()
    page.wait(lambda: page.alerted() or True)
    page.click("#tab-report")
    page.wait(lambda: page.find("#section-impression").get_attribute("value") == "Typed while offline.")
    page.see("Words that this window had kept")
    page.wait(
        lambda: "Typed while offline." in str(site.room.desk.look(uid, site.people.find("li.wei")).draft)
    )


def test_two_windows_on_one_report_lose_no_words(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    first, second = open_page(), open_page()
    draft(first, uid)
    second.open(uid)
    second.click("#tab-report")
    first.driver.set_network_conditions(offline=True, latency=0, throughput=0)
    first.find("#section-impression").send_keys("From the first window.")
    second.find("#section-impression").send_keys("From the second window.")
    second.see("Saved", ".save-state")
    first.driver.delete_network_conditions()
    first.see("Two versions of the report")
    first.see("From the second window.", "dialog")
    first.see("From the first window.", "dialog")
    first.click("dialog .primary")
    first.see("Saved", ".save-state")
    look = site.room.desk.look(uid, site.people.find("li.wei"))
    assert "From the first window." in str(look.draft)
    assert "From the second window." not in str(look.draft)


def test_a_text_that_was_not_shown_is_not_signed(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    first, second = open_page(), open_page()
    draft(first, uid)
    second.open(uid)
    second.click("#tab-report")
    first.click(".report-foot .primary")
    first.find("#sign-password").send_keys(PASSWORD)
    second.find("#section-impression").send_keys("From the second window.")
    second.see("Saved", ".save-state")
    first.see("The report changed while you were about to sign it", "#banners")
    assert first.all("dialog[open] #sign-password") == []
    assert not site.room.casebook.reports_of(uid)


def test_that_a_colleague_signed_meanwhile_is_told_beside_what_else_happened(site, open_page):
    colleague = site.add("a.meyer", name="Anna Meyer")
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    draft(page, uid)
    desk = site.room.desk
    desk.break_lock(uid, colleague, "Called away")
    desk.sign(uid, colleague, revision=desk.look(uid, colleague).revision, key="meanwhile")
    page.see("while you were reading", "#banners")
    page.see("The report was signed meanwhile", "#banners")


def test_the_signature_follows_what_stands_in_its_way(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9, SECOND.name: 0.3})
    page, other = open_page(), open_page()
    draft(page, uid)
    page.click(".report-foot .primary")
    page.see("Not decided yet: Opacity", "dialog .message.warn")
    assert not page.find("button[form=sign-form]").is_enabled()
    other.open(uid)
    other.press("r")
    other.see("Why is it rejected?")
    other.press("1")
    other.see("Rejected", "article.finding.is-selected")
    page.see("Decisions changed since the report was saved", "dialog .message.warn")
    page.see_no("Not decided yet", "dialog .message.warn")
    page.press(Keys.ESCAPE)
    page.click("#report .message.warn button")
    page.press("s")
    page.find("#sign-password").send_keys(PASSWORD + Keys.ENTER)
    page.see("Signed", "#signs")


def test_another_doctor_s_lock_is_told_and_can_be_taken(site, open_page):
    colleague = site.add("a.meyer", name="Anna Meyer")
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    site.room.desk.take_lock(uid, colleague)
    page.press("a")
    page.see("Anna Meyer is working on this study")
    page.click(".banners button.small")
    page.find("#break-reason").send_keys("Called away" + Keys.ENTER)
    page.see("Held by you", "#signs")
    page.press("a")
    page.see("Accepted", "article.finding")


def test_a_reader_that_answers_while_one_reads_moves_nothing_quietly(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    assert len(page.all("article.finding")) == 1
    site.room.read(uid, SECOND, 0.8)
    page.see("Something changed while you were reading")
    page.wait(lambda: len(page.all("article.finding")) == 2)


def test_an_answer_that_comes_later_does_not_hide_that_images_arrived(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    site.room.late_image(1, 2)
    page.see("New images arrived", "#banners")
    page.js("document.querySelector('#banners button').focus()")
    site.room.read(uid, SECOND, 0.8)
    page.see("second-opinion 0.9.0 gave a new answer", "#banners")
    page.see("New images arrived", "#banners")
    assert page.js("return document.activeElement.innerText") == "Show the new images"
    page.press(Keys.ENTER)
    page.see_no("New images arrived", "#banners")
    site.room.read(uid, CHEST, 0.85, version=2)
    page.see("chest-radiograph 1.2.3 gave a new answer", "#banners")
    assert "New images arrived" not in page.text("#banners")


def test_what_happens_meanwhile_leaves_the_focus_where_it_is(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    page.press("r")
    page.see("Why is it rejected?")
    page.press(Keys.TAB)
    second = page.js("return document.activeElement.innerText")
    site.room.read(uid, SECOND, 0.8)
    page.wait(lambda: len(page.all("article.finding")) == 2)
    assert page.js("return document.activeElement.innerText") == second
    page.press(Keys.ENTER)
    page.see("Rejected · Wrong place", "article.finding.is-selected")


def test_a_reason_s_number_counts_wherever_in_the_card_the_focus_is(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    page.press("r")
    page.see("Why is it rejected?")
    page.click("article.finding h3")
    page.press("3")
    page.see("Rejected · Wrong label", "article.finding.is-selected")


def test_a_study_deleted_meanwhile_is_told_and_the_words_stay(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    page.press("a", "d")
    page.find("#section-impression").send_keys("Still here.")
    page.see("Saved", ".save-state")
    site.archive.delete_study(uid, "test", site.clock())
    page.see("This study has been deleted.")
    assert page.find("#section-impression").get_attribute("value") == "Still here."


@pytest.mark.parametrize("site", [Policy(default_mode=Mode.BLIND_FIRST)], indirect=True)
def test_blind_first_shows_the_readers_after_the_impression(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.93})
    page = open_page()
    page.open(uid)
    page.see("Your impression first")
    assert "93%" not in page.driver.page_source
    page.press("a")
    page.js("document.querySelector('[name=is_abnormal][value=yes]').click()")
    page.js("document.querySelectorAll('[name=confidence]')[3].click()")
    page.find("#impression-text").send_keys("Right lower opacity")
    page.hold(Keys.CONTROL, Keys.ENTER)
    page.see("93%")
    page.see("Right lower opacity", ".own-impression")


@pytest.mark.parametrize("site", [Policy(nudge_rate=1.0)], indirect=True)
def test_a_nudge_asks_before_accepting(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.93})
    page = open_page()
    page.open(uid)
    page.press("a")
    page.see("Before you accept")
    page.press("Density above the hilum", Keys.ENTER)
    page.see("Accepted", "article.finding")
    review = site.room.desk.look(uid, site.people.find("li.wei"))
    assert review.decisions[0].nudge == "Density above the hilum"


def test_a_finding_of_one_s_own_is_said_and_taken_back(site, open_page):
    uid = site.room.study(1, {})
    page = open_page()
    page.open(uid)
    page.press("o")
    page.find("#statement-label").send_keys("Pneumothorax")
    page.find("#statement-comment").send_keys("Apical, small.")
    page.hold(Keys.CONTROL, Keys.ENTER)
    page.see("Pneumothorax", "article.finding.own")
    review = site.room.desk.look(uid, site.people.find("li.wei"))
    assert review.decisions[0].statement.code.value == "36118008"
    page.click("article.finding.own button:last-child")
    page.wait(lambda: not page.all("article.finding.own"))


def test_no_string_of_anybody_runs(site, open_page):
    facts = dict.fromkeys(
        ("PatientName", "PatientID", "StudyDescription", "InstitutionName", "AccessionNumber"), EVIL
    )
    uid = site.room.study(1, {CHEST.name: 0.9}, **facts | {"AccessionNumber": EVIL[:16]})
    colleague = site.add("evil", name=EVIL[:60])
    site.room.desk.ask_colleague(uid, colleague, site.people.find("li.wei").id, EVIL, key="k-12345678")
    page = open_page()
    for path in ("/", f"/?q={EVIL[:40]}", f"/studies/{uid}#questions"):
        page.go(path)
        page.wait(lambda: page.js("return document.readyState") == "complete")
    page.open(uid)
    page.press("o")
    page.find("#statement-label").send_keys(EVIL[:60])
    page.find("#statement-comment").send_keys(EVIL)
    page.hold(Keys.CONTROL, Keys.ENTER)
    page.see("alert(1)", "article.finding.own")
    page.press("d")
    page.find("#section-impression").send_keys(EVIL)
    page.see("Saved", ".save-state")
    page.driver.refresh()
    page.click("#tab-report")
    page.wait(lambda: page.find("#section-impression").get_attribute("value") == EVIL)
    assert not page.alerted()
    assert page.js("return document.querySelectorAll('img[src=x], body script:not([type])').length") == 0
    assert [text for text in page.faults() if "Content Security" in text or "alert" in text] == []


def test_the_list_tells_of_what_is_new_and_moves_nothing_by_itself(site, open_page):
    site.room.study(1, {})
    page = open_page()
    page.see("Live", "#live")
    site.room.study(2, {CHEST.name: 0.95}, StudyDescription="STAT chest")
    page.see("1 new study that cannot wait", "#fresh")
    assert len(page.all("tr.case")) == 1
    page.press(".")
    page.wait(lambda: len(page.all("tr.case")) == 2)
    assert page.all("tr.case")[0].get_attribute("data-uid") == "1.2.2"


def test_the_back_button_shows_the_present_state(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    page.press("a")
    page.see("Accepted", "article.finding")
    page.go("/")
    page.see("Begun", "tr.case")
    page.driver.back()
    page.see("Accepted", "article.finding")
    page.driver.back()


def test_the_page_of_keys_opens_and_closes(site, open_page):
    page = open_page()
    page.press("?")
    page.see("Next study", "dialog")
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.all("dialog"))


def test_the_same_in_chinese(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.95}, PatientName="Wang^XiaoDong=王^小东")
    page = open_page()
    page.click("form.language button")
    page.see("王小东")
    page.press(Keys.ENTER)
    page.wait(lambda: page.driver.current_url.endswith(uid))
    page.see("高度符合")
    page.press("a")
    page.see("已接受", "article.finding")
    page.press("d")
    page.find("#section-impression").send_keys("考虑感染性病变，请结合临床。")
    page.see("已保存", ".save-state")
    page.click(".report-foot .primary")
    page.find("#sign-password").send_keys(PASSWORD + Keys.ENTER)
    page.see("已签发", "#signs")
    page.see("考虑感染性病变，请结合临床。", ".signed-report")
    assert site.room.casebook.reports_of(uid)[0].draft.language == "zh"


def test_every_page_fits_a_tablet_and_large_screens(site, open_page):
    site.add("all", *Role)
    site.room.study(1)
    page = open_page("all")
    for size in ((820, 1180), (1280, 800), (1920, 1080)):
        page.driver.set_window_size(*size)
        for path in (
            "/",
            "/studies/1.2.1",
            "/system",
            "/quality",
            "/audit",
            "/settings",
            "/account",
            "/people",
        ):
            page.go(path)
            excess = page.js(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert excess <= 0, f"{path} at {size[0]}: {excess} px too wide"
    assert page.faults() == []


def test_an_addendum_begins_with_what_was_decided_since(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    draft(page, uid)
    page.click(".report-foot .primary")
    page.find("#sign-password").send_keys(PASSWORD + Keys.ENTER)
    page.see("Signed", "#signs")
    site.room.read(uid, SECOND, 0.8)
    page.see("Images or AI answers came after the signature.")
    page.click("#tab-findings")
    page.wait(lambda: len(page.all("article.finding")) == 2)
    page.click("article.finding:not(.verdict-accepted) button.accept")
    page.wait(lambda: len(page.all("article.finding.verdict-accepted")) == 2)
    page.press("d")
    page.wait(lambda: "pacity" in page.find("#section-findings").get_attribute("value"))
    page.find("#section-impression").send_keys("Second opinion agrees.")
    page.click(".report-foot .primary")
    page.find("#sign-password").send_keys(PASSWORD + Keys.ENTER)
    page.see("Amended", "#signs")
    assert len(site.room.casebook.reports_of(uid)) == 2
    assert page.faults() == []


def test_a_report_signed_by_a_colleague_meanwhile_leaves_the_words(site, open_page):
    colleague = site.add("a.meyer", name="Anna Meyer")
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    draft(page, uid)
    me = site.people.find("li.wei")
    site.room.desk.break_lock(uid, colleague, "Called away")
    look = site.room.desk.look(uid, colleague)
    site.room.desk.sign(uid, colleague, revision=look.revision, key="k-12345678")
    site.room.desk.release_lock(uid, colleague)
    page.see("Signed", "#signs")
    page.see("Sign the addendum", ".report-foot")
    assert site.room.desk.look(uid, me).reports[0].person_name == "Anna Meyer"


def test_phrases_are_kept_and_put_in_by_keys(site, open_page):
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    page.press("d")
    page.find("#section-impression").send_keys("No acute finding.")
    page.hold(Keys.ALT, "p")
    page.find("#phrase-new").send_keys("Compare with the CT of last year.")
    page.click("dialog .field .button")
    page.see("Compare with the CT of last year.", ".phrase-list")
    page.find("#phrase-search").send_keys("CT of" + Keys.ENTER)
    page.wait(lambda: "last year" in page.find("#section-impression").get_attribute("value"))
    assert page.find("#section-impression").get_attribute("value").splitlines() == [
        "No acute finding.",
        "Compare with the CT of last year.",
    ]


def test_a_box_is_drawn_for_a_finding_of_one_s_own(site, open_page):
    uid = site.room.study(1, {})
    page = open_page()
    page.open(uid)
    page.wait(lambda: not page.js("return 'loading' in document.getElementById('viewer').dataset"))
    page.press("o")
    page.find("#statement-label").send_keys("Mass")
    page.click("#sheet .field .button-row button")
    page.see("Draw on the image", "#viewer-words")
    layer = page.find(".viewer-layer")
    ActionChains(page.driver).move_to_element_with_offset(layer, -60, -60).click_and_hold().move_by_offset(
        90, 80
    ).release().perform()
    page.see("Box", "#sheet")
    page.hold(Keys.CONTROL, Keys.ENTER)
    page.see("Mass", "article.finding.own")
    box = site.room.desk.look(uid, site.people.find("li.wei")).decisions[0].statement.boxes[0]
    assert box.width_px > 3
    assert box.height_px > 3


def test_where_the_viewer_cannot_start_a_simple_one_shows_the_images(site, open_page, monkeypatch):
    uid = site.room.study(1, {}, modality="CT", images=3)
    page = open_page("")
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*coread-viewer.js*"]})
    page.log_in()
    page.open(uid)
    page.see("Simple viewer", "#viewer-words")
    page.see("1 / 3", ".plain-tools")
    page.find(".plain-stage").send_keys(Keys.ARROW_DOWN)
    page.see("2 / 3", ".plain-tools")
    page.press("o")
    page.find("#statement-label").send_keys("Nodule")
    page.click("#sheet .field .button-row button")
    marks = page.find(".plain-marks")
    ActionChains(page.driver).move_to_element_with_offset(marks, -40, -40).click_and_hold().move_by_offset(
        60, 60
    ).release().perform()
    page.see("Box", "#sheet")
    page.hold(Keys.CONTROL, Keys.ENTER)
    page.see("Nodule", "article.finding.own")
    stated = site.room.desk.look(uid, site.people.find("li.wei")).decisions[0].statement
    assert stated.boxes
    assert stated.image.sop_instance_uid == site.room.refs(uid)[1].sop_instance_uid


def test_nothing_of_one_doctor_stays_for_the_next(site, open_page):
    site.add("a.meyer", name="Anna Meyer")
    uid = site.room.study(1, {CHEST.name: 0.9})
    page = open_page()
    page.open(uid)
    page.js(
        "sessionStorage.setItem(arguments[0], '{}')", f"coread.draft.{site.people.find('li.wei').id}.{uid}"
    )
    page.click("[data-menu] summary")
    page.click('form[action="/logout"] button')
    page.wait(lambda: "/login" in page.driver.current_url)
    assert (
        page.js("return Object.keys(sessionStorage).filter((name) => name.startsWith('coread.')).length") == 0
    )
