"""A site with one doctor and one study, anew for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_site import PageSite, Visitor, page_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PageSite]:
    """Give a site without studies; a doctor, LI Wei, has an account."""
    with page_site(tmp_path) as site:
        site.add()
        yield site


@pytest.fixture
def doctor(site: PageSite) -> Visitor:
    """Give the doctor's browser."""
    return site.enter()


@pytest.fixture
def uid(site: PageSite) -> str:
    """Give a study that two readers have read."""
    return site.room.study()


@pytest.fixture(scope="module")
def kept_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageSite]:
    """Give a site with one study and one doctor that a module's tests share and leave as it is."""
    with page_site(tmp_path_factory.mktemp("kept")) as site:
        site.add()
        site.room.study()
        yield site


@pytest.fixture(scope="module")
def kept_doctor(kept_site: PageSite) -> Visitor:
    """Give the doctor's browser on the shared site."""
    return kept_site.enter()
