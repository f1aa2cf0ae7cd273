"""A site served on loopback, and Debian's Chromium before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from chromium import chromium
from page_browser import Page
from page_site import PageSite, page_site

from coread.review import Policy


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PageSite]:
    """Give a site with a doctor; a test may name another policy as parameter."""
    with page_site(tmp_path, getattr(request, "param", Policy())) as site:
        site.add()
        yield site


@pytest.fixture
def open_page(site: PageSite, tool: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a browser of its own, logged in or not."""
    programs = tool("chromium"), tool("chromedriver")
    with ExitStack() as stack:

        def opened(login: str = "li.wei", size_px: tuple[int, int] = (1280, 900)) -> Page:
            folder = tmp_path / f"profile-{len(list(tmp_path.glob('profile-*')))}"
            driver = stack.enter_context(chromium(*programs, folder, size_px))
            page = Page(driver, site)
            if login:
                page.log_in(login)
            return page

        yield opened
