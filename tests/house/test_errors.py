"""Every error has a number, a sentence, a page and a row; and its message says what to do."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from coread import errors
from coread.gateways.statuses import STATUSES, status_of

PAGES = Path(__file__).resolve().parents[2] / "docs" / "errors"
KINDS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.CoReadError)
]
LEAVES = [kind for kind in KINDS if not kind.__subclasses__()]


def test_numbers_are_unique():
    numbers = [kind.number for kind in KINDS]
    assert sorted(set(numbers)) == sorted(numbers)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_error_has_a_page_with_its_name_and_sentence(kind):
    page = (PAGES / f"{kind.number}.md").read_text()
    assert page.startswith(f"# {kind.number} {kind.__name__}\n")
    assert kind.sentence in page
    assert f"another try by itself:* {'yes' if kind.retriable else 'no'}" in page


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_tree_at_the_head_of_the_file_names_it(kind):
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_each_leaf_has_a_status_of_its_own(kind):
    assert kind in STATUSES


def test_no_page_without_an_error():
    numbers = {str(kind.number) for kind in KINDS} | {"index"}
    assert {page.stem for page in PAGES.glob("*.md")} == numbers


def test_an_unlisted_subclass_speaks_as_its_parent():
    class FullDisk(errors.LowDisk):
        pass

    assert status_of(FullDisk("0 bytes")).dimse == 0xA700
    assert status_of(errors.CoReadError("odd")).http == 500


def test_a_message_says_found_expected_where_and_what_to_do():
    error = errors.TruncatedObject("12 bytes", "40 bytes", "send it again", "element (7FE0,0010)")
    assert str(error) == (
        "[1102] The DICOM object is cut short. Found: 12 bytes. Expected: 40 bytes. "
        "Where: element (7FE0,0010). What to do: send it again."
    )
