from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the lab is not installed (pip install coread[lab])")

from scipy import stats

from coread.learning.evidence.grades import weakest
from coread.learning.reader_study import dorfman_berbaum_metz as dbm
from coread.learning.reader_study import merit
from coread.learning.reader_study import obuchowski_rockette as oro
from coread.learning.reader_study.conduct.crossover import Plan, crossover, faults, read_turns, write_turns
from coread.learning.reader_study.conduct.report import markdown, study_report
from coread.learning.reader_study.conduct.sheet import read_sheet, sheet_of, write_sheet
from coread.learning.reader_study.conduct.simulating import RoeMetz, simulate, simulated_readings
from coread.learning.reader_study.covariance import delong, jackknife
from coread.learning.reader_study.power import cases_needed, pilot, power
from coread.learning.reader_study.ratings import Ratings, crossed, read_ratings
from coread.learning.reader_study.reading_time import time_ratio
from coread.learning.reader_study.reliance import Advised, reliance

TRUTH = {f"c{i:02}": i % 3 == 0 for i in range(30)}
READERS = ("An", "Bo", "Cy")


@pytest.fixture
def small() -> Ratings:
    return simulate(RoeMetz(effect=0.3), readers=4, normal=25, abnormal=20, seed=3)


def without(ratings: Ratings, case: int) -> Ratings:
    keep = np.arange(len(ratings.cases)) != case
    names = tuple(np.array(ratings.cases)[keep])
    return Ratings(
        ratings.truth[keep],
        ratings.rating[..., keep],
        ratings.treatments,
        ratings.readers,
        names,
        ratings.grade,
    )


def test_leaving_out_agrees_with_really_leaving_out(small):
    found = merit.area(small).without_each()
    again = [merit.area(without(small, case)).values for case in range(len(small.cases))]
    assert found == pytest.approx(np.stack(again, axis=2))


def test_delong_agrees_with_the_house_s_delong(small):
    from coread.evaluation import delong_compare  # noqa: PLC0415

    found = delong(merit.area(small))
    for j, (variance, cov1) in enumerate(found.of_reader):
        pair = delong_compare(small.truth.astype(int), *small.rating[:, j])
        reach = (pair.difference.upper - pair.difference.lower) / 2 / stats.norm.ppf(0.975)
        assert np.sqrt(2 * (variance - cov1)) == pytest.approx(reach)


def test_dbm_and_or_are_one_with_the_jackknife(small):
    # Hillis et al., Stat Med 2005: with jackknife covariances both give the same F, and the same df.
    both = oro.readers_and_cases(oro.table(merit.area(small)))
    other = dbm.analyse(merit.area(small), "readers_and_cases")
    assert both.test.value == pytest.approx(other.test.value)
    assert both.test.df == pytest.approx(other.test.df)


def test_fixed_cases_are_a_paired_t_test(small):
    values = merit.area(small).values
    expected = stats.ttest_rel(*values)
    found = oro.readers_only(oro.table(merit.area(small)))
    assert found.test.p_value == pytest.approx(expected.pvalue)
    assert found.test.value == pytest.approx(expected.statistic**2)


@pytest.mark.parametrize("scope", ["readers_and_cases", "cases", "readers"])
def test_no_effect_is_seldom_found(scope):
    model = RoeMetz()
    alarms = [
        oro.ANALYSES[scope](oro.table(merit.area(simulate(model, 5, 40, 40, seed)))).test.p_value < 0.05
        for seed in range(200)
    ]
    # Fixed cases or readers ignore a source of variance that is there, so that they may err more often.
    assert np.mean(alarms) <= (0.09 if scope == "readers_and_cases" else 0.6)


def test_power_agrees_with_simulated_studies():
    model = RoeMetz(effect=0.5)
    studies = [simulate(model, 5, 60, 60, seed) for seed in range(200)]
    tables = [oro.table(merit.area(study)) for study in studies]
    found = np.mean([oro.readers_and_cases(t).test.p_value < 0.05 for t in tables])
    effect = float(np.mean([np.diff(t.values.mean(1))[0] for t in tables]))
    expected = np.mean([power(pilot(t, 120), effect, (5, 120)).power for t in tables])
    assert expected == pytest.approx(found, abs=0.08)


