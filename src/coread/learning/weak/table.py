"""The table of the study: every arm with its interval, its share of full supervision, and the goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coread.evaluation import Interval
from coread.learning.nodule.cohort import patients_of
from coread.learning.nodule.scoring import (
    HOW,
    Examined,
    difference_interval,
    mean_interval,
    per_nodule,
    ratio_interval,
)

Found = Mapping[int, Mapping[str, Any]]
"""What `study.finish` kept, by seed and arm."""

FULL = "majority"

WORDS = {
    "majority": "full supervision (majority of readers)",
    "quarter": "outlines for 25 % of patients, rest unused",
    "quarter_and_points": "outlines for 25 % of patients, points for the rest",
    "points": "points only",
    "boxes": "boxes only",
    "image_labels": "image labels only (attention finds the place)",
    "one_reader": "one reader per nodule",
    "mean_of_readers": "several readers: share of readers as target",
    "staple": "several readers: STAPLE",
    "ranked_readers": "several readers: one outline per kind of reader",
    "dawid_skene": "several readers: Dawid-Skene, readers pooled",
}

GOALS = {"quarter_and_points": 0.95, "points": 0.85, "boxes": 0.85}
"""Share of full supervision's Dice that was asked for, set before training."""

SEVERAL = ("majority", "mean_of_readers", "staple", "ranked_readers", "dawid_skene")


def over_seeds(found: Found, arm: str, how: str = "click", against: str = "consensus") -> list[float]:
    """Dice of each test nodule, mean over the seeds."""
    each = [held[arm]["splits"]["test"][how][against] for held in found.values()]
    return list(np.mean(each, axis=0).astype(float))


def figure(interval: Interval, count: int) -> dict[str, Any]:
    """An interval as the results keep it."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": count}


def summary(found: Found, rule: Any, readers: Sequence[float], test: Examined) -> dict[str, Any]:
    """Every arm in every way of prompting, the rule without a network, and the readers among themselves."""
    patients, count = patients_of(test.nodules), len(test.nodules)
    arms: dict[str, Any] = {}
    for arm in next(iter(found.values())):
        full = over_seeds(found, FULL)
        own = over_seeds(found, arm)
        arms[arm] = {
            "words": WORDS[arm],
            **{how: figure(mean_interval(over_seeds(found, arm, how), patients), count) for how in HOW},
            "against_each_reader": figure(
                mean_interval(over_seeds(found, arm, "click", "reader"), patients), count
            ),
            "share_of_full": figure(ratio_interval(own, full, patients), count),
            "share_of_full_box": figure(
                ratio_interval(over_seeds(found, arm, "box"), over_seeds(found, FULL, "box"), patients), count
            ),
            "mean_by_seed": [
                float(np.mean(h[arm]["splits"]["test"]["click"]["consensus"])) for h in found.values()
            ],
            "training_slices": next(iter(found.values()))[arm]["slices"],
        }
    return {
        "arms": arms,
        "rule_without_network": {
            how: figure(mean_interval(held["consensus"], patients), count) for how, held in rule.items()
        },
        "between_readers": figure(mean_interval(readers, patients), count),
        "attention": attention(found, test),
        "by_size": by_size(found, test),
    }


def attention(found: Found, test: Examined) -> dict[str, Any]:
    """How often the attention's greatest place lies in an outline, beside the chance of a random place."""
    if any("image_labels" not in held for held in found.values()):
        return {}
    notes = [held["image_labels"]["notes"]["test"] for held in found.values()]
    hits = np.mean([per_nodule(np.array(note["owner"]), note["hit"]) for note in notes], axis=0)
    hit = mean_interval(list(hits), patients_of(test.nodules))
    return {
        "hit": figure(hit, len(hits)),
        "chance": float(np.mean([note["chance"] for note in notes])),
        "picture_auc_by_seed": [note["picture_auc"] for note in notes],
    }


def by_size(found: Found, test: Examined) -> dict[str, Any]:
    """Full and partial supervision by the readers' median diameter."""
    bands = (
        (0, 6, "under 6 mm"),
        (6, 10, "6 to 10 mm"),
        (10, 20, "10 to 20 mm"),
        (20, 100, "20 mm and over"),
    )
    parts = {}
    for low, high, name in bands:
        chosen = [i for i, nodule in enumerate(test.nodules) if low <= nodule.diameter_mm < high]
        patients = [test.nodules[i].patient for i in chosen]
        if chosen:
            parts[name] = {
                arm: figure(mean_interval([over_seeds(found, arm)[i] for i in chosen], patients), len(chosen))
                for arm in (FULL, "quarter_and_points", "points")
            }
    return parts


def rows(found: Found, rule: Any, readers: Sequence[float], test: Examined) -> list[dict[str, Any]]:
    """The lines of the page."""
    patients, count = patients_of(test.nodules), len(test.nodules)
    full = over_seeds(found, FULL)
    whole = figure(mean_interval(full, patients), count)
    among = figure(mean_interval(readers, patients), count)
    arms = next(iter(found.values()))
    lines = [_row(f"Dice, {WORDS[FULL]}", whole, among, "two readers of one nodule", "", None)]
    for arm in arms:
        if arm in SEVERAL or arm == "one_reader":
            continue
        share = figure(ratio_interval(over_seeds(found, arm), full, patients), count)
        goal = GOALS.get(arm)
        met = None if goal is None else share["value"] >= goal
        quarter = figure(ratio_interval(over_seeds(found, "quarter"), full, patients), count)
        lines.append(_row(f"share of full Dice, {WORDS[arm]}", share, quarter, "25 % of outlines alone",
                          f">= {goal}" if goal else "", met))  # fmt: skip
    naive = figure(ratio_interval(rule["click"]["consensus"], full, patients), count)
    lines.append(_row("share of full Dice, growing rule without a network, point", naive, None, "", "", None))
    for arm in (each for each in SEVERAL if each in arms and "one_reader" in arms):
        for against in ("consensus", "reader"):
            own, single = (over_seeds(found, each, against=against) for each in (arm, "one_reader"))
            more = difference_interval(own, single, patients)
            words = "" if against == "consensus" else ", against each reader"
            what = f"gain in Dice over one reader{words}, {WORDS[arm]}"
            lines.append(_row(what, figure(more, count), None, "", "> 0", more.lower > 0))
    return lines


def _row(what: str, held: Any, baseline: Any, name: str, goal: str, met: bool | None) -> dict[str, Any]:
    note = "seeds averaged; patients drawn with replacement"
    return {
        "what": what, "figure": held, "baseline": baseline, "baseline_name": name, "goal": goal,
        "met": met, "note": note,
    }  # fmt: skip
