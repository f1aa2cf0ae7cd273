"""Study of a new version: what the old threshold does to it at each site, and what one of its own mends.

The old version reads the trunk's middle layers, the new one its last layer, trained where disease is rarer
(half of the training positives are left out), as new versions are. The old threshold is chosen on
validation patients, the new one too; both are measured on test patients.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import statistic_interval, youden_threshold
from coread.evaluation.certainty import SiteThreshold
from coread.learning.uncertainty.cross_fitting import fitted
from coread.learning.uncertainty.frozen import LAST, Looker
from coread.learning.uncertainty.images import SPLITS, ImageSet, chests
from coread.learning.uncertainty.rows import Goal, figure, row
from coread.learning.uncertainty.versions import TwoVersions, follow, of_site, rates

Float = NDArray[np.float64]

STRENGTH = 0.01
SITES = ("nih", "paediatric")


def rows_of_versions(data: Path, out: Path, most: int | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and details; features are taken from `out` or computed there."""
    looker = Looker(out / "features", 1)
    sets = [chests(data, split).first(most) for split in SPLITS]
    seen = [looker(part) for part in sets]
    val, test = _scored(sets, seen)
    threshold = {site: youden_threshold(of_site(val, site).truth, of_site(val, site).old) for site in SITES}
    chosen = follow(val, threshold, "sensitivity")
    rows, details = [], {}
    for site, found in chosen.items():
        if isinstance(found, SiteThreshold):
            details[site] = _measured(of_site(test, site), threshold[site], found)
            rows.append(_row(site, details[site]))
    return rows, details


def _scored(sets: list[ImageSet], seen: list[Float]) -> tuple[TwoVersions, TwoVersions]:
    train = sets[0].label
    thinned = np.ones(len(train), dtype=bool)
    thinned[np.flatnonzero(train)[::2]] = False
    old = fitted(seen[0][:, :-LAST], train, STRENGTH)
    new = fitted(seen[0][thinned][:, -LAST:], train[thinned], STRENGTH)
    both = []
    for images, x in zip(sets[1:], seen[1:], strict=True):
        scores = (
            np.asarray(m.logits(f), dtype=np.float64) for m, f in ((old, x[:, :-LAST]), (new, x[:, -LAST:]))
        )
        first, second = (logits[:, 1] - logits[:, 0] for logits in scores)
        both.append(TwoVersions(images.label, first, second, images.patient, images.facts["site"]))
    return both[0], both[1]


def _measured(test: TwoVersions, threshold: float, chosen: SiteThreshold) -> dict[str, Any]:
    """Change of sensitivity on test patients: at the old threshold, and at the new one."""
    sick = test.truth.astype(bool)
    calls = {
        "old": test.old >= threshold,
        "unchanged": test.new >= threshold,
        "new": test.new >= chosen.threshold.value,
    }

    def change(name: str) -> dict[str, Any]:
        def moved(weights: Float) -> float:
            mass = weights[sick]
            return float((mass @ calls[name][sick] - mass @ calls["old"][sick]) / max(mass.sum(), 1e-12))

        return figure(statistic_interval(moved, test.patient), int(sick.sum()))

    return {
        "old_threshold": threshold,
        "new_threshold": figure(chosen.threshold, chosen.cases),
        "cases_on_validation": chosen.cases,
        "cases_wanted": chosen.wanted,
        "old": rates(test.truth, test.old, threshold),
        "unchanged": rates(test.truth, test.new, threshold),
        "new": rates(test.truth, test.new, chosen.threshold.value),
        "change_if_unchanged": change("unchanged"),
        "change": change("new"),
    }


def _row(site: str, held: dict[str, Any]) -> dict[str, Any]:
    moved, kept = held["change_if_unchanged"], held["change"]
    note = f"sensitivity, specificity: old {_pair(held['old'])}, new version at the old threshold "
    note += f"{_pair(held['unchanged'])}, at its own {_pair(held['new'])}; "
    note += f"{held['cases_on_validation']} positives to choose on, {held['cases_wanted']} wanted"
    what = f"new version at {site}: change of sensitivity at a threshold of its own"
    goal = Goal("nearer to 0 than at the old threshold", abs(kept["value"]) < abs(moved["value"]))
    return row(what, kept, beside=("at the old threshold", moved), goal=goal, note=note)


def _pair(both: tuple[float, float]) -> str:
    return f"{both[0]:.3f}, {both[1]:.3f}"