def test_more_readers_need_fewer_cases(small):
    known = pilot(oro.table(merit.area(small)), 45)
    sizes = [cases_needed(known, 0.08, readers).cases for readers in (6, 10, 20)]
    assert sizes == sorted(sizes, reverse=True)
    assert cases_needed(known, 1e-6, 4) is None
    with pytest.raises(ValueError, match="at least 2 doctors"):
        power(known, 0.05, (1, 100))


def test_localisation_costs_what_is_not_located(small):
    everywhere = np.ones(small.rating.shape, dtype=bool)
    assert merit.lroc_area(small, everywhere).values == pytest.approx(merit.area(small).values)
    half = everywhere.copy()
    half[..., -10:] = False  # ten of twenty lesions were missed
    assert (merit.lroc_area(small, half).values < merit.area(small).values).all()
    assert merit.lroc_area(small, ~everywhere).values == pytest.approx(np.zeros((2, 4)))


def test_free_response_area_by_hand():
    # Normal cases: highest false marks 1 and none; case 0 has lesions 3 (weight 1) and unmarked (weight 3),
    # case 1 has a lesion 1. Against normal 0: case 0 = 1/4, case 1 = 1/2; against normal 1: 1/4 + 3/8, 1.
    marks = merit.Marks(
        np.array([[[1.0, merit.UNMARKED]]]), np.array([[[3.0, merit.UNMARKED, 1.0]]]), np.array([0, 0, 1]),
        np.array([1.0, 3.0, 2.0]), ("only",), ("one",), "simulated",
    )  # fmt: skip
    found = merit.wafroc_area(marks)
    assert found.values[0, 0] == pytest.approx((1 / 4 + 1 / 2 + 1 / 4 + 3 / 8 + 1) / 4)
    assert jackknife(merit.Merit("x", np.repeat(found.kernel, 2, axis=1), ("only",), ("a", "b"), "simulated"))


def test_one_lesion_per_case_makes_free_response_an_roc(small):
    lesions = small.rating[..., small.truth]
    marks = merit.Marks(
        small.rating[..., ~small.truth], lesions, np.arange(20), np.ones(20), small.treatments, small.readers,
        small.grade,
    )  # fmt: skip
    assert merit.wafroc_area(marks).values == pytest.approx(merit.area(small).values)


def rows(**changes):
    plain = [
        {"reader": r, "treatment": t, "case": c, "truth": str(int(v)), "rating": "1"}
        for r in "AB" for t in "xy" for c, v in TRUTH.items()
    ]  # fmt: skip
    plain[0] |= changes
    return plain


def test_faulty_tables_are_refused():
    assert crossed(rows(), "human_trial").rating.shape == (2, 2, 30)
    for wrong, message in (
        (rows()[1:], "not fully crossed: 1 rating"),
        ([*rows(), rows()[0]], "rated case c00 twice"),
        (rows(truth="0"), "both normal and abnormal"),
        (rows(truth="2"), "truth is 0 or 1"),
    ):
        with pytest.raises(ValueError, match=message):
            crossed(wrong, "human_trial")
    with pytest.raises(ValueError, match="grade of evidence"):
        crossed(rows(), "hearsay")


def test_a_file_without_a_column_is_refused(tmp_path):
    (tmp_path / "r.csv").write_text("reader,case,truth,rating\n")
    with pytest.raises(ValueError, match="treatment"):
        read_ratings(tmp_path / "r.csv", "human_trial")


