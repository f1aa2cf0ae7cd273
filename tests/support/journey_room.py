"""The reading room in a real browser: what a person does there, and what a person sees."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from journey_clinic import PASSWORD
from selenium.common.exceptions import (
    NoAlertPresentException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

PATIENCE_S = 30.0
_CTRL = Keys.CONTROL

#: Put into each page before its own scripts: notes what no page of ours may do.
_WATCH = """
(() => {
  if (window.journeyFaults) return;
  const faults = [];
  Object.defineProperty(window, 'journeyFaults', { value: faults });
  addEventListener('securitypolicyviolation', (e) =>
    faults.push(`policy ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  addEventListener('error', (e) => {
    if (e.message) faults.push(`error ${e.message} ${e.filename}:${e.lineno}`);
  });
  addEventListener('unhandledrejection', (e) => faults.push(`rejection ${e.reason}`));
})();
"""


class Room:
    """One browser in one reading room.

    Parameters
    ----------
    browser
        Chromium.
    url
        Address of the reading room, without a trailing slash.
    """

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url
        self.watch()

    # ---------- coming and going ----------

    def watch(self) -> None:
        """Note from now on what the pages of this tab do wrong."""
        self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})

    def login(self, login: str, password: str = PASSWORD, path: str = "/") -> None:
        """Log in by the form, as a new person at this browser."""
        self.leave()
        self.browser.get(f"{self.url}/login?next={path}")
        self.type("login", login)
        self.type("password", password)
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        self.wait("return !location.pathname.startsWith('/login')")

    def leave(self) -> None:
        """Forget whoever was here before, and what this browser has kept."""
        self.browser.get(f"{self.url}/static/icon.svg")
        self.script("sessionStorage.clear(); localStorage.clear()")
        self.browser.delete_all_cookies()

    def type(self, name: str, words: str) -> None:
        """Type into a form's field by its name."""
        field = self.browser.find_element("name", name)
        field.clear()
        field.send_keys(words)

    def go(self, path: str) -> None:
        """Go to an address."""
        self.browser.get(self.url + path)

    def speak(self, language: str) -> None:
        """Have the pages of this browser in a language."""
        self.browser.add_cookie({"name": "language", "value": language})

    def wait_list(self) -> None:
        """Wait until the list's scripts run and it hears of what is new."""
        self.wait("return document.getElementById('live')?.dataset.state === 'open'")

    def answer_alert(self) -> None:
        """Say yes where the browser asks whether to leave a page with unsaved words."""
        with contextlib.suppress(NoAlertPresentException):
            self.browser.switch_to.alert.accept()

    def open(self, study_uid: str) -> None:
        """Open a study by its address, and wait until it can be worked on."""
        self.go(f"/studies/{study_uid}")
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the study page's scripts run and its first image is shown."""
        self.wait("return document.readyState === 'complete' && !!document.querySelector('#findings > *')")
        self.wait("const v = document.getElementById('viewer'); return v && !('loading' in v.dataset)")

    def open_from_list(self, study_uid: str) -> None:
        """Go to the list and click on a study."""
        self.go("/")
        self.click(f'tr[data-uid="{study_uid}"] a.case-link')
        self.wait_ready()

    # ---------- looking ----------

    def script(self, text: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.browser.execute_script(text, *arguments)

    def wait(self, script: str, *arguments: Any, timeout_s: float = PATIENCE_S) -> Any:
        """Wait until a script answers something true; give the answer."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                found = self.script(script, *arguments)
            except WebDriverException:  # between two pages
                found = None
            if found:
                return found
            if time.monotonic() > until:
                raise TimeoutError(f"{script} {arguments}: {self.text('body')[:1500]}")
            time.sleep(0.05)

    def wait_text(self, words: str, selector: str = "body") -> None:
        """Wait until words stand somewhere on the page."""
        self.wait(
            "return [...document.querySelectorAll(arguments[0])]"
            ".some((e) => e.innerText.includes(arguments[1]))",
            selector, words,
        )  # fmt: skip

    def review(self) -> dict[str, Any]:
        """Return the review that the server tells the open study page now."""
        path = "`/api/v1${location.pathname}/review`"
        return dict(self.script(f"return fetch({path}).then((answer) => answer.json())"))

    def text(self, selector: str = "body") -> str:
        """Return what is to be read in the first element that fits."""
        return str(self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def has(self, selector: str) -> bool:
        """Tell whether something stands on the page and is seen."""
        seen = "return [...document.querySelectorAll(arguments[0])].some((e) => e.checkVisibility())"
        return bool(self.script(seen, selector))

    def find(self, selector: str, words: str = "") -> WebElement:
        """Wait for an element that is seen, by a selector and words of it."""
        found = self.wait(
            "return [...document.querySelectorAll(arguments[0])]"
            ".find((e) => e.checkVisibility() && e.innerText.includes(arguments[1]))",
            selector, words,
        )  # fmt: skip
        assert isinstance(found, WebElement)
        return found

    # ---------- acting ----------

    def click(self, selector: str, words: str = "") -> None:
        """Click as with a mouse; once more if the page was drawn anew at that moment."""
        for last in (False, False, True):
            try:
                element = self.find(selector, words)
                self.script("arguments[0].scrollIntoView({block: 'center'})", element)
                element.click()
                return
            except StaleElementReferenceException:
                if last:
                    raise

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def press_with_ctrl(self, key: str) -> None:
        """Press a key with Ctrl held."""
        ActionChains(self.browser).key_down(_CTRL).send_keys(key).key_up(_CTRL).perform()

    def csrf(self) -> str:
        """Return the token that changes from this page must bring."""
        return str(self.script("return document.querySelector('meta[name=csrf-token]').content"))

    def focus(self) -> str:
        """Say what has the focus: its id, else its name or tag."""
        return str(
            self.script("const e = document.activeElement; return e.id || e.name || e.tagName.toLowerCase()")
        )

    def tab_to(self, selector: str, most: int = 80) -> None:
        """Press Tab until what fits a selector has the focus, as who has no mouse does."""
        for _ in range(most):
            if self.script("return document.activeElement.matches(arguments[0])", selector):
                return
            self.press(Keys.TAB)
        raise AssertionError(f"Tab does not lead to {selector}; it leads to {self.focus()}")

    def settle(self) -> None:
        """Wait until no act of the study page is on its way."""
        self.wait("return !document.querySelector('.deciding')")
        self.script("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    # ---------- images ----------

    def corner(self) -> str:
        """Return what the viewer writes at the image: which one of how many, and more."""
        return str(
            self.script(
                "return [...document.querySelectorAll('.crv-corner')].map((e) => e.innerText).join('\\n')"
            )
        )

    def wheel(self, steps: int) -> None:
        """Turn the wheel over the image, downwards if positive."""
        surface = self.find(".crv-surface")
        for _ in range(abs(steps)):
            origin = ScrollOrigin.from_element(surface)
            ActionChains(self.browser).scroll_from_origin(origin, 0, 120 if steps > 0 else -120).perform()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag over the image, from and to a share of its pane: (0, 0) is its top left corner."""
        surface = self.find(".crv-surface")
        size = surface.rect
        places = [
            (round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])) for x, y in (start, end)
        ]
        chain = ActionChains(self.browser, duration=80)
        chain.move_to_element_with_offset(surface, *places[0]).click_and_hold()
        chain.move_by_offset((places[1][0] - places[0][0]) // 2, (places[1][1] - places[0][1]) // 2)
        chain.move_to_element_with_offset(surface, *places[1]).release().perform()

    # ---------- findings ----------

    def findings(self) -> list[str]:
        """Return the UIDs of the findings in the order of the panel."""
        cards = "document.querySelectorAll('article.finding:not(.own)')"
        return list(self.script(f"return [...{cards}].map((e) => e.dataset.uid)"))

    def verdict(self, finding_uid: str) -> str:
        """Return the verdict that a card shows; empty where there is none."""
        card = f'article.finding[data-uid="{finding_uid}"] .verdict'
        classes = str(self.script("return document.querySelector(arguments[0])?.className ?? ''", card))
        return classes.rpartition("verdict-")[2] if classes else ""

    def wait_verdict(self, finding_uid: str, verdict: str) -> None:
        """Wait until a card shows a verdict."""
        until = time.monotonic() + PATIENCE_S
        while self.verdict(finding_uid) != verdict:
            assert time.monotonic() < until, f"{self.verdict(finding_uid)!r} stands there: {self.banners()}"
            time.sleep(0.05)

    def card(self, finding_uid: str) -> str:
        """Return the selector of a finding's card."""
        return f'article.finding[data-uid="{finding_uid}"]'

    def accept(self, finding_uid: str) -> None:
        """Accept by its button."""
        self.click(f"{self.card(finding_uid)} button.accept")
        self.wait_verdict(finding_uid, "accepted")

    def reject(self, finding_uid: str, reason: int = 4) -> None:
        """Reject by the button and one of the coded reasons, counted from 1."""
        self.click(f"{self.card(finding_uid)} .decide button:nth-child(3)")
        self.click(f"{self.card(finding_uid)} .reasons button:nth-child({reason})")
        self.wait_verdict(finding_uid, "rejected")

    def edit(self, finding_uid: str, label: str, comment: str = "") -> None:
        """Put another label in a finding's place."""
        self.click(f"{self.card(finding_uid)} .decide button:nth-child(2)")
        self.fill("#statement-label", label)
        if comment:
            self.fill("#statement-comment", comment)
        self.click("#sheet .sheet-foot button.primary")
        self.wait_verdict(finding_uid, "edited")

    def fill(self, selector: str, words: str) -> None:
        """Write into a field in place of what stood there."""
        field = self.find(selector)
        field.send_keys(_CTRL, "a")
        field.send_keys(Keys.DELETE, words)

    # ---------- report ----------

    def write(self, section: str, words: str) -> None:
        """Write at the end of a section of the report."""
        field = self.find(f"#section-{section}")
        field.send_keys(Keys.CONTROL, Keys.END)
        field.send_keys(Keys.CONTROL, Keys.NULL)
        field.send_keys(words)

    def section(self, name: str) -> str:
        """Return what stands in a section."""
        return str(self.script("return document.getElementById(arguments[0]).value", f"section-{name}"))

    def open_draft(self) -> None:
        """Turn to the report and let a draft be made."""
        self.click("#tab-report")
        if self.has("#report .empty button"):
            self.click("#report .empty button")
        self.wait("return !!document.querySelector('#section-impression')")

    def sign(self, password: str = PASSWORD) -> None:
        """Sign by the button and the password."""
        self.click(".report-foot button.primary")
        self.fill("#sign-password", password)
        self.click('dialog button[form="sign-form"]')

    def wait_signed(self, reports: int = 1) -> None:
        """Wait until so many signed reports stand on the page."""
        self.wait(f"return document.querySelectorAll('.signed-report').length >= {reports}")

    def banners(self) -> str:
        """Return what stands above everything."""
        return self.text("#banners")

    # ---------- judging ----------

    def faults(self) -> list[str]:
        """Return what the pages did wrong: breaches of the policy, errors, scripts that were let in."""
        told = list(self.script("return [...(window.journeyFaults ?? [])]"))
        told += [str(entry) for entry in self.log() if _is_fault(entry)]
        if self.script("return typeof window.__pwned") != "undefined":
            told.append("a hostile string ran as a script")
        return told

    def log(self) -> Sequence[dict[str, Any]]:
        """Return the browser's console since the last look."""
        return self.browser.get_log("browser")

    def picture(self, path: Path) -> None:
        """Take a picture of what is on the screen."""
        self.browser.save_screenshot(str(path))

    @contextmanager
    def second_tab(self) -> Iterator[str]:
        """Open another tab of the same browser for a while; gives the first one's handle."""
        first = self.browser.current_window_handle
        self.browser.switch_to.new_window("tab")
        self.watch()
        second = self.browser.current_window_handle
        try:
            yield first
        finally:
            self.browser.switch_to.window(second)
            self.script("window.onbeforeunload = null")
            self.browser.close()
            self.browser.switch_to.window(first)


def _is_fault(entry: dict[str, Any]) -> bool:
    """Tell whether the console speaks of a breach of the policy or an error of a script.

    That an address answered with a fault is "network", and may be what a test is about.
    """
    is_ours = entry["source"] in {"security", "javascript", "violation"}
    return is_ours or "Content Security Policy" in entry["message"]
