"""Each page, each state of the study page: axe-core finds nothing serious, in English and Chinese.

Pages of administration are light, the study page is dark: each is looked at as it is shown.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey_clinic import JourneyClinic
from journey_room import Room
from prompting import middle_of
from selenium.webdriver.common.keys import Keys

from coread.clinic import Clinic, now
from coread.domain.person import Person, Role
from coread.testing.nodules import DrawnNodule

pytestmark = [pytest.mark.peer, pytest.mark.slow]

_LOCKED = Path(__file__).with_name("axe")
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) =>
      `${impact} ${id}: ${target.join(" ")}: ${failureSummary.split("\\n").slice(1, 3).join(" ")}`))),
  (fault) => done([`axe did not run: ${fault}`]));
"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give axe-core's script as the lockfile names it, or skip where npm cannot fetch it."""
    folder = tmp_path_factory.mktemp("axe")
    for file in _LOCKED.glob("package*.json"):
        shutil.copy(file, folder)
    npm = shutil.which("npm")
    command = [npm or "false", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        missing = pytest.fail if os.environ.get("COREAD_REQUIRE_PEERS") == "1" else pytest.skip
        missing(f"npm did not fetch axe-core: {done.stderr[-300:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def everybody(clinic: JourneyClinic) -> str:
    """Give the login of a person who may open every page."""
    if not any(person.login == "everybody" for person in clinic.clinic.people.list()):
        clinic.add("everybody", "Every Role", *Role)
    return "everybody"


class Checker:
    """Runs axe on whatever page is open."""

    def __init__(self, room: Room, axe: str) -> None:
        self.room = room
        self.axe = axe
        self.found: list[str] = []

    def check(self, what: str) -> None:
        """Look at the page as it is now."""
        self.room.script(self.axe)
        time.sleep(0.2)  # colours change softly
        self.found += [f"{what}: {line}" for line in self.room.browser.execute_async_script(_RUN)]

    def go(self, path: str) -> None:
        """Go to a page and look at it."""
        self.room.go(path)
        self.check(path)


@pytest.fixture
def checker(room: Room, axe: str) -> Iterator[Checker]:
    """Give a checker; what it has found fails the test."""
    checker = Checker(room, axe)
    yield checker
    assert not checker.found, "\n".join(checker.found)


def test_the_checker_sees_what_is_wrong(checker: Checker) -> None:
    checker.room.go("/login")
    checker.room.script("document.querySelector('main').append(document.createElement('img'))")
    checker.check("an image without words")
    assert "image-alt" in checker.found.pop()


def put_under_watch(clinic: Clinic, person: Person, study_uid: str) -> None:
    """Let the officer's page have something of each kind: a restriction, an opening, requests."""
    clinic.restrictions.restrict(study_uid, "Works in this house", by="person:test", at=now())
    clinic.emergencies.open(study_uid, person, "Needed in the night", now())
    clinic.approvals.ask("rotate-ledger-key", "", "It is a year old", person, now())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pages(checker: Checker, clinic: JourneyClinic, everybody: str, language: str) -> None:
    room = checker.room
    clinic.drawn(1)
    room.leave()
    room.speak(language)
    checker.go("/login")
    room.type("login", "nobody")
    room.type("password", "wrong wrong wrong")
    room.press(Keys.ENTER)
    room.find("[role=alert], .message.bad")
    checker.check("a failed login")
    checker.go("/login/done")
    room.login(everybody)
    room.speak(language)
    person = next(p for p in clinic.clinic.people.list() if p.login == "a.meyer")
    restricted = f"1.2.9.{len(clinic.clinic.restrictions.list()) + 1}"
    put_under_watch(clinic.clinic, person, restricted)
    for path in (
        "/", "/?state=signed&modality=CT&unread=1", "/account", "/people", f"/people/{person.id}", "/system",
        "/quality", "/quality/readers/chest-radiograph", "/oversight", "/approvals",
        f"/restricted/{restricted}", "/exports", "/audit", "/settings", "/studies/1.2.3.4.5", "/nothing",
    ):  # fmt: skip
        checker.go(path)
    room.go("/")
    room.wait_list()
    room.click("button.urgency")
    checker.check("the reasons of an urgency")
    room.press("?")
    checker.check("the keys of the list")


def test_the_study_page_in_each_state(checker: Checker, clinic: JourneyClinic) -> None:
    room = checker.room
    uid = clinic.real()
    room.login("a.meyer")
    room.open(uid)
    checker.check("findings")
    for part in room.browser.find_elements("css selector", "article.finding:first-of-type summary"):
        part.click()
    checker.check("findings with their evidence")
    first, second = room.findings()
    room.click(f"{room.card(first)} .decide button:nth-child(2)")
    checker.check("the sheet")
    room.press(Keys.ESCAPE)
    room.click(f"{room.card(second)} .decide button:nth-child(3)")
    checker.check("the reasons to reject")
    room.click(f"{room.card(second)} .reasons button:nth-child(4)")
    room.wait_verdict(second, "rejected")
    room.accept(first)
    checker.check("decided")
    room.open_draft()
    checker.check("the report")
    room.write("impression", "Shadows.")
    room.click(".report-foot button.primary")
    room.find("#sign-password")
    checker.check("the signature")
    room.press(Keys.ESCAPE)
    room.click("#tab-case")
    checker.check("the case")
    room.click("#tab-report")
    room.sign()
    room.wait_signed()
    checker.check("signed")
    room.press("?")
    checker.check("the keys")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_ct_with_a_reader_that_was_asked(checker: Checker, clinic: JourneyClinic, language: str) -> None:
    room = checker.room
    uid = clinic.nodule(DrawnNodule())
    prompt_image = middle_of(clinic.clinic, uid).sop_instance_uid
    room.login("li.wei" if language == "zh" else "a.meyer")
    room.open(uid)
    checker.check("readers that can be asked")
    asked = {"reader": "example-growing", "sop_instance_uid": prompt_image, "point": [60.5, 40.5]}
    room.script(
        "const [body, token] = arguments; return fetch(`/api/v1${location.pathname}/asked`, {method: 'POST',"
        " headers: {'Content-Type': 'application/json', 'X-CSRF-Token': token}, body: JSON.stringify(body)})"
        ".then((answer) => answer.status)",
        asked,
        room.csrf(),
    )
    room.find("article.finding .characteristics")
    for part in room.browser.find_elements("css selector", "article.finding:first-of-type summary"):
        part.click()
    checker.check("characteristics and similar cases")
    first = room.findings()[0]
    room.click(f"{room.card(first)} .decide button:nth-child(2)")
    room.find("#trait-0")
    checker.check("the sheet with characteristics")
    room.press(Keys.ESCAPE)
    room.accept(first)
    room.find("#follow-up-rule")
    checker.check("follow-up")


def test_the_study_page_in_chinese(checker: Checker, clinic: JourneyClinic) -> None:
    room = checker.room
    uid = clinic.drawn(1)
    room.login("li.wei")
    room.open(uid)
    checker.check("findings")
    room.accept(room.findings()[0])
    room.open_draft()
    checker.check("the report")
    room.write("impression", "未见异常。")
    room.click(".report-foot button.primary")
    room.find("#sign-password")
    checker.check("the signature")
