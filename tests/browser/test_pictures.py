"""The pictures of the documentation can be taken anew, and are all there.

``COREAD_NEW_PICTURES=1 python -m pytest tests/browser/test_pictures.py`` writes them into ``docs/pictures``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from journey_clinic import JourneyClinic, journey_clinic
from journey_pictures import LANGUAGES, NAMES, RULES, take_all
from journey_records import RecordSystem
from journey_room import Room
from PIL import Image

from coread.domain.person import Role

pytestmark = [pytest.mark.peer, pytest.mark.slow]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, orthanc: tuple[str, int], records: RecordSystem
) -> Iterator[JourneyClinic]:
    """Give a clinic with the one real reader."""
    folder = tmp_path_factory.mktemp("pictures")
    with journey_clinic(folder, orthanc, records, RULES, has_examples=False) as clinic:
        clinic.add("everybody", "Dr Anna Meyer", *Role)
        yield clinic


def test_pictures(room: Room, clinic: JourneyClinic, tmp_path: Path) -> None:
    is_new = os.environ.get("COREAD_NEW_PICTURES") == "1"
    folder, languages = (PICTURES, LANGUAGES) if is_new else (tmp_path, LANGUAGES[:1])
    taken = take_all(room, clinic, folder, languages)
    assert [path.name for path in taken] == [
        f"reading_room_{name}_{language}.png" for language in languages for name in NAMES
    ]
    assert {f"reading_room_{name}_{language}.png" for language in LANGUAGES for name in NAMES} == {
        path.name for path in PICTURES.glob("reading_room_*.png")
    }
    for path in taken:
        with Image.open(path) as picture, Image.open(PICTURES / path.name) as shown:
            assert picture.size == shown.size
            assert np.unique(np.asarray(picture)).size > 30
