"""A whole clinic behind the browser: an Orthanc and a record system that results go to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from chromium import chromium
from journey_clinic import JourneyClinic, journey_clinic
from journey_records import RecordSystem, record_system
from journey_room import Room
from orthanc_peer import orthanc_server

orthanc = pytest.fixture(scope="session")(orthanc_server)


@pytest.fixture(scope="session")
def records() -> Iterator[RecordSystem]:
    """Give the record system."""
    with record_system() as records:
        yield records


@pytest.fixture(scope="session")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, orthanc: tuple[str, int], records: RecordSystem
) -> Iterator[JourneyClinic]:
    """Give the clinic, with two doctors."""
    with journey_clinic(tmp_path_factory.mktemp("clinic"), orthanc, records) as clinic:
        clinic.add("a.meyer", "Anna Meyer", language="en")
        clinic.add("li.wei", "李伟", language="zh")
        yield clinic


@pytest.fixture
def room(
    clinic: JourneyClinic, tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Room]:
    """Give a browser of its own."""
    with chromium(tool("chromium"), tool("chromedriver"), tmp_path_factory.mktemp("profile")) as browser:
        yield Room(browser, clinic.url)
