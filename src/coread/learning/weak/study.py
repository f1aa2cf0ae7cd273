"""The study of weak supervision: every arm trained alike, examined on the same test patients.

One network, one number of steps, one set of prompts; only what may be learned from differs. Truth is what at
least half of a nodule's readers marked, for nodules that two readers or more marked; agreement with each
single reader stands beside it, and the agreement of readers among themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coread.evaluation import roc_auc
from coread.learning.nodule.cohort import Split, lidc
from coread.learning.nodule.outlining import Lessons, Plan, read_all, train
from coread.learning.nodule.scoring import HOW, Examined, agreement, between_readers, examined, outlined
from coread.learning.nodule.unet import NoduleNet
from coread.learning.runs.files import plain
from coread.learning.runs.run import Run
from coread.learning.weak import arms
from coread.learning.weak.growing import grown
from coread.learning.weak.instances import (
    SQUARE_PX,
    BagPlan,
    bags,
    hit_rate,
    pointed,
    read_bags,
    squares_of,
    train_bags,
)
from coread.learning.weak.ratings import held_out_readers, rating_rows
from coread.learning.weak.table import rows, summary

Tell = Callable[[str, float], None]

SEEDS = (0, 1, 2)

ARMS = ("majority", "quarter", "quarter_and_points", "points", "boxes", "image_labels",
        "one_reader", "mean_of_readers", "staple", "ranked_readers", "dawid_skene")  # fmt: skip
"""In the order in which they are trained: later ones may learn from earlier ones."""

_PLAIN = {
    "majority": arms.majority,
    "quarter": arms.quarter,
    "points": arms.points,
    "boxes": arms.boxes,
    "one_reader": arms.one_reader,
    "mean_of_readers": arms.mean_of_readers,
    "staple": arms.stapled,
    "ranked_readers": arms.ranked_readers,
    "dawid_skene": arms.dawid_skened,
}


@dataclass(frozen=True)
class Scale:
    """How large a study is."""

    seeds: tuple[int, ...] = SEEDS
    plan: Plan = field(default_factory=Plan)
    bag_plan: BagPlan = field(default_factory=BagPlan)
    nodules: int | None = None
    """Most nodules per split; None for all."""


DID_NOT_WORK = (
    "A network that was shown grey and prompt only ended, after 300 steps, at a Dice of 0.51 on validation "
    "patients, below the growing rule: its last layer moved too slowly under Adam, so it drew discs. A "
    "prior and a gain on the last layer, and the grey relative to the prompt as a third channel, mended it.",
    "A teacher's outlines at points did not help beyond the outlined quarter alone at this training budget.",
)

QUICK = Scale((0, 1, 2), Plan(steps=12, batch=8, width=4), BagPlan(steps=10, batch=16), 40)


def study(data: Path, out: Path, quick: bool, progress: Tell) -> dict[str, Any]:
    """Train and examine every arm with every seed; what is finished is not done again.

    Parameters
    ----------
    data, out
        Folder of the published sets; folder to go on from.
    quick
        A few steps on a few nodules: tries the machinery, its figures mean nothing.
    progress
        Told of each step.
    """
    scale = QUICK if quick else Scale()
    torch.set_num_threads(1)
    cohort = lidc(data)
    held = arms.pupils(cohort, cohort.where("train", 2)[: scale.nodules])
    judges: dict[str, Examined] = {
        split: examined(cohort, cohort.where(split, 2)[: scale.nodules]) for split in _SPLITS
    }
    todo = [(seed, arm) for seed in scale.seeds for arm in ARMS]
    for number, (seed, arm) in enumerate(todo):

        def tell(text: str, share: float, number: int = number, seed: int = seed) -> None:
            progress(f"seed {seed}, {text}", (number + share) / len(todo))

        run = Run(out, scale.seeds[0], tell).part(f"seed{seed}", seed)
        finish(run, arm, held, judges, scale)
    found = {seed: {arm: Run(out).part(f"seed{seed}", seed).read_json(f"{arm}.examined") for arm in ARMS}
             for seed in scale.seeds}  # fmt: skip
    return dict(plain(conclude(found, judges["test"], scale)))


_SPLITS: tuple[Split, ...] = ("val", "test")


def finish(run: Run, arm: str, held: arms.Pupils, judges: Mapping[str, Examined], scale: Scale) -> None:
    """Train one arm with the run's seed and examine it, unless that was done."""
    if run.read_json(f"{arm}.examined") is not None:
        return
    lessons, notes = lessons_for(arm, run, held, judges, scale)
    net = train(lessons, scale.plan, run, arm)
    marks = {"val": examine(net, judges["val"], ("click",)), "test": examine(net, judges["test"], HOW)}
    run.write_json(f"{arm}.examined", {"splits": marks, "notes": notes, "slices": len(lessons.images)})


