"""Trials of the study at larger images: settings chosen once on validation images, each trial made once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from coread.learning.runs.run import Run
from coread.learning.transfer_study.arms import Trial
from coread.learning.transfer_study.larger.figures import Work
from coread.learning.transfer_study.larger.recipes import GRIDS, SLOWER, Made, Setting, trained
from coread.learning.transfer_study.larger.related import RELATED
from coread.learning.transfer_study.larger.tasks import LARGER
from coread.learning.transfer_study.study import SEEDS
from coread.learning.transfer_study.tasks import Task

SHARE_OF_PROMISE = 0.1


def make(data: Path, out: Path, work: Work) -> None:
    """Keep test logits and validation area of one trial, unless they are kept."""
    folder = Run(out / "scores")
    if folder.read_json(work.name()) is not None:
        return
    setting, trial = placed(data, out, work)
    logits, score = _trained(data, work, setting, trial)
    np.save(folder.path(f"{work.name()}.npy"), np.asarray(logits, dtype=np.float64))
    folder.write_json(work.name(), {"val_auc": score, "setting": dict(setting)})


def placed(data: Path, out: Path, work: Work) -> tuple[Setting, Trial]:
    """Setting and trial of a piece of work, where its checkpoints lie."""
    number, setting = chosen(data, out, work)
    first = work.seed == SEEDS[0] and work.share == SHARE_OF_PROMISE
    place = _grid_place(out, work, number) if first else out / "trials" / work.name()
    return setting, _trial(data, out, work, place)


def chosen(data: Path, out: Path, work: Work) -> tuple[int, Setting]:
    """Number and setting of an arm, chosen once for each task on validation images of the first seed."""
    grid, run = _grid(data, out, work), Run(out / "settings" / f"{work.task}-{work.arm}")
    if len(grid) == 1:
        return 0, grid[0]
    held = run.read_json("tried") or []
    at = Work(work.task, SHARE_OF_PROMISE, work.arm, SEEDS[0])
    for number, setting in enumerate(grid[len(held) :], len(held)):
        score = _trained(data, at, setting, _trial(data, out, at, _grid_place(out, at, number)))[1]
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


def _trial(data: Path, out: Path, work: Work, place: Path) -> Trial:
    task = task_of(data, work.task)
    return Trial(task, task.few(work.share, work.seed), Run(place, work.seed), Run(out / "kept"))


def _trained(data: Path, work: Work, setting: Setting, trial: Trial) -> Made:
    return trained(trial, work.arm, setting, lambda: RELATED[work.task](data))


@cache
def task_of(data: Path, name: str) -> Task:
    """The task of a set, read once."""
    return LARGER[name](data)
