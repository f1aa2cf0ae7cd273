"""A browser as a doctor uses it: keys, clicks, waiting for what is on the screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from identity_site import PASSWORD
from page_site import PageSite
from selenium.common.exceptions import (
    NoAlertPresentException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

#: What a browser says of itself without a GPU, and of a refused request; not faults of the pages.
_BORNE = ("Automatic fallback to software WebGL", "GL Driver Message", "Failed to load resource")

_SCENE = """
  const words = (selector) => [...document.querySelectorAll(selector)].map((one) => one.innerText);
  const { tagName, id, className } = document.activeElement ?? {};
  return JSON.stringify({
    banners: words(".banners"), dialogs: words("dialog[open]"),
    selected: words("article.finding.is-selected"), focus: [tagName, id, className, document.hasFocus()],
  });
"""


class Page:
    """One window."""

    def __init__(self, driver: Chrome, site: PageSite) -> None:
        self.driver = driver
        self.site = site
        server = site.client()
        self.root = str(server.base_url).rstrip("/")

    def go(self, path: str) -> None:
        self.driver.get(self.root + path)

    def log_in(self, login: str = "li.wei") -> None:
        self.go("/login")
        self.find("#login").send_keys(login)
        self.find("#password").send_keys(PASSWORD + Keys.ENTER)
        self.wait(lambda: "/login" not in self.driver.current_url)

    def find(self, selector: str) -> WebElement:
        """Return an element, waiting for it."""
        return self.wait(lambda: self.driver.find_element(By.CSS_SELECTOR, selector), selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def click(self, selector: str) -> None:
        self.wait(
            lambda: self.driver.find_element(By.CSS_SELECTOR, selector).click() or True, f"click {selector}"
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def hold(self, key: str, other: str) -> None:
        ActionChains(self.driver).key_down(key).send_keys(other).key_up(key).perform()

    def js(self, script: str, *given: Any) -> Any:
        return self.driver.execute_script(script, *given)

    def wait(self, holds: Callable[[], Any], what: str = "", seconds: float = 20) -> Any:
        """Wait until something is true, and return it."""
        until = time.monotonic() + seconds
        while True:
            try:
                if found := holds():
                    return found
            except (StaleElementReferenceException, WebDriverException) as error:
                last: object = error
            else:
                last = "not so"
            assert time.monotonic() < until, f"waited in vain for {what or holds}: {last}; {self.scene()}"
            time.sleep(0.05)

    def scene(self) -> str:
        """Tell what explains a failed wait: banners, dialogs, the selected finding, where the keys go."""
        try:
            return str(self.js(_SCENE))
        except WebDriverException as error:
            return f"nothing can be said of the page: {error.msg}"

    def see(self, words: str, selector: str = "body") -> None:
        """Wait until words stand in a part of the page."""
        self.wait(
            lambda: words in self.driver.find_element(By.CSS_SELECTOR, selector).text,
            f"{words!r} in {selector}",
        )

    def see_no(self, words: str, selector: str = "body") -> None:
        self.wait(
            lambda: words not in self.driver.find_element(By.CSS_SELECTOR, selector).text, f"no {words!r}"
        )

    def open(self, uid: str) -> None:
        """Open a study and wait until its page hears keys."""
        self.go(f"/studies/{uid}")
        self.wait(
            lambda: self.js("return document.querySelector('#signs').children.length > 0"), "the study page"
        )

    def faults(self) -> list[str]:
        """Return what the browser complained of: script errors, policy violations."""
        said = [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in {"SEVERE", "WARNING"}
        ]
        return [text for text in said if not any(words in text for words in _BORNE)]

    def alerted(self) -> bool:
        """Tell whether a script opened an alert."""
        try:
            self.driver.switch_to.alert.dismiss()
        except NoAlertPresentException:
            return False
        return True
