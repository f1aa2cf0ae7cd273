"""Lines of the page of results on conformal sets: coverage of all and of the worst subgroup, errors kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binom

from coread.evaluation import wilson_interval
from coread.learning.uncertainty.rows import Goal, bare, figure, row

LEVEL = 0.9
MIN_SUBGROUP = 100
"""Test cases from which a subgroup's coverage is held to its goal: the standard error is then 3 points."""

WITHIN = 0.05
"""Goal of a subgroup: this far from the level at most."""


def rows_of(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Table rows: coverage of LAC over all and of the subgroup that is farthest off, mean of the seeds."""
    whole = next(line for line in _mean_of_seeds(found["sets"]["lac"]) if line["part"] == "all")
    lines = judged(found)
    trusting = ("probabilities trusted as they are", found["trusting"][0]["covered"])
    note = f"mean set size {whole['size']:.2f}, one class in {100 * whole['single']:.0f} %, "
    note += f"accuracy {found['accuracy']:.3f}"
    rows = [
        row(
            f"{name}: coverage of 90 % sets, all", whole["covered"], beside=trusting,
            goal=Goal("0.90 +- 0.02", _off(whole) <= 0.02), note=note,
        )
    ]  # fmt: skip
    if lines:
        worst = max(lines, key=_off)
        what = f"{name}: the farthest of {len(lines)} subgroups of 100 or more"
        goal = Goal("0.90 +- 0.05", _off(worst) <= WITHIN)
        near = sum(_off(line) <= WITHIN for line in lines)
        note = f"{worst['part']}: {worst['name']}; {near} of {len(lines)} lie within 5 points"
        if found["groups"]["chosen"]:
            note += f"; limits by {', '.join(found['groups']['chosen'])}, chosen on calibration patients"
        rows.append(row(what, worst["covered"], goal=goal, note=note))
    kept, cases = found["selective"], found["test"]["images"]
    rows.append(
        row(
            f"{name}: errors left if the surest 80 % are kept", bare(kept["risk_at_80_percent"], cases),
            beside=("all kept", bare(kept["full"], cases)), note=f"AURC {kept['area']['value']:.3f}",
        )
    )  # fmt: skip
    return rows


def judged(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Subgroups with test cases enough to be held to the goal."""
    means = _mean_of_seeds(found["sets"]["lac"])
    return [line for line in means if line["part"] != "all" and line["cases"] >= MIN_SUBGROUP]


def row_of_all(of_questions: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """How many subgroups of all questions keep the goal, and how many would not by chance alone."""
    lines = [line for part in of_questions for line in part]
    near = sum(_off(line) <= WITHIN for line in lines)
    chance = sum(_chance_of_missing(int(line["cases"])) for line in lines)
    note = f"sets that cover 0.90 exactly would leave {chance:.1f} outside by the draw of test cases alone"
    share = figure(wilson_interval(near, len(lines)), len(lines))
    what = "share of subgroups of 100 or more within 5 points of 0.90"
    return row(what, share, goal=Goal("all", near == len(lines)), note=note)


def _chance_of_missing(cases: int) -> float:
    """Probability that a coverage of exactly `LEVEL` is seen more than `WITHIN` away among so many cases."""
    low, high = cases * (LEVEL - WITHIN), cases * (LEVEL + WITHIN)
    inside = binom.cdf(math.floor(high + 1e-9), cases, LEVEL) - binom.cdf(
        math.ceil(low - 1e-9) - 1, cases, LEVEL
    )
    return float(1 - inside)


def _off(line: dict[str, Any]) -> float:
    """Distance of a coverage from the level."""
    return abs(float(line["covered"]["value"]) - LEVEL)


def _mean_of_seeds(runs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each row's figures averaged over the seeds (of the cross-fitting; the test cases are the same)."""
    out = []
    for same in zip(*runs, strict=True):
        covered = {
            k: float(np.mean([row["covered"][k] for row in same])) for k in ("value", "lower", "upper", "n")
        }
        numbers = {k: float(np.mean([row[k] for row in same])) for k in ("size", "single", "empty")}
        out.append({**same[0], "covered": covered, **numbers})
    return out


def failures(details: dict[str, Any]) -> list[str]:
    """What did not work: larger sets, subgroups too small to judge that are far off."""
    found = []
    for name, held in details.items():
        aps, lac = (_mean_of_seeds(held["sets"][m])[0]["size"] for m in ("aps", "lac"))
        if aps > lac:
            found.append(
                f"{name}: adaptive sets (APS) are larger ({aps:.2f} classes) than plain ones ({lac:.2f})."
            )
        small = [
            f"{line['name']} ({line['cases']} cases, {line['covered']['value']:.3f})"
            for line in _mean_of_seeds(held["sets"]["lac"])
            if line["part"] != "all" and line["cases"] < MIN_SUBGROUP and _off(line) > WITHIN
        ]
        if small:
            listed = ", ".join(small)
            found.append(f"{name}: off by more than 5 points in subgroups too small to judge: {listed}.")
    return found
