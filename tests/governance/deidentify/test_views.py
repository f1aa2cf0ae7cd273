"""What a text detector is shown of a frame, and which of its boxes are kept."""

from __future__ import annotations

import numpy as np
import pytest

from coread.governance.deidentify.pixels.finding import FoundText
from coread.governance.deidentify.pixels.rapid import _closest, _Place
from coread.governance.deidentify.pixels.views import Views


def coloured(grey):
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def square(left, top, right, bottom):
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def test_strokes_stand_out_from_broad_places_and_slopes():
    grey = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    grey[20:50, 10:40] += 60  # as broad as an organ
    grey[30, 50:75] += 20
    grey[40, 50:75] -= 20
    strokes = Views(coloured(grey)).strokes[..., 0].astype(int)
    assert (strokes[30, 55:70] > 128 + 40).all()
    assert (strokes[40, 55:70] < 128 - 40).all()
    assert np.abs(strokes[25:45, 15:35] - 128).max() < 20
    assert np.abs(strokes[5:15, 5:75] - 128).max() <= 3


def test_strokes_are_top_hat_less_black_hat():
    grey = np.random.default_rng(5).integers(100, 130, (23, 31)).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view

    def extreme(values, pick):
        return pick(windows(np.pad(values, 4, mode="edge"), (9, 9)), axis=(2, 3))

    opened, closed = extreme(extreme(grey, np.min), np.max), extreme(extreme(grey, np.max), np.min)
    expected = 128 + 3 * ((grey.astype(int) - opened) - (closed.astype(int) - grey))
    np.testing.assert_array_equal(Views(coloured(grey)).strokes[..., 1], expected.clip(0, 255))


def test_a_levelled_place_shows_the_faint_as_the_strong():
    grey = np.full((120, 240), 40, np.uint8)
    noise = np.random.default_rng(6).normal(size=(120, 120))
    grey[:, :120] = (40 + 5 * noise).clip(0, 255)
    grey[:, 120:] = (140 + 30 * noise).clip(0, 255)
    levelled = Views(coloured(grey)).levelled[30:90, :, 0].astype(float)
    faint, strong = levelled[:, 25:90], levelled[:, 150:215]
    assert abs(faint.mean() - strong.mean()) < 5
    assert 0.5 < faint.std() / strong.std() < 1


@pytest.mark.parametrize(
    ("corners", "is_line"),
    [
        (square(10, 10, 600, 60), True),
        (square(10, 10, 60, 460), True),
        (square(90, 20, 560, 480), False),  # the sector of an ultrasound
        (((0, 300), (300, 0), (340, 40), (40, 340)), True),  # slanted
    ],
)
def test_no_line_of_text_is_a_quarter_of_the_frame_high(corners, is_line):
    assert _Place(corners, 0.9).is_line_in(np.zeros((480, 640), np.uint8)) is is_line


NEAR = FoundText(square(20, 20, 80, 40), "MUELLER^A", 0.99)


@pytest.mark.parametrize(
    ("wide", "is_kept"),
    [
        (FoundText(square(10, 10, 120, 60), "Mueller A", 0.95), False),
        (
            FoundText(square(30, 0, 120, 90), "MUELLEN", 0.98),
            False,
        ),  # misread, thick, and not all of the line
        (FoundText(square(10, 10, 120, 60), "MUELLER^AB", 0.95), True),  # a letter more
        (FoundText(square(10, 10, 120, 60), "12.03.1970", 0.95), True),  # another line in the same box
        (FoundText(square(60, 10, 200, 60), "MUELLER A", 0.95), True),  # the same name again, beside it
        (FoundText(square(300, 20, 400, 60), "MUELLER A", 0.99), True),
        (FoundText(square(30, 22, 60, 38), "MUELLER", 0.9), True),  # smaller
    ],
)
def test_of_boxes_that_say_the_same_the_closest_is_kept(wide, is_kept):
    assert _closest([wide, NEAR]) == ([wide, NEAR] if is_kept else [NEAR])
    assert _closest([NEAR, wide]) == ([NEAR, wide] if is_kept else [NEAR])


def test_an_unsure_or_short_reading_rules_no_other_out():
    wide = FoundText(square(10, 10, 120, 60), "林军", 0.95)
    unsure = FoundText(square(20, 20, 80, 40), "林军", 0.4)
    short = FoundText(square(20, 20, 80, 40), "林", 0.99)
    assert _closest([wide, unsure, short]) == [wide, unsure, short]
