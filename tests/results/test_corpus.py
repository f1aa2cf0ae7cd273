"""Results of every image in pydicom's test files: odd classes, colours, frames and headers."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from written_results import finding_on, written

from coread.dicom import open_object
from coread.domain.finding import Box
from coread.domain.reading import Outcome
from coread.errors import CoReadError

pytestmark = [pytest.mark.peer, pytest.mark.slow]

FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))

#: What an object inherits from an image whose own identifiers are illegal.
INHERITED = ("Illegal root for UID",)


def shown(path):
    """The image, if it can be opened and shown."""
    try:
        image = open_object(path)
        return image if image.has_pixels and image.rendered().size else None
    except CoReadError:
        return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_results_of_a_file_from_the_field_are_legal(path, verdict):
    image = shown(path)
    # What cannot be shown, no reader reads: there is nothing to write of it.
    out = written(image, [finding_on(image, boxes=[Box(0, 0, 3, 3)])]).dicom() if image else ()
    for made in out:
        errors = [e for e in verdict(made.data)[0] if not any(reason in e for reason in INHERITED)]
        assert (made.kind, errors) == (made.kind, [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_that_can_be_opened_can_be_refused(path):
    try:
        image = open_object(path)
    except CoReadError:
        return  # It never reaches a reader.
    assert written(image, outcome=Outcome.REFUSED).dicom()


def test_most_files_can_be_shown():
    assert sum(shown(path) is not None for path in FILES) > len(FILES) / 2
