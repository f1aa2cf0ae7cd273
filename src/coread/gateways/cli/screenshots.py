"""Pictures of the reading room, taken by a browser that logs in as a person would."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_SIZE_PX = (1440, 900)
_PATIENCE_S = 60
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    f"--window-size={_SIZE_PX[0]},{_SIZE_PX[1]}",
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One page to be shown."""

    name: str
    path: str
    ready: str
    """CSS selector of what must be there first."""


def why_not() -> str:
    """Say what is missing for taking pictures; empty if nothing is."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        return "no Chromium with its driver on this machine (Debian: chromium chromium-driver)"
    try:
        import selenium  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return "the package selenium is not installed"
    return ""


def take(
    site: str, login: tuple[str, str], pictures: Sequence[Picture], folder: Path, taken: Callable[[], object]
) -> list[Path]:
    """Log in and take each picture in English and Chinese; return where they lie.

    Parameters
    ----------
    site
        Address of the reading room, no trailing slash.
    login
        Login and password.
    pictures
        What is shown.
    folder
        Made if absent; files are ``<name>.<language>.png``.
    taken
        Called after each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with _browser() as browser:
        _log_in(browser, site, login)
        for language in ("en", "zh"):
            browser.add_cookie({"name": "language", "value": language})
            for picture in pictures:
                found.append(_taken(browser, site, picture, folder / f"{picture.name}.{language}.png"))
                taken()
    return found


@contextmanager
def _browser() -> Iterator[Chrome]:
    from selenium import webdriver  # noqa: PLC0415 - an extra

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    with tempfile.TemporaryDirectory(prefix="coread-browser-") as profile:
        for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        service = webdriver.ChromeService(executable_path=str(shutil.which("chromedriver")))
        browser = webdriver.Chrome(options, service)
        try:
            yield browser
        finally:
            browser.quit()


def _log_in(browser: Chrome, site: str, login: tuple[str, str]) -> None:
    browser.get(f"{site}/login")
    for name, value in zip(("login", "password"), login, strict=True):
        browser.find_element("name", name).send_keys(value)
    browser.find_element("name", "password").submit()
    _wait(browser, "#worklist, main")


def _taken(browser: Chrome, site: str, picture: Picture, path: Path) -> Path:
    browser.get(site + picture.path)
    _wait(browser, picture.ready)
    browser.save_screenshot(str(path))
    return path


def _wait(browser: Chrome, selector: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait  # noqa: PLC0415 - an extra

    WebDriverWait(browser, _PATIENCE_S).until(lambda b: b.find_elements("css selector", selector))
