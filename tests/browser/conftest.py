"""One browser and one PACS for all journeys; a record system and a clinic for each module."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from chromium import chromium
from journey_clinic import JourneyClinic, journey_clinic
from journey_records import RecordSystem, record_system
from journey_room import Room
from orthanc_peer import orthanc_server
from selenium.webdriver import Chrome

_SIZE_PX = (1440, 900)

orthanc = pytest.fixture(scope="session")(orthanc_server)


def _required(name: str) -> str:
    """Return the path of a program, or skip; fail where every peer must be there."""
    path = shutil.which(name)
    if path is None:
        missing = pytest.fail if os.environ.get("COREAD_REQUIRE_PEERS") == "1" else pytest.skip
        missing(f"{name} is not installed (see CONTRIBUTING.md for the Debian packages)")
    return str(path)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Give one Chromium for all tests."""
    programs = _required("chromium"), _required("chromedriver")
    with chromium(*programs, tmp_path_factory.mktemp("profile"), _SIZE_PX) as browser:
        yield browser


@pytest.fixture(scope="module")
def records() -> Iterator[RecordSystem]:
    """Give a record system."""
    with record_system() as records:
        yield records


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, orthanc: tuple[str, int], records: RecordSystem
) -> Iterator[JourneyClinic]:
    """Give the clinic, with two doctors of two languages."""
    with journey_clinic(tmp_path_factory.mktemp("journey"), orthanc, records) as clinic:
        clinic.add("a.meyer", "Anna Meyer", language="en")
        clinic.add("li.wei", "李伟", language="zh")
        yield clinic


@pytest.fixture
def room(browser: Chrome, clinic: JourneyClinic) -> Iterator[Room]:
    """Give the browser at the clinic's door; what its pages did wrong fails the test."""
    room = Room(browser, clinic.url)
    room.log()
    yield room
    faults = room.faults()
    room.script("window.onbeforeunload = null")
    browser.get("about:blank")
    room.answer_alert()
    assert faults == []
