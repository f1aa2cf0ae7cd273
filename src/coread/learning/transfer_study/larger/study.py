"""The study at larger images: both sides choose their arm on validation images, and meet on test patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coread.learning.runs.files import plain
from coread.learning.runs.run import Run, Tell, nobody
from coread.learning.transfer_study.arms import BASELINES, Trial
from coread.learning.transfer_study.larger.recipes import GRIDS, SLOWER, Made, Setting, trained
from coread.learning.transfer_study.larger.related import RELATED
from coread.learning.transfer_study.larger.tasks import LARGER, QUESTIONS
from coread.learning.transfer_study.study import (
    OPPONENTS,
    PROMISED,
    SEEDS,
    TOLD,
    compared,
    drawn_areas,
    gain,
    told,
)
from coread.learning.transfer_study.tasks import Task

Float = NDArray[np.float64]

TAUGHT = ("frozen", "partial", "tuned")
"""Arms that start from ImageNet's weights."""

SHARE_OF_PROMISE = 0.1

OTHER_SHARES = (0.01, 1.0)

SECOND = "related"
"""The small network that has learnt a related question first: transfer without ImageNet."""

CHEAP = ("frozen", "scratch", SECOND)
"""Arms that take a minute."""

DEAR = ("untaught", "tuned")
"""Arms that train the whole trunk on images: minutes each."""

ARMS_OF_PROMISE = (*CHEAP, *DEAR, "partial")


class Work(NamedTuple):
    """One trial that is to be made."""

    task: str
    share: float
    arm: str
    seed: int

    def name(self) -> str:
        """Of its files."""
        return f"{self.task}-{self.share:g}-{self.arm}-{self.seed}"


def all_work(quick: bool) -> Iterator[Work]:
    """Every trial in the order of its worth; the cheap ones with one seed if quick."""
    if quick:
        yield from _of(SHARE_OF_PROMISE, ("frozen", "scratch"), SEEDS[:1])
        return
    for seed in SEEDS:
        yield from _of(SHARE_OF_PROMISE, ARMS_OF_PROMISE, (seed,))
    for share in OTHER_SHARES:
        yield from _of(share, CHEAP, SEEDS)


def _of(share: float, arms: Sequence[str], seeds: Sequence[int]) -> Iterator[Work]:
    return (Work(task, share, arm, seed) for task in LARGER for seed in seeds for arm in arms)


def study(data: Path, out: Path, quick: bool = False, progress: Tell = nobody) -> dict[str, Any]:
    """Make every trial that is not made yet, and give the table.

    Parameters
    ----------
    data
        Folder of the published sets.
    out
        Folder of the study; what lies there is not made again.
    quick
        One seed, frozen against scratch.
    progress
        Told of each trial.

    Returns
    -------
    dict
        Rows for the table of the lab, and the figures.
    """
    works = list(all_work(quick))
    for number, work in enumerate(works):
        progress(f"{work.task} {work.share:.0%} {work.arm} seed {work.seed}", number / len(works))
        make(data, out, work)
    return report(data, out, works)


def make(data: Path, out: Path, work: Work) -> None:
    """Keep test logits and validation area of one trial, unless they are kept."""
    folder = Run(out / "scores")
    if folder.read_json(work.name()) is not None:
        return
    number, setting = chosen(data, out, work)
    first = work.seed == SEEDS[0] and work.share == SHARE_OF_PROMISE
    place = _grid_place(out, work, number) if first else out / "trials" / work.name()
    logits, score = _made(data, out, work, setting, place)
    np.save(folder.path(f"{work.name()}.npy"), np.asarray(logits, dtype=np.float64))
    folder.write_json(work.name(), {"val_auc": score, "setting": dict(setting)})


def chosen(data: Path, out: Path, work: Work) -> tuple[int, Setting]:
    """Number and setting of an arm, chosen once for each task on validation images of the first seed."""
    grid, run = _grid(data, out, work), Run(out / "settings" / f"{work.task}-{work.arm}")
    if len(grid) == 1:
        return 0, grid[0]
    held = run.read_json("tried") or []
    at = Work(work.task, SHARE_OF_PROMISE, work.arm, SEEDS[0])
    for number, setting in enumerate(grid[len(held) :], len(held)):
        score = _made(data, out, at, setting, _grid_place(out, at, number))[1]
        held = [*held, {**setting, "val_auc": score}]
        run.write_json("tried", held)
    best = max(range(len(grid)), key=lambda number: float(held[number]["val_auc"]))
    return best, grid[best]


