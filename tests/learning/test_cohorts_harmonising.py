"""Steps do what they say, are recorded, and give the same pixels again."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from drawn_cohorts import Drawn, found, picture

from coread.errors import CohortRefused
from coread.learning.cohorts import BuildPlan, build
from coread.learning.cohorts.form import Label
from coread.learning.cohorts.harmonising import STEPS, Picture, Step, parse_steps, replay, replayed
from coread.learning.cohorts.harmonising.picture import SIXTEEN_BITS, picture_of, stored
from coread.learning.cohorts.harmonising.steps import learn_landmarks
from coread.learning.cohorts.regions import mask_of, runs_of


def hounsfield(seed=0):
    return Picture(picture(seed).astype(np.float32) * 8 - 1000, "HU", (0.5, 1.0))


def test_a_window_is_linear_and_cut():
    values = np.array([[-700.0, -600.0, -225.0, 150.0, 900.0]], np.float32)
    shown = replay(Picture(values, "HU"), [Step("window", {"centre": -225, "width": 750})])
    assert shown.values.round(3).tolist() == [[0, 0, 0.5, 1, 1]]
    assert shown.unit == "share"


def test_a_window_on_values_without_unit_is_refused():
    with pytest.raises(ValueError, match="needs values in HU; found stretched"):
        STEPS["window"](Picture(np.zeros((4, 4), np.float32), "stretched"), 0, 1)
    with pytest.raises(ValueError, match="known spacing"):
        STEPS["respace"](Picture(np.zeros((4, 4), np.float32), "HU"), 1)


def test_inverting_twice_is_nothing():
    image = Picture(picture(3).astype(np.float32), "display")
    assert (STEPS["invert"](STEPS["invert"](image)).values == image.values).all()


def test_scores_have_mean_0_and_deviation_1():
    scored = STEPS["score"](hounsfield())
    assert scored.values.mean() == pytest.approx(0, abs=1e-4)
    assert scored.values.std() == pytest.approx(1, abs=1e-4)


def test_respacing_makes_pixels_square_and_keeps_the_extent():
    made = STEPS["respace"](hounsfield(), mm=1.0)
    assert made.values.shape == (24, 40)
    assert made.spacing_mm == (1.0, 1.0)
    assert abs(made.values.mean() - hounsfield().values.mean()) < 15


def test_fitting_pads_evenly_and_tells_where_pixels_went():
    made = STEPS["fit"](hounsfield(), side=96)
    assert made.values.shape == (96, 96)
    assert made.placed == (2.0, 2.0, 0.0, 8.0)
    assert (made.values[:, :8] == made.values.min()).all()


def test_landmarks_bring_two_scanners_together():
    scanner_a, scanner_b = (
        Picture(f(picture(s).astype(np.float32)), "raw")
        for s, f in ((1, lambda v: v), (1, lambda v: 3 * v**0.7 + 50))
    )
    step = learn_landmarks([scanner_a, scanner_b])
    a, b = (replay(scanner, [step]).values for scanner in (scanner_a, scanner_b))
    before = [STEPS["percentiles"](scanner).values for scanner in (scanner_a, scanner_b)]
    assert np.abs(a - b).mean() < 0.3 * np.abs(before[0] - before[1]).mean()
    assert json.loads(json.dumps(dict(step.parameters))) == dict(step.parameters)


def test_the_colour_of_the_light_is_taken_away():
    base = np.dstack([picture(s).astype(np.float32) for s in (1, 1, 1)]) / 2
    tinted = Picture(base * np.array([1.0, 0.7, 0.5], np.float32), "rgb")
    made = STEPS["grey_world"](tinted).values
    assert np.ptp(made.mean((0, 1))) < 1
    assert np.ptp(tinted.values.mean((0, 1))) > 20


@pytest.mark.parametrize("unit", ["display", *SIXTEEN_BITS])
def test_what_is_stored_comes_back_to_its_grain(unit):
    ranges = {"display": (0, 255), "HU": (-1024, 3071), "score": (-6, 6), "share": (0, 1), "raw": (0, 4095)}
    low, high = ranges[unit]
    image = Picture((picture(0) / 255 * (high - low) + low).astype(np.float32), unit)
    pixels, slope, offset = stored(image)
    row = found(0, grey_unit=unit, grey_slope=slope, grey_offset=offset).image
    assert np.abs(picture_of(pixels, row).values - image.values).max() <= slope / 2 + 1e-3


STEP_TEXTS = ("percentiles:low=1,high=99", "fit:side=64", "score")


def test_a_cohort_s_steps_can_be_replayed_from_its_manifest(tmp_path):
    source = Drawn([found(seed, spacing_mm=(0.4, 0.8)) for seed in range(20)])
    built = build(source, tmp_path, BuildPlan("sick", parse_steps(STEP_TEXTS)))
    for image, item in zip(built.images, source, strict=True):
        again = replayed(picture_of(item.pixels, item.image), image.steps)
        pixels, _, _ = stored(again)
        assert (pixels == built.stored(image)).all()
        assert (image.rows, image.columns, image.grey_unit) == (64, 64, "score")
    assert built.facts["plan"]["steps"][1] == {"name": "fit", "parameters": {"side": 64}}


def test_regions_are_taken_along(tmp_path):
    mask = np.zeros((48, 40), bool)
    mask[10:20, 8:18] = True
    labels = (
        Label("i019", "ann", "sick", "mask", 1.0, runs_of(mask)),
        Label("i019", "ann", "sick", "box", 1.0, (8, 10, 10, 10)),
    )
    source = Drawn([*(found(seed) for seed in range(19)), found(19, labels=labels)])
    built = build(source, tmp_path, BuildPlan(steps=parse_steps(["fit:side=96"])))
    outline, box = built.labels_of("i019")
    there = mask_of(outline.region, 96, 96)
    assert there[20:40, 24:44].all()
    assert there.sum() == 400
    assert box.region == (24, 20, 20, 20)


@pytest.mark.parametrize("text", ["blur", "window:centre=1", "fit:side", "fit:side=x", "score:a=1"])
def test_a_step_that_is_none_is_refused(text):
    with pytest.raises(CohortRefused, match="the step"):
        parse_steps([text])


def test_an_image_that_a_step_does_not_fit_is_listed(tmp_path):
    source = Drawn([found(seed, spacing_mm=None if seed == 4 else (1.0, 1.0)) for seed in range(20)])
    built = build(source, tmp_path, BuildPlan(steps=parse_steps(["respace:mm=2"])))
    assert [(left.what, left.code) for left in built.left_out] == [("drawn#4", "step-does-not-fit")]
