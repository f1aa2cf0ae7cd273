"""The audit of a chest score: what moves it beside the disease, a planted trap, training that removes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, auc_interval
from coread.learning.causal.chest import EXPOSURES, GRAPH, observed
from coread.learning.causal.effects import DRAWS, Observed, effects, gaps
from coread.learning.causal.planting import plant, planted_where
from coread.learning.chest.chest_card import VERSION
from coread.learning.chest.sites.atlas import MEANS, Atlas, Rows
from coread.learning.chest.sites.heads import Head, balanced, fit_eraser, fit_head
from coread.learning.chest.sites.looks import Look, looked
from coread.learning.chest.sites.mixing import log_odds, mix
from coread.learning.chest.sites.trunks import SHIPPED, net_of_onnx
from coread.learning.runs.files import plain

Float = NDArray[np.float64]

STRENGTH = 0.003
"""Inverse penalty of every head here; chosen by patient folds of the adult training images."""

SEEDS = (0, 1, 2)
SICK_SHARE, WELL_SHARE = 0.9, 0.1
"""Shares of the sick and of the well that bear the planted mark in training."""

NAIVE = "frozen trunk, plain head"


def study(
    data: Path, out: Path, quick: bool = False, progress: Callable[[str, float], None] = lambda *_: None
) -> dict[str, Any]:
    """Audit the naive heads and the shipped reader on test patients, and prove the audit on a planted trap.

    Parameters
    ----------
    data
        Folder of the published sets.
    out
        Folder of this study; the cache of looks lies beside it.
    quick
        Few patients: tries the code.
    progress
        Told of progress.
    """
    tuned = net_of_onnx(SHIPPED)
    atlas = Atlas(data, out.parent / "chest_looks", progress, tuned=tuned, quick=quick)
    mixture, parts = mix(atlas, tuned)
    scores = {**naive_scores(atlas), "shipped reader": log_odds(mixture, parts, atlas)}
    draws = 40 if quick else DRAWS
    found = {
        "graph": {"arrows": sorted(GRAPH.arrows), "unseen": sorted(GRAPH.unseen)},
        "unit": "standard deviations of the reader's score on the test patients of the same source",
        "effects": {name: audit(atlas, score, draws) for name, score in scores.items()},
        "planted": planted(atlas, progress, draws),
        "seeds": list(SEEDS),
        "reader": VERSION,
    }
    said: dict[str, Any] = plain({**HEAD, "rows": rows_of(found), **found})
    return said


HEAD = {
    "title": "Causal audit of the chest reader",
    "evidence_grade": "retrospective",
    "did_not_work": [],
}


def rows_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines of the lab's page: the view's effect on every reader, and the trap in every training."""
    rows = []
    for name, held in found["effects"].items():
        view = held["view"]
        if view["estimates"]:
            rows.append(
                {
                    "what": f"effect of PA instead of AP on the score, label held: {name}",
                    "figure": view["estimates"]["standardised"],
                    "baseline": view["estimates"]["unadjusted"],
                    "baseline_name": "unadjusted", "goal": "no effect",
                    "met": view["verdict"] == "no effect shown",
                    "note": view["verdict"],
                }
            )  # fmt: skip
    return [*rows, *(_trap_row(name, held) for name, held in found["planted"].items())]


def _trap_row(name: str, held: Mapping[str, Any]) -> dict[str, Any]:
    learned = name == "unaware"
    return {
        "what": f"planted mark, training: {name}", "figure": held["audit"][0], "baseline": None,
        "baseline_name": "true effect " + ", ".join(f"{e:.2f}" for e in held["true_effect"]),
        "goal": "found by the audit" if learned else "not learned",
        "met": held["found_in"] == held["of_seeds"] if learned else held["found_in"] == 0,
        "note": f"found with {held['found_in']} of {held['of_seeds']} seeds",
    }  # fmt: skip


def naive_scores(atlas: Atlas) -> dict[str, Float]:
    """Scores [image] of a plain head on the frozen trunk, of the same with the view made even, and erased."""
    learners = atlas.rows("train", "nih")
    items, truth = atlas.some(learners), atlas.truth(learners)
    features = atlas.means()
    view = np.array([i.view == "PA" for i in items])
    eraser = fit_eraser(features[learners], view, truth)
    heads = {
        NAIVE: fit_head(features[learners], truth, strength=STRENGTH),
        "frozen trunk, views drawn evenly": fit_head(
            features[learners], truth, balanced(items), strength=STRENGTH
        ),
        "frozen trunk, view erased": eraser.folded(
            fit_head(eraser(features[learners]), truth, balanced(items), strength=STRENGTH)
        ),
    }
    return {name: head(features) for name, head in heads.items()}


def audit(atlas: Atlas, score: Float, draws: int) -> dict[str, Any]:
    """Effects of every exposure on one score, on test patients."""
    report = {}
    for name, exposure in EXPOSURES.items():
        rows = atlas.rows("test", None if name == "site" else "nih")
        spread = score[atlas.rows("test", "nih")].std()
        seen = observed(atlas.some(rows), score[rows] / spread, exposure)
        report[name] = {
            "contrast": exposure.said,
            "held_fixed": list(exposure.held),
            "asked_for_by_the_graph": [sorted(s) for s in GRAPH.adjustment_sets(exposure.node, "score")],
            "images": len(seen.exposed),
            "exposed": int(seen.exposed.sum()),
            **estimates(seen, draws),
        }
    return report