def _grid(data: Path, out: Path, work: Work) -> Sequence[Setting]:
    if work.arm != "related":
        return GRIDS[work.arm]
    same = chosen(data, out, work._replace(arm="scratch"))[1]
    return [{**same, "slower": slower} for slower in SLOWER]


def _grid_place(out: Path, work: Work, number: int) -> Path:
    return out / "settings" / f"{work.task}-{work.arm}" / f"grid{number}"


def _made(data: Path, out: Path, work: Work, setting: Setting, place: Path) -> Made:
    task = _task(data, work.task)
    trial = Trial(task, task.few(work.share, work.seed), Run(place, work.seed), Run(out / "kept"))
    return trained(trial, work.arm, setting, lambda: RELATED[work.task](data))


@cache
def _task(data: Path, name: str) -> Task:
    return LARGER[name](data)


def report(data: Path, out: Path, works: Sequence[Work]) -> dict[str, Any]:
    """Figures of what has been made so far.

    Returns
    -------
    dict
        ``rows`` for the table of the lab; ``tasks``: for each task and share the arms' areas and gains, the
        settings tried, and the pair chosen on validation images with its gain.
    """
    tasks = {name: _of_task(data, out, name, works) for name in LARGER}
    held: dict[str, Any] = plain({
        "title": "Pretrained trunk against training from scratch, larger images",
        "evidence_grade": "retrospective", "told": TOLD, "questions": QUESTIONS,
        "rows": rows(tasks), "did_not_work": [], "tasks": tasks,
    })  # fmt: skip
    return held


def _of_task(data: Path, out: Path, name: str, works: Sequence[Work]) -> dict[str, Any]:
    task, held = _task(data, name), _kept(out, [work for work in works if work.task == name])
    shares: dict[str, Any] = {}
    for share in sorted({share for share, _ in held}):
        arms = {arm: held[share, arm] for of, arm in held if of == share}
        shares[f"{share:.0%}"] = {
            **compared(task, {arm: logits for arm, (logits, _) in arms.items()}, share),
            "validation": {arm: float(np.mean(list(score.values()))) for arm, (_, score) in arms.items()},
            "chosen": _chosen_pair(task, arms),
        }
    tried = {arm: Run(out / "settings" / f"{name}-{arm}").read_json("tried") for arm in GRIDS}
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


def _chosen_pair(task: Task, arms: Mapping[str, Scored]) -> dict[str, Any] | None:
    """The arm of each side that validation images like best over the seeds, and what one gains.

    None where a side has no arm with every seed.
    """
    whole = {arm: float(np.mean(list(s.values()))) for arm, (_, s) in arms.items() if len(s) == len(SEEDS)}
    sides = [[arm for arm in side if arm in whole] for side in (TAUGHT, BASELINES)]
    if not all(sides):
        return None
    taught, blank = (max(side, key=lambda arm: whole[arm]) for side in sides)
    areas = [drawn_areas(task, arms[arm][0]) for arm in (taught, blank)]
    return {"taught": taught, "from_scratch": blank, "gain": gain(*areas, len(task.rows("test")))}


def rows(tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The promise, against the best opponent and against the same network; then a row for each arm."""
    ten = {name: held["shares"]["10%"] for name, held in tasks.items() if "10%" in held["shares"]}
    pairs = {name: held["chosen"] for name, held in ten.items() if held["chosen"]}
    best = {
        f"{name}, {pair['taught']} over {pair['from_scratch']}": pair["gain"] for name, pair in pairs.items()
    }
    same = {
        f"{name}, {pair['taught']}": ten[name][pair["taught"]]["gain_over_untaught"]
        for name, pair in pairs.items()
        if "untaught" in ten[name]
    }
    return [
        _verdict("whatever from scratch validation images like best", best),
        _verdict(OPPONENTS["untaught"], same),
        *_arm_rows(tasks),
    ]


def _verdict(opponent: str, gains: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    reached = [name for name, found in gains.items() if found["value"] >= PROMISED]
    return {
        "what": f"sets on which the pretrained trunk, its arm chosen on validation images, gains "
        f"{PROMISED:.2f} AUC or more at 10 % of the labels over {opponent}",
        "figure": {"value": len(reached)}, "baseline": None, "baseline_name": "", "goal": ">= 2",
        "met": len(reached) >= 2,
        "note": "; ".join(f"{name} {told(found)}" for name, found in gains.items()),
    }  # fmt: skip


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
        for arm in TAUGHT
        for opponent in BASELINES
        if arm in made and opponent in made
    ]  # fmt: skip


def _bare(figure: Mapping[str, Any]) -> dict[str, Any]:
    return {key: figure[key] for key in ("value", "lower", "upper", "n")}