def test_every_doctor_reads_every_case_both_ways_never_in_one_sitting():
    plan = Plan(per_sitting=8, seed=5)
    turns = crossover(READERS, TRUTH, plan)
    assert len(turns) == 3 * 30 * 2
    assert Counter((t.reader, t.case) for t in turns) == dict.fromkeys(
        ((r, c) for r in READERS for c in TRUTH), 2
    )
    for reader in READERS:
        own = [t for t in turns if t.reader == reader]
        assert {(t.case, t.treatment) for t in own} == {(c, k) for c in TRUTH for k in plan.treatments}
        first = [t for t in own if t.period == 1]
        by_class = Counter((t.treatment, TRUTH[t.case]) for t in first)
        assert by_class["with AI", True] == by_class["without AI", True] == 5
        assert by_class["with AI", False] == by_class["without AI", False] == 10
        assert max(Counter(t.sitting for t in own).values()) <= 8
        sittings = {p: {t.sitting for t in own if t.period == p} for p in (1, 2)}
        assert max(sittings[1]) < min(sittings[2])
    assert turns == crossover(READERS, TRUTH, plan)
    orders = {tuple(t.case for t in turns if t.reader == r and t.period == 1) for r in READERS}
    assert len(orders) == 3


def test_a_plan_survives_its_file(tmp_path):
    turns = crossover(READERS, TRUTH, Plan())
    write_turns(turns, tmp_path / "plan.csv")
    assert read_turns(tmp_path / "plan.csv") == turns


def test_deviations_are_named():
    turns = crossover(("An",), TRUTH, Plan())
    days = {(t.reader, t.case, t.period): 0.0 if t.period == 1 else 30.0 for t in turns}
    assert faults(turns, days, 28) == []
    days["An", "c00", 2] = 9.0
    del days["An", "c01", 1]
    found = faults(turns, days, 28)
    assert "reader An read case c00 again after 9 days" in found
    assert "reader An has not read case c01 in period 1" in found
    assert len(found) == 2


def test_impossible_plans_are_refused():
    with pytest.raises(ValueError, match="names of their own"):
        crossover(("An", "An"), TRUTH, Plan())
    with pytest.raises(ValueError, match="normal and abnormal"):
        crossover(("An",), dict.fromkeys("abcd", True), Plan())


def test_time_ratio_finds_treatment_and_period():
    rng = np.random.default_rng(6)
    period = rng.permutation(np.repeat([1, 2], 60))[None].repeat(6, axis=0)
    base = np.exp(rng.normal(4, 0.5, (6, 120)))
    noise = np.exp(rng.normal(0, 0.2, (2, 6, 120)))
    later = np.where(period == 2, 0.8, 1 / 0.8)  # the second period is 20 % faster
    seconds = np.stack([base, base * 0.7 * later]) * noise
    found = time_ratio(seconds, period, tuple("abcdef"), "simulated")
    assert found.ratio.value == pytest.approx(0.7, rel=0.03)
    assert found.period.value == pytest.approx(0.8, rel=0.03)
    assert found.ratio.lower < 0.7 < found.ratio.upper < 0.8
    assert found.pairs == 720
    assert len(found.by_reader) == 6


def test_least_squares_of_times_agrees_with_a_library():
    rng = np.random.default_rng(7)
    period = rng.integers(1, 3, (3, 40))
    seconds = np.exp(rng.normal(4, 0.5, (2, 3, 40)))
    seconds[0, 1, :5] = np.nan
    logs = (np.log(seconds[1]) - np.log(seconds[0])).ravel()
    design = np.stack([np.ones(120), np.where(period.ravel() == 2, 1, -1)], axis=1)[np.isfinite(logs)]
    expected, *_ = np.linalg.lstsq(design, logs[np.isfinite(logs)], rcond=None)
    found = time_ratio(seconds, period, tuple("abc"), "simulated", repeats=20)
    assert np.log([found.ratio.value, found.period.value]) == pytest.approx(expected)
    assert found.pairs == 115


def test_times_must_be_positive():
    with pytest.raises(ValueError, match="must be positive"):
        time_ratio(np.zeros((2, 1, 1)), np.ones((1, 1), int), ("a",), "simulated")


