"""A browser, a server, and studies whose every pixel is known."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from chromium import chromium
from selenium.webdriver import Chrome
from viewer_page import Page
from viewer_site import Site, viewer_site


def _required(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        missing = pytest.fail if os.environ.get("COREAD_REQUIRE_PEERS") == "1" else pytest.skip
        missing(f"{name} is not installed (see CONTRIBUTING.md for the Debian packages)")
    return str(path)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Give one Chromium for all tests."""
    programs = _required("chromium"), _required("chromedriver")
    with chromium(*programs, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a server that a module's tests fill and read."""
    with viewer_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def page(browser: Chrome, site: Site) -> Iterator[Page]:
    """Give a page; a fault of the script or a breach of the policy fails the test."""
    page = Page(browser, site)
    yield page
    assert page.faults() == []
    browser.get("about:blank")
