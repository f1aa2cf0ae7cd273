"""Calibration, explanation and image quality: the parts of a run that every reader shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coread.domain.finding import Box
from coread.readers import Band, Calibration, Limits, seen_box, uncalibrated, unfit
from coread.readers.explain import clipped

unit = st.floats(0, 1)


@st.composite
def calibrations(draw):
    knots = sorted(draw(st.lists(st.floats(-50, 50), min_size=2, max_size=8, unique=True)))
    middle = sorted(draw(st.lists(unit, min_size=len(knots), max_size=len(knots))))
    lower = [value * draw(unit) for value in middle]
    upper = [value + (1 - value) * draw(unit) for value in middle]
    band = sorted((draw(unit), draw(unit)))
    return Calibration(
        *map(tuple, (knots, middle, lower, [min(u, 1.0) for u in upper])), "drawn", Band(*band)
    )


class TestCalibration:
    @settings(deadline=None)
    @given(calibrations(), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
    def test_it_is_monotone_and_keeps_its_interval(self, curve, one, other):
        low, high = (curve.confidence(score) for score in sorted((one, other)))
        assert low.probability <= high.probability
        for confidence in (low, high):
            assert 0 <= confidence.lower <= confidence.probability <= confidence.upper <= 1

    @settings(deadline=None)
    @given(calibrations(), st.floats(0, 1e9))
    def test_no_score_is_surer_than_the_last_knot(self, curve, beyond):
        last = curve.confidence(curve.score[-1])
        assert curve.confidence(curve.score[-1] + beyond) == last

    def test_a_knot_gives_its_own_values(self):
        curve = Calibration(
            (-1, 0, 3), (0.1, 0.2, 0.7), (0, 0.1, 0.6), (0.2, 0.3, 0.8), "drawn", Band(0.5, 0.5)
        )
        assert curve.confidence(0).probability == 0.2
        assert curve.confidence(1.5).probability == pytest.approx(0.45)

    @pytest.mark.parametrize(
        ("changed", "fault"),
        [
            ({"score": (0.0,)}, "same number of knots"),
            ({"score": (1.0, 0.0)}, "must rise"),
            ({"score": (0.0, 0.0)}, "must rise"),
            ({"score": (0.0, float("inf"))}, "finite"),
            ({"probability": (0.9, 0.1), "lower": (0, 0), "upper": (1, 1)}, "never fall"),
            ({"upper": (0.0, 0.5)}, "lower <= probability <= upper"),
            ({"level": 1.0}, "between 0 and 1"),
        ],
    )
    def test_a_curve_that_makes_no_sense_cannot_be_made(self, changed, fault):
        with pytest.raises(ValueError, match=fault):
            replace(uncalibrated(0.5), **changed)

    @pytest.mark.parametrize("ends", [(0.6, 0.4), (-0.1, 0.4), (0.4, 1.1)])
    def test_a_band_that_makes_no_sense_cannot_be_made(self, ends):
        with pytest.raises(ValueError, match="lower <= upper"):
            Band(*ends)

    def test_an_uncalibrated_score_claims_nothing(self):
        confidence = uncalibrated(0.3).confidence(0.7)
        assert (confidence.lower, confidence.probability, confidence.upper) == (0, 0.7, 1)

    def test_the_ends_of_the_band_are_decided(self):
        band = Band(0.4, 0.6)
        assert [band.holds(p) for p in (0.4, 0.41, 0.6)] == [False, True, False]
        assert not Band(0.5, 0.5).holds(0.5)


class TestExtent:
    FRAME = Box(0, 0, 200, 100)

    def test_a_grid_inside_the_frame_is_left_as_it_is(self):
        values = np.eye(3, dtype=np.float32)
        assert clipped(values, Box(5, 5, 30, 30), self.FRAME)[0] is values

    def test_whole_padding_cells_are_cut_away(self):
        """A 200 x 100 image padded to a square: two of four rows saw only padding."""
        values = np.arange(16, dtype=np.float32).reshape(4, 4)
        inside, extent = clipped(values, seen_box((0, 0, 100, 200), pad=(50, 0, 50, 0)), self.FRAME)
        assert extent == self.FRAME
        assert inside.tolist() == values[1:3].tolist()

    @settings(deadline=None)
    @given(
        arrays(
            np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)
        ),
        *(st.integers(-150, 150) for _ in "ab"),
        *(st.integers(1, 400) for _ in "ab"),
    )
    def test_it_stays_inside_and_invents_nothing(self, values, left, top, width, height):
        inside, extent = clipped(values, Box(left, top, width, height), self.FRAME)
        assert extent.left_px >= 0
        assert extent.top_px >= 0
        if extent.width_px and extent.height_px:
            assert extent.left_px + extent.width_px <= 200
            assert extent.top_px + extent.height_px <= 100
        assert values.min() - 1e-6 <= inside.min() <= inside.max() <= values.max() + 1e-6

    @settings(deadline=None)
    @given(st.integers(0, 199), st.integers(0, 99), st.integers(0, 120), st.integers(0, 120))
    def test_a_marked_pixel_is_found_again_through_crop_and_pad(self, column, row, pad_x, pad_y):
        """One cell a pixel: the cell over the marked pixel is the hottest of the clipped grid."""
        seen = seen_box((0, 0, 100, 200), pad=(pad_y, pad_x, pad_y, pad_x))
        values = np.zeros((100 + 2 * pad_y, 200 + 2 * pad_x), np.float32)
        values[row + pad_y, column + pad_x] = 1
        inside, extent = clipped(values, seen, self.FRAME)
        hottest_row, hottest_column = np.unravel_index(np.argmax(inside), inside.shape)
        y = extent.top_px + (hottest_row + 0.5) * extent.height_px / inside.shape[0]
        x = extent.left_px + (hottest_column + 0.5) * extent.width_px / inside.shape[1]
        assert (int(x), int(y)) == (column, row)


class TestQuality:
    NOISE = np.random.default_rng(0).random((128, 128)).astype(np.float32)

    @pytest.mark.parametrize(
        ("image", "code"),
        [
            (NOISE, None),
            (NOISE[:63], "too-small"),
            (NOISE[:1, :1], "too-small"),
            (np.zeros((128, 128), np.float32), "flat"),
            (np.ones((128, 128), np.float32), "flat"),
            (np.where(NOISE < 0.7, 0, NOISE), "clipped"),
            (np.where(NOISE < 0.5, 0, 1).astype(np.float32), "clipped"),
            (np.float32(0.5) + NOISE * np.float32(0.02), "low-contrast"),
        ],
    )
    def test_reasons(self, image, code):
        reason = unfit(image)
        assert (reason.code if reason else None) == code
        assert reason is None or (reason.text and reason.text_zh)

    def test_a_reader_may_bring_its_own_limits(self):
        assert unfit(self.NOISE, Limits(side_px=129)).code == "too-small"
        assert unfit(self.NOISE[:9, :9], Limits(side_px=8)) is None