def lessons_for(
    arm: str, run: Run, held: arms.Pupils, judges: Mapping[str, Examined], scale: Scale
) -> tuple[Lessons, dict[str, Any]]:
    """What an arm learns from, and what is worth knowing of it."""
    if arm == "quarter_and_points":
        teacher = trained("quarter", run, scale)
        return arms.taught(held, teacher, run.rng("quarter"), run.rng("points")), {}
    if arm == "image_labels":
        return image_labels(run, held, judges, scale)
    return _PLAIN[arm](held, run.rng(arm)), {}


def trained(arm: str, run: Run, scale: Scale) -> NoduleNet:
    """The network of an arm that was trained before."""
    state = run.load(arm)
    if state is None:
        raise ValueError(f"{arm} is learned from and must be trained first")
    net = NoduleNet(scale.plan.width)
    net.load_state_dict(state["parts"]["net"])
    net.eval()
    return net


def image_labels(
    run: Run, held: arms.Pupils, judges: Mapping[str, Examined], scale: Scale
) -> tuple[Lessons, dict[str, Any]]:
    """Find the places by attention alone, and outline there; say how often the place was right."""
    net = train_bags(held, scale.bag_plan, run)
    corners = squares_of(len(held), run.rng("squares"), SQUARE_PX)
    images = held.cohort.slices.images
    places = pointed(net, images[held.row], corners, SQUARE_PX)
    notes: dict[str, Any] = {}
    for split, judge in judges.items():
        others = arms.pupils(held.cohort, judge.nodules)
        pictures, labels = bags(others, run.rng("bags", 1), 1000)
        where = pointed(
            net, images[others.row], squares_of(len(others), run.rng("squares", 1), SQUARE_PX), SQUARE_PX
        )
        hits, chance = hit_rate(others, where)
        notes[split] = {
            "picture_auc": roc_auc(labels.astype(int), read_bags(net, pictures)[0]),
            "hit": hits, "chance": float(np.mean(chance)), "owner": others.owner.tolist(),
        }  # fmt: skip
    return arms.found_places(held, places), notes


def examine(net: NoduleNet, judge: Examined, ways: Sequence[str]) -> dict[str, Any]:
    """Dice of each nodule for some ways of prompting."""
    marks = {}
    for how in ways:
        inside = read_all(net, judge.inputs[how])[0]
        masks = [outlined(p, spot) for p, spot in zip(inside, judge.prompts[how], strict=True)]
        marks[how] = agreement(judge, masks)
    return marks


def conclude(found: Mapping[int, Mapping[str, Any]], test: Examined, scale: Scale) -> dict[str, Any]:
    """The table: each arm against full supervision, readers among themselves beside."""
    readers = between_readers(test)
    rule = {
        how: agreement(test, [_grown(test, at, how) for at in range(len(test.row))])
        for how in ("click", "box")
    }
    return {
        "title": "Weak supervision: outlining of lung nodules (LIDC-IDRI)",
        "evidence_grade": "retrospective",
        "truth": "pixels marked by at least half of the readers; nodules of two readers or more",
        "nodules": len(test.nodules),
        "patients": len({nodule.patient for nodule in test.nodules}),
        "seeds": list(scale.seeds),
        "plan": scale.plan,
        **summary(found, rule, readers, test),
        "ratings": (ratings := held_out_readers(test.cohort)),
        "rows": [*rows(found, rule, readers, test), *rating_rows(ratings)],
        "did_not_work": list(DID_NOT_WORK),
    }


def _grown(test: Examined, at: int, how: str) -> Any:
    return grown(test.cohort.slices.images[test.row[at]], test.prompts[how][at])
