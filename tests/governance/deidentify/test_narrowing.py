"""A large box is drawn in to what reads the same, and never cuts into the text or off another one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.governance.deidentify.pixels.finding import FoundText
from coread.governance.deidentify.pixels.narrowing import is_large, narrowed

NAME = "QUILLFEATHER"


class Page:
    """A frame's texts as rectangles in their own coordinates, read as a recogniser does.

    A line is read while `missing` of its height at most is cut off, upright and not mirrored.
    """

    def __init__(self, texts, turn=0.0, missing=0.2):
        self.texts, self.missing = texts, missing
        self.turn = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    def corners(self, left, top, right, bottom):
        places = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
        return tuple(map(tuple, places @ self.turn))

    def read(self, corners):
        first, second, third, _ = np.array(corners) @ self.turn.T
        if second[0] <= first[0] or third[1] <= second[1]:
            return "", 0.0
        for text, (left, top, right, bottom) in self.texts.items():
            slack = self.missing * (bottom - top)
            low, high = first - slack - 1e-6, third + slack + 1e-6
            if (low <= (left, top)).all() and (high >= (right, bottom)).all():
                return text, 0.95
        return "", 0.1


def drawn_in(page, box, text=NAME, score=0.95, tight=None):
    found = FoundText(page.corners(*box), text, score)
    around = FoundText(page.corners(*(tight or box)), text, score, is_tight=True)
    return narrowed(found, around, [lambda _: ("", 0.0), page.read])


def bounds(page, found):
    places = np.array(found.corners_xy_px) @ page.turn.T
    return (*places.min(axis=0), *places.max(axis=0))


def holds(outer, inner):
    return all(np.array(outer[:2]) <= np.array(inner[:2]) + 1e-6) and all(
        np.array(outer[2:]) >= np.array(inner[2:]) - 1e-6
    )


@given(
    left=st.floats(0, 150), top=st.floats(0, 70), width=st.floats(90, 150), height=st.floats(12, 30),
    turn=st.floats(-1.5, 1.5), missing=st.floats(0, 0.2),
)  # fmt: skip
def test_the_text_stays_covered_and_the_box_within_its_own(left, top, width, height, turn, missing):
    text, box = (left, top, left + width, top + height), (0, 0, 300, 100)
    page = Page({NAME: text}, turn, missing)
    found = drawn_in(page, box)
    assert found.is_tight
    assert holds(bounds(page, found), text)
    assert holds(box, bounds(page, found))


@pytest.mark.parametrize("turn", [0, 0.1, np.pi / 2, -np.pi / 2, np.pi])
def test_a_box_far_too_large_is_drawn_in(turn):
    page = Page({NAME: (150, 60, 250, 80)}, turn)
    left, top, right, bottom = bounds(page, drawn_in(page, (0, 0, 300, 100)))
    assert (round(left), round(right)) == (0, 300)
    assert bottom - top < 0.6 * 100


def test_nothing_is_given_up_along_the_line_where_strokes_go_on():
    page = Page({NAME: (150, 60, 250, 80)})
    left, top, right, bottom = bounds(page, drawn_in(page, (100, 0, 260, 100), tight=(40, 10, 280, 95)))
    assert (left, right) == (40, 280)
    assert 10 < top < 60
    assert 80 < bottom <= 95


def test_a_box_whose_corners_go_the_other_way_round_is_read_upright():
    page = Page({NAME: (150, 60, 250, 80)}, np.pi / 2)
    first, second, third, fourth = page.corners(0, 0, 300, 100)
    for corners in ((first, fourth, third, second), (third, fourth, first, second)):
        found = FoundText(corners, NAME, 0.95)
        _, top, _, bottom = bounds(page, narrowed(found, found, [page.read]))
        assert bottom - top < 60


def test_what_says_something_itself_is_not_cut_off():
    page = Page({NAME: (150, 60, 250, 80), "LI": (10, 10, 60, 30)})
    assert holds(bounds(page, drawn_in(page, (0, 0, 300, 100))), (0, 0, 300, 80))


@pytest.mark.parametrize(("text", "score"), [(NAME, 0.7), ("  ", 0.95), ("another reading", 0.95)])
def test_what_is_not_surely_read_stays_as_it_is(text, score):
    page = Page({NAME: (150, 60, 250, 80)})
    assert bounds(page, drawn_in(page, (0, 0, 300, 100), text, score)) == (0, 0, 300, 100)


def test_a_box_close_to_its_text_stays_as_it_is():
    page = Page({NAME: (2, 2, 298, 98)}, missing=0)
    assert holds(bounds(page, drawn_in(page, (0, 0, 300, 100))), (0, 0, 300, 100))


def test_large_is_what_hides_more_than_a_line_of_the_frame():
    page = Page({}, 0.3)
    assert is_large(page.corners(0, 0, 300, 60), (480, 640))
    assert not is_large(page.corners(0, 0, 150, 20), (480, 640, 3))
