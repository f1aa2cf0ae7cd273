"""Debian's Chromium, driven as a person would use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
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
    "--force-device-scale-factor=1",
)


@contextmanager
def chromium(
    program: str, driver: str, folder: Path, size_px: tuple[int, int] = (1280, 800)
) -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium with a profile of its own in `folder`."""
    options = Options()
    options.binary_location = program
    for argument in (*ARGUMENTS, f"--user-data-dir={folder}", f"--window-size={size_px[0]},{size_px[1]}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    browser.set_script_timeout(60)
    try:
        yield browser
    finally:
        browser.quit()
