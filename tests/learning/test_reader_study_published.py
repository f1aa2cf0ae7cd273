"""The statistics of reader studies against published worked examples.

OR-DBM MRMC 2.51 (Hillis, Berbaum and others, University of Iowa), output for the Van Dyke and Franken data;
Smith & Hillis, MRMCaov user guide, output for the Van Dyke data; Chakraborty, RJafroc, sample sizes for the
Van Dyke data. Numbers as printed there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the lab is not installed (pip install coread[lab])")

from coread.learning.reader_study import dorfman_berbaum_metz as dbm
from coread.learning.reader_study import merit
from coread.learning.reader_study import obuchowski_rockette as oro
from coread.learning.reader_study.covariance import ErrorCovariance
from coread.learning.reader_study.power import cases_needed, pilot, power
from coread.learning.reader_study.ratings import Ratings

sys.path.insert(0, str(Path(__file__).parent / "published"))
import van_dyke

EIGHT = 6e-9


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    truth, rating = van_dyke.ratings()
    cases = tuple(f"{i:03}" for i in range(len(truth)))
    return Ratings(truth, rating, ("spin echo", "cine"), tuple("12345"), cases, "human_trial")


@pytest.fixture(scope="module")
def study(ratings) -> oro.Table:
    return oro.table(merit.area(ratings))


def test_areas_as_published(study):
    published = [
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
    ]
    assert study.values == pytest.approx(np.array(published), abs=EIGHT)


def test_variances_as_published(study):
    found = [*oro.components(study).values(), study.error.cov1, study.error.cov2, study.error.cov3]
    published = [0.00153500, 0.00020040, 0.00034661, 0.00034407, 0.00023903]
    assert found == pytest.approx(published, abs=EIGHT)
    assert study.error.variance == pytest.approx(0.00080229, abs=EIGHT)
    assert study.mean_squares == pytest.approx([0.00479617, 0.00383620, 0.00055103], abs=EIGHT)


def test_random_readers_and_cases_as_published(study):
    found = oro.readers_and_cases(study)
    assert found.test.value == pytest.approx(4.456, abs=5e-4)
    assert found.test.df[1] == pytest.approx(15.26, abs=5e-3)
    assert found.test.p_value == pytest.approx(0.05167, abs=5e-6)
    difference = found.differences[0]
    assert difference.standard_error == pytest.approx(0.02075, abs=5e-6)
    bounds = [difference.interval.lower, difference.interval.upper]
    assert bounds == pytest.approx([-0.0879595, 0.0003589], abs=5e-8)
    means = [(m.interval.value, m.standard_error, m.interval.lower, m.interval.upper) for m in found.means]
    assert means[0] == pytest.approx((0.89703704, 0.03317360, 0.82522360, 0.96885048), abs=EIGHT)
    assert means[1] == pytest.approx((0.94083736, 0.02156637, 0.89413783, 0.98753689), abs=EIGHT)
    assert [m.df for m in found.means] == pytest.approx([12.74, 12.71], abs=5e-3)


def test_fixed_readers_as_published(study):
    found = oro.cases_only(study)
    assert (found.test.value, found.test.p_value) == pytest.approx((5.475953, 0.01927984), abs=5e-7)
    assert found.differences[0].interval.lower == pytest.approx(-0.08048591, abs=EIGHT)
    assert [d.p_value for d in found.by_reader] == pytest.approx(
        [0.26933885, 0.07683102, 0.56683414, 0.12901715, 0.02300099], abs=EIGHT
    )
    assert [m.standard_error for m in found.means] == pytest.approx([0.02428971, 0.01677632], abs=EIGHT)


def test_fixed_cases_as_published(study):
    found = oro.readers_only(study)
    assert (found.test.value, found.test.p_value) == pytest.approx((8.704, 0.04195875), abs=5e-4)
    interval = found.differences[0].interval
    assert [interval.lower, interval.upper] == pytest.approx([-0.08502022, -0.00258042], abs=EIGHT)


def test_delong_covariances_as_published(ratings):
    study = oro.table(merit.area(ratings), "delong")
    e = study.error
    published = [0.0007921325, 0.0003420090, 0.0003395265, 0.0002358497]
    assert [e.variance, e.cov1, e.cov2, e.cov3] == pytest.approx(published, abs=6e-11)
    found = oro.readers_and_cases(study)
    assert found.test.value == pytest.approx(4.484854, abs=5e-7)
    assert (found.test.df[1], found.test.p_value) == pytest.approx((15.06611, 0.05123303), abs=5e-6)


def test_sensitivity_as_published(ratings):
    study = oro.table(merit.sensitivity(ratings, 3))
    assert np.round(study.values, 3).tolist() == [
        [0.889, 0.778, 0.822, 0.933, 0.689],
        [0.978, 0.822, 0.911, 1, 0.889],
    ]
    e = study.error
    published = [0.0023681257, 0.0009943883, 0.0010145903, 0.0006604938]
    assert [e.variance, e.cov1, e.cov2, e.cov3] == pytest.approx(published, abs=6e-11)
    found = oro.readers_and_cases(study)
    assert found.test.value == pytest.approx(6.689493, abs=5e-7)
    assert (found.test.df[1], found.test.p_value) == pytest.approx((15.71732, 0.02008822), abs=5e-6)


def test_mean_squares_of_pseudo_values_as_published(ratings):
    y = dbm.pseudo_values(merit.area(ratings))
    ms = dbm.mean_squares(y)
    published = (0.54676344, 0.43732680, 0.39686988, 0.06281749, 0.09984808, 0.06450106, 0.03997160)
    assert (ms.t, ms.r, ms.c, ms.tr, ms.tc, ms.rc, ms.trc) == pytest.approx(published, abs=EIGHT)
    published = [0.00153500, 0.02724923, 0.00020040, 0.01197530, 0.01226473, 0.03997160]
    assert list(dbm.components(y).values()) == pytest.approx(published, abs=EIGHT)


@pytest.mark.parametrize(
    ("scope", "test", "bounds", "mean"),
    [
        ("readers_and_cases", (4.46, 15.26, 0.0517), (-0.08796, 0.00036), (0.82522360, 0.96885048)),
        ("cases", (5.48, 113, 0.0210), (-0.08088, -0.00672), (0.84891474, 0.94515933)),
        ("readers", (8.70, 4, 0.0420), (-0.08502, -0.00258), (0.82809808, 0.96597599)),
    ],
)
def test_dbm_as_published(ratings, scope, test, bounds, mean):
    found = dbm.analyse(merit.area(ratings), scope)
    assert (found.test.value, found.test.df[1]) == pytest.approx(test[:2], abs=5e-3)
    assert found.test.p_value == pytest.approx(test[2], abs=5e-5)
    interval = found.differences[0].interval
    assert (interval.lower, interval.upper) == pytest.approx(bounds, abs=5e-6)
    of_first = found.means[0].interval
    assert (of_first.lower, of_first.upper) == pytest.approx(mean, abs=EIGHT)


def test_dbm_of_single_readers_as_published(ratings):
    found = dbm.analyse(merit.area(ratings), "cases").by_reader
    assert [d.p_value for d in found] == pytest.approx([0.2717, 0.0795, 0.5680, 0.1318, 0.0249], abs=5e-5)


@pytest.mark.parametrize(
    ("scope", "size", "expected"),
    [
        ("readers_and_cases", (6, 111), 0.5526116),
        ("readers_and_cases", (6, 112), 0.5555789),
        ("cases", (10, 133), 0.80111671),
        ("readers", (10, 53), 0.80496663),
    ],
)
def test_power_as_published(study, scope, size, expected):
    effect = float(np.diff(study.values.mean(1))[0])
    assert power(pilot(study, 114), effect, size, scope).power == pytest.approx(expected, abs=6e-8)


def test_number_of_cases_as_published(study):
    effect = float(np.diff(study.values.mean(1))[0])
    assert cases_needed(pilot(study, 114), effect, readers=6).cases == 251


@pytest.fixture(scope="module")
def franken() -> oro.Table:
    """Filled from the printed tables alone; here cov2 < cov3, so that the limits at zero matter."""
    values = [
        [0.85345997, 0.86499322, 0.85730439, 0.81524197],
        [0.84961556, 0.84350972, 0.84011759, 0.81433740],
    ]
    error = ErrorCovariance(
        0.00152578, 0.00079168, 0.00048364, 0.00051251,
        ((0.00152278, 0.00047230), (0.00152877, 0.00049498)),
        ((0.00147717, 0.00056158), (0.00151861, 0.00071581), (0.00137738, 0.00076509),
         (0.00172995, 0.00112425)),
    )  # fmt: skip
    return oro.Table("AUC", np.array(values), error, ("1", "2"), tuple("1234"), "human_trial")


def test_second_example_as_published(franken):
    both, cases, readers = (analyse(franken) for analyse in oro.ANALYSES.values())
    assert (both.test.value, both.test.df[1]) == pytest.approx((4.69, 3.00), abs=6e-3)
    assert both.test.p_value == pytest.approx(0.1188, abs=1e-4)
    interval = both.differences[0].interval
    assert (interval.value, interval.lower, interval.upper) == pytest.approx(
        (0.01085, -0.00509, 0.02680), abs=6e-6
    )
    assert [m.df for m in both.means] == pytest.approx([70.12, 253.64], rel=2e-3)
    assert (cases.test.value, cases.test.p_value) == pytest.approx((0.32101, 0.5710), abs=5e-5)
    assert [d.p_value for d in cases.by_reader] == pytest.approx([0.9284, 0.5919, 0.6233, 0.9793], abs=5e-5)
    assert readers.means[1].interval.upper == pytest.approx(0.86162818, abs=2e-8)
    assert oro.components(franken)["treatment_by_reader"] == pytest.approx(-0.00071276, abs=2e-8)