def test_reliance_by_hand():
    truth = np.array([1, 1, 1, 0, 0, 0], dtype=bool)
    advice = np.array([1, 1, 0, 0, 1, 1], dtype=bool)  # right, right, wrong, right, wrong, wrong
    before = np.array([[0, 0, 1, 0, 0, 0]], dtype=bool)  # wrong, wrong, right, right, right, right
    after = np.array([[1, 0, 0, 0, 1, 0]], dtype=bool)
    found = reliance(Advised(truth, advice, before, after, "human_trial"), repeats=50)
    # Right advice met two wrong calls and mended one; wrong advice met three right calls and spoilt two.
    assert found.relative_ai_reliance.value == pytest.approx(1 / 2)
    assert found.relative_self_reliance.value == pytest.approx(1 / 3)
    assert (found.under_reliance.value, found.over_reliance.value) == pytest.approx((1 / 2, 2 / 3))
    assert found.counts == (2, 3)
    # The call differed from the advice in five; three followed it.
    assert found.switched.value == pytest.approx(3 / 5)
    assert found.appropriate.value == pytest.approx(2 / 3 - 2 / 3)
    assert (found.accuracy_before.value, found.accuracy_after.value) == pytest.approx((4 / 6, 3 / 6))


def test_calls_of_another_shape_are_refused():
    one = np.ones((1, 3), dtype=bool)
    with pytest.raises(ValueError, match="reader, case"):
        Advised(one[0], one[0], one, one[:, :2], "human_trial")


@pytest.fixture(scope="module")
def played():
    plan = Plan(seed=1)
    truth = {f"c{i:02}": i % 2 == 0 for i in range(40)}
    turns = crossover(tuple("ABCD"), truth, plan)
    readings = simulated_readings(turns, truth, RoeMetz(effect=0.4), seed=2)
    return plan, turns, readings


def test_a_study_runs_from_plan_to_report(played, tmp_path):
    plan, turns, readings = played
    write_sheet(readings, tmp_path / "readings.csv")
    again = read_sheet(tmp_path / "readings.csv", plan.treatments, "simulated")
    report = study_report(again, turns, plan)
    assert report["evidence_grade"] == "simulated"
    assert report["design"]["deviations"] == []
    assert {a["merit"] for a in report["analyses"]} == {"AUC", "sensitivity at 1", "specificity at 1"}
    assert len(report["analyses"]) == 3 * 3 * 2
    assert report["reading_time"]["ratio"]["value"] == pytest.approx(0.9, abs=0.1)
    assert report["reliance"]["switched"]["value"] > 0.3
    assert all(a["grade"] == "simulated" for a in report["analyses"])
    text = markdown(report)
    assert "simulated" in text
    assert "nothing about real doctors" in text
    assert "trust" not in json.dumps(report["reliance"])


def test_what_was_not_recorded_is_left_out(played):
    plan, _, readings = played
    from dataclasses import replace  # noqa: PLC0415

    nan = float("nan")
    bare = [replace(r, rating=nan, seconds=nan, ai_call=None) for r in readings]
    report = study_report(sheet_of(bare, plan.treatments, "human_trial"))
    assert (report["reading_time"], report["reliance"]) == (None, None)
    assert {a["merit"] for a in report["analyses"]} == {"sensitivity at 1", "specificity at 1"}


def test_faulty_sheets_are_refused(played):
    plan, _, readings = played
    from dataclasses import replace  # noqa: PLC0415

    for wrong, message in (
        ([*readings, readings[0]], "twice"),
        ([replace(readings[0], treatment="by phone"), *readings[1:]], "by phone"),
        ([replace(readings[0], truth=not readings[0].truth), *readings[1:]], "both normal and abnormal"),
    ):
        with pytest.raises(ValueError, match=message):
            sheet_of(wrong, plan.treatments, "simulated")


def test_a_chain_bears_what_its_weakest_link_bears():
    assert weakest("retrospective", "synthetic", "human_trial") == "synthetic"