def estimates(seen: Observed, draws: int) -> dict[str, Any]:
    """Every estimate, the strata that have nothing to compare, and what may be said."""
    thin = gaps(seen)
    if min(seen.exposed.sum(), (~seen.exposed).sum()) < 2:
        return {"estimates": None, "strata_without_comparison": thin, "verdict": "nothing to compare"}
    found = {name: figure(held, len(seen.exposed)) for name, held in effects(seen, draws=draws).items()}
    return {"estimates": found, "strata_without_comparison": thin, "verdict": verdict(found, thin, seen)}


def verdict(found: Mapping[str, Any], thin: list[str], seen: Observed) -> str:
    """What the adjusted estimates say together."""
    if len(thin) == len(set(seen.stratum)):
        return "not identified: no stratum holds both"
    adjusted = [held for name, held in found.items() if name != "unadjusted"]
    signs = {1 if h["lower"] > 0 else -1 if h["upper"] < 0 else 0 for h in adjusted}
    if signs in ({1}, {-1}):
        return "moves the score"
    return "no effect shown" if signs == {0} else "estimates disagree"


def figure(interval: Interval, count: int) -> dict[str, Any]:
    """A figure with its interval and the number of images."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": count}


def planted(atlas: Atlas, progress: Callable[[str, float], None], draws: int) -> dict[str, Any]:
    """Plant a mark that predicts the label in training, and ask the audit who learned it.

    On test patients the mark is drawn without regard to the label, so that a reader that looks at it loses.
    """
    learners, tests = atlas.rows("train", "nih"), atlas.rows("test", "nih")
    look = Look("imagenet-planted", change=plant)
    marked = {
        name: looked(atlas.some(rows), look, atlas.eye(), atlas.folder, progress).pooled[:, :MEANS]
        for name, rows in (("train", learners), ("test", tests))
    }
    runs = [_planted_once(atlas, marked, seed, draws) for seed in SEEDS]
    return {name: _over_seeds([run[name] for run in runs]) for name in runs[0]}


def _planted_once(
    atlas: Atlas, marked: Mapping[str, NDArray[np.float32]], seed: int, draws: int
) -> dict[str, Any]:
    learners, tests = atlas.rows("train", "nih"), atlas.rows("test", "nih")
    truth, plain = atlas.truth(learners), atlas.means()
    rng = np.random.default_rng(seed)
    where = planted_where(truth, SICK_SHARE, WELL_SHARE, rng)
    shown = np.where(where[:, None], marked["train"], plain[learners])
    test_where = planted_where(atlas.truth(tests), 0.5, 0.5, rng)
    test_shown = np.where(test_where[:, None], marked["test"], plain[tests])
    return {
        name: {
            **_detect(atlas, tests, head, (test_where, test_shown), draws),
            **_paired(head, marked["test"], plain[tests]),
        }
        for name, head in trained_with_trap(atlas, learners, shown, where, marked["train"]).items()
    }


def trained_with_trap(
    atlas: Atlas,
    learners: Rows,
    shown: NDArray[np.float32],
    where: NDArray[np.bool_],
    marked: NDArray[np.float32],
) -> dict[str, Head]:
    """Heads on the images with the trap: unaware; and four that take it out; and one that never met it."""
    truth, items = atlas.truth(learners), atlas.some(learners)
    names = ["mark" if w else "none" for w in where]
    eraser = fit_eraser(shown, where, truth)
    plain = atlas.means()[learners]
    both = np.concatenate([plain, marked])
    return {
        "never met the mark": fit_head(plain, truth, strength=STRENGTH),
        "unaware": fit_head(shown, truth, strength=STRENGTH),
        "drawn evenly over the mark": fit_head(shown, truth, balanced(items, names), strength=STRENGTH),
        "mark erased from the features": eraser.folded(fit_head(eraser(shown), truth, strength=STRENGTH)),
        "each image with and without the mark": fit_head(both, np.r_[truth, truth], strength=STRENGTH),
    }


def _detect(
    atlas: Atlas, tests: Rows, head: Head, shown: tuple[NDArray[np.bool_], NDArray[np.float32]], draws: int
) -> dict[str, Any]:
    """What the audit, which sees only who bears the mark, finds on test patients."""
    where, features = shown
    score = head(features)
    items = atlas.some(tests)
    label = np.array([float(i.opacity) for i in items])
    seen = Observed(
        where, score / score.std(), label[:, None], tuple(map(str, label)), tuple(i.patient for i in items)
    )
    found = estimates(seen, draws)
    return {
        "auc": figure(auc_interval(label.astype(int), score, list(seen.patients)), len(score)),
        "audit": found["estimates"]["standardised"],
        "found": found["verdict"] == "moves the score",
    }


def _paired(head: Head, marked: NDArray[np.float32], plain: NDArray[np.floating]) -> dict[str, Any]:
    """The true effect: the same test images with and without the mark."""
    change = (head(marked) - head(plain)) / head(plain).std()
    return {"true_effect": float(change.mean())}


def _over_seeds(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "found_in": sum(run["found"] for run in runs),
        "of_seeds": len(runs),
        "auc": [run["auc"] for run in runs],
        "audit": [run["audit"] for run in runs],
        "true_effect": [run["true_effect"] for run in runs],
    }
