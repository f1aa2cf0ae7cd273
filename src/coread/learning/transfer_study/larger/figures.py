"""The figures of the study at larger images: each arm's area and gains, and the pair that meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coread.learning.runs.run import Run
from coread.learning.transfer_study.arms import BASELINES
from coread.learning.transfer_study.larger.recipes import GRIDS
from coread.learning.transfer_study.larger.tasks import QUESTIONS
from coread.learning.transfer_study.study import (
    OPPONENTS,
    PROMISED_ARM,
    SEEDS,
    compared,
    drawn_areas,
    gain,
    told,
    verdict,
)
from coread.learning.transfer_study.tasks import Task

Float = NDArray[np.float64]

SECOND = "related"
"""The small network that has learnt a related question first: transfer without ImageNet."""

IMAGENET = ("frozen", "partial", "tuned")
"""Arms that start from ImageNet's weights."""

SIDES = {"transfer": (*IMAGENET, SECOND), "imagenet": IMAGENET, "from_scratch": BASELINES}
"""Sides that each name their arm by validation images."""


OF_ANY_KIND = "transfer of any kind, by the arm that validation images like best,"
FROM_IMAGENET = "the arm from ImageNet's weights that validation images like best"
NAMED = f"the arm named before the first round ({PROMISED_ARM})"
"""Kinds of transfer in words."""


class Work(NamedTuple):
    """One trial that is to be made."""

    task: str
    share: float
    arm: str
    seed: int

    def name(self) -> str:
        """Of its files."""
        return f"{self.task}-{self.share:g}-{self.arm}-{self.seed}"


def of_task(task: Task, out: Path, works: Sequence[Work]) -> dict[str, Any]:
    """Figures of what has been made of one task, and what was tried on validation images."""
    name = task.name
    held = _kept(out, [work for work in works if work.task == name])
    shares: dict[str, Any] = {}
    for share in sorted({share for share, _ in held}):
        arms = {arm: held[share, arm] for of, arm in held if of == share}
        shares[f"{share:.0%}"] = {
            **compared(task, {arm: logits for arm, (logits, _) in arms.items()}, share),
            "validation": {arm: float(np.mean(list(score.values()))) for arm, (_, score) in arms.items()},
            "chosen": _chosen(task, arms),
        }
    tried = {arm: Run(out / "settings" / f"{name}-{arm}").read_json("tried") for arm in (*GRIDS, SECOND)}
    return {"shares": shares, "tried": {arm: found for arm, found in tried.items() if found}}


Scored = tuple[dict[int, Float], dict[int, float]]
"""Test logits of each seed, and validation areas."""


def _kept(out: Path, works: Sequence[Work]) -> dict[tuple[float, str], Scored]:
    folder, held = Run(out / "scores"), dict[tuple[float, str], Scored]()
    for work in works:
        score = folder.read_json(work.name())
        if score is not None:
            logits, scores = held.setdefault((work.share, work.arm), ({}, {}))
            logits[work.seed] = np.load(folder.path(f"{work.name()}.npy"))
            scores[work.seed] = float(score["val_auc"])
    return held


def _chosen(task: Task, arms: Mapping[str, Scored]) -> dict[str, Any]:
    """The arm of each side that validation images like best over the seeds, and what it gains over scratch.

    A side without an arm that has every seed is left out.
    """
    whole = {arm: float(np.mean(list(s.values()))) for arm, (_, s) in arms.items() if len(s) == len(SEEDS)}
    able = {side: [arm for arm in of if arm in whole] for side, of in SIDES.items()}
    best = {side: max(of, key=lambda arm: whole[arm]) for side, of in able.items() if of}
    areas = {side: drawn_areas(task, arms[arm][0]) for side, arm in best.items()}
    scratch, count = areas.pop("from_scratch", None), len(task.rows("test"))
    gains = {side: gain(drawn, scratch, count) for side, drawn in areas.items()} if scratch else {}
    return {"arms": best, "gains": gains}


def rows(tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The promise in six senses, the strictest first; then a row for each arm."""
    ten = {name: held["shares"]["10%"] for name, held in tasks.items() if "10%" in held["shares"]}
    best = "whatever from scratch validation images like best"
    return [
        verdict(OF_ANY_KIND, best, _best(ten, "transfer")),
        verdict(FROM_IMAGENET, best, _best(ten, "imagenet")),
        verdict(FROM_IMAGENET, OPPONENTS["untaught"], _same_network(ten)),
        *(verdict(NAMED, OPPONENTS[opponent], _named_arm(ten, opponent)) for opponent in BASELINES),
        verdict("a related question first", "the same small network from scratch", _related_first(ten)),
        *_arm_rows(tasks),
    ]


Gains = Mapping[str, Mapping[str, float]]


def _best(ten: Mapping[str, Any], side: str) -> Gains:
    """Of each task, what the side's arm gains over the best from scratch."""
    named = {name: made["chosen"] for name, made in ten.items() if side in made["chosen"]["gains"]}
    return {
        f"{name}, {found['arms'][side]} over {found['arms']['from_scratch']}": found["gains"][side]
        for name, found in named.items()
    }


def _same_network(ten: Mapping[str, Any]) -> Gains:
    """Of each task, what the arm from ImageNet gains over the same network from random weights."""
    named = {name: made["chosen"]["arms"].get("imagenet") for name, made in ten.items() if "untaught" in made}
    return {f"{name}, {arm}": ten[name][arm]["gain_over_untaught"] for name, arm in named.items() if arm}


def _named_arm(ten: Mapping[str, Any], opponent: str) -> Gains:
    """Of each task, what the arm gains that was named before the first round."""
    able = {name: made for name, made in ten.items() if PROMISED_ARM in made and opponent in made}
    return {name: made[PROMISED_ARM][f"gain_over_{opponent}"] for name, made in able.items()}


def _related_first(ten: Mapping[str, Any]) -> Gains:
    """Of each task, what the related question is worth to the same network."""
    able = {name: made[SECOND] for name, made in ten.items() if SECOND in made and "scratch" in made}
    return {name: made["gain_over_scratch"] for name, made in able.items()}


def _arm_rows(tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "what": f"{name} ({QUESTIONS[name]}), {share} of the labels, {arm}: AUC",
            "figure": _bare(made[arm]),
            "baseline": _bare(made[opponent]), "baseline_name": OPPONENTS[opponent],
            "goal": "", "met": None,
            "note": f"gain {told(made[arm][f'gain_over_{opponent}'])}; seeds {made[arm]['seeds']}",
        }
        for name, held in tasks.items()
        for share, made in held["shares"].items()
        for arm in SIDES["transfer"]
        for opponent in BASELINES
        if arm in made and opponent in made
    ]  # fmt: skip


def _bare(figure: Mapping[str, Any]) -> dict[str, Any]:
    return {key: figure[key] for key in ("value", "lower", "upper", "n")}
