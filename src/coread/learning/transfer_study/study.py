"""The study: every arm at every share of the labels, on the same test patients, with paired intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, patient_weights, percentile_interval
from coread.evaluation.discrimination import weighted_auc
from coread.learning.runs.files import plain
from coread.learning.runs.run import Run, Tell, nobody
from coread.learning.transfer_study import arms
from coread.learning.transfer_study.arms import ARMS, BASELINES, SCRATCH_GRID, UNTAUGHT_GRID, Trial
from coread.learning.transfer_study.tasks import TASKS, Task

Float = NDArray[np.float64]

SHARES = (0.1, 0.01, 1.0)
"""Shares of the training labels, in the order of their work: the promise is about 10 %."""

SEEDS = (0, 1, 2)

REPEATS = 1000

LARGEST_TRIED = 0.1
"""Largest share at which settings are tried; the best there serves for all labels."""

GRIDS: Mapping[str, Sequence[Mapping[str, float]]] = {"scratch": SCRATCH_GRID, "untaught": UNTAUGHT_GRID}
"""What is tried on validation images, for each arm that knows nothing of ImageNet."""

PROMISED = 0.05
"""Gain in area at 10 % of the labels that is promised on two sets or more."""

PROMISED_ARM = "tuned"
"""The arm held to the promise, named before its figures were seen: the best of several would flatter."""

OPPONENTS: Mapping[str, str] = {
    "untaught": "the same network from random weights",
    "scratch": "small network from scratch",
}
"""Each arm of `BASELINES` in words."""

_FIGURE = ("value", "lower", "upper", "n")

TOLD = "AUC over-all (of several classes: mean of each against the rest), test patients, mean of the seeds"


@dataclass(frozen=True)
class Work:
    """One trial that is to be made."""

    task: str
    share: float
    arm: str
    seed: int


DID_NOT_WORK = [
    "The promise is not kept: no pretrained arm gained 0.05 AUC at 10 % of the labels on any set where "
    "its opponent was trained, neither over a small network from scratch nor over the same network from "
    "random weights. At 96 x 96 pixels a small network, its settings chosen on all validation images, "
    "is a strong opponent: its deepest map has 6 x 6 places where the trunk's has 3 x 3, and it is "
    "trained for at least 240 steps of 32 images. Larger images are a round of their own.",
    "Full tuning in at least 80 steps of 16 images with ImageNet's batch statistics kept stays behind "
    "the small network on cells and radiographs. Twice the steps, twice the images in each and batch "
    "statistics that are learnt raise it to that network's level there, but not on nodules, where "
    "ImageNet's weights do harm: 0.741 against 0.909 from random ones, on 36 training images (one "
    "seed).",
    "Where the page says one seed, one was trained; the trunk from random weights was not trained on "
    "every set, nor at 1 and 100 % of the labels.",
]
"""What the figures say against the promise."""

CHEAP = ("frozen", "scratch")
"""Arms that take a minute a set."""

PAIR = ("tuned", "untaught")
"""The trunk tuned, and from random weights; at 1 and 100 % of the labels only these and the cheap arms."""


def promised_work(quick: bool) -> Iterator[Work]:
    """The trials of the promise: every arm at 10 % of the labels; the cheap ones with one seed if quick."""
    order = [CHEAP] if quick else [CHEAP, PAIR, ("partial",), ("full",)]
    yield from _works([(0.1, chosen) for chosen in order], SEEDS[:1] if quick else SEEDS)


def all_work(quick: bool) -> Iterator[Work]:
    """Every trial in the order of its worth: those of the promise first."""
    yield from promised_work(quick)
    if not quick:
        yield from _works([(share, chosen) for share in SHARES[1:] for chosen in (CHEAP, PAIR)], SEEDS)


def _works(order: Iterable[tuple[float, tuple[str, ...]]], seeds: tuple[int, ...]) -> Iterator[Work]:
    for share, chosen in order:
        for task in TASKS:
            yield from (Work(task, share, arm, seed) for seed in seeds for arm in chosen)


def study(data: Path, out: Path, quick: bool = False, progress: Tell = nobody) -> dict[str, Any]:
    """Make every trial of the promise that is not made yet, and give the table.

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
        Rows for the table of the lab, and `table`.
    """
    return _study(list(promised_work(quick)), data, out, progress)


def study_of_all_shares(
    data: Path, out: Path, quick: bool = False, progress: Tell = nobody
) -> dict[str, Any]:
    """As `study`, with 1 and 100 % of the labels too: hours."""
    return _study(list(all_work(quick)), data, out, progress)


def _study(works: Sequence[Work], data: Path, out: Path, progress: Tell) -> dict[str, Any]:
    for number, work in enumerate(works):
        progress(f"{work.task} {work.share:.0%} {work.arm} seed {work.seed}", number / len(works))
        make(data, out, work)
    made = table(data, out, works)
    held: dict[str, Any] = plain({
        "title": "Pretrained trunk against training from scratch", "evidence_grade": "retrospective",
        "rows": rows(made), "did_not_work": DID_NOT_WORK, **made,
    })  # fmt: skip
    return held


def rows(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The promise against each opponent, then one row for each task, share and pretrained arm."""
    verdicts = [_verdict(made["tasks"], opponent) for opponent in BASELINES]
    return [*verdicts, *_arm_rows(made["tasks"])]


def _verdict(tasks: Mapping[str, Any], opponent: str) -> dict[str, Any]:
    """On how many sets the promised arm gains what was promised over one opponent."""
    figures = {task: shares.get("10%", {}).get(PROMISED_ARM, {}) for task, shares in tasks.items()}
    key = f"gain_over_{opponent}"
    gains = {task: held[key] for task, held in figures.items() if key in held}
    return verdict("tuning the trunk", OPPONENTS[opponent], gains)


def verdict(promised: str, opponent: str, gains: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return the row of the table that holds gains over an opponent, one for each set, to the promise."""
    reached = [name for name, gain in gains.items() if gain["value"] >= PROMISED]
    return {
        "what": f"sets on which {promised} gains {PROMISED:.2f} AUC or more at 10 % of the labels "
        f"over {opponent}",
        "figure": {"value": len(reached)}, "baseline": None, "baseline_name": "", "goal": ">= 2",
        "met": len(reached) >= 2,
        "note": "; ".join(f"{name} {told(gain)}" for name, gain in gains.items()),
    }  # fmt: skip


def _arm_rows(tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        _row(f"{task}, {share} of the labels, {arm}: AUC", arms_made[arm], arms_made[opponent], opponent)
        for task, shares in tasks.items()
        for share, arms_made in shares.items()
        for arm in ARMS
        if arm in arms_made and arm not in BASELINES
        for opponent in BASELINES
        if opponent in arms_made
    ]


def _row(what: str, figure: Mapping[str, Any], baseline: Mapping[str, Any], opponent: str) -> dict[str, Any]:
    return {
        "what": what,
        "figure": {key: figure[key] for key in _FIGURE},
        "baseline": {key: baseline[key] for key in _FIGURE},
        "baseline_name": OPPONENTS[opponent],
        "goal": "",
        "met": None,
        "note": f"gain {told(figure[f'gain_over_{opponent}'])}; seeds {figure['seeds']}",
    }


def told(gain: Mapping[str, float]) -> str:
    """A gain with its interval, and its seeds where these are not all."""
    seeds = gain.get("seeds", len(SEEDS))
    few = "" if seeds == len(SEEDS) else f", {seeds} of {len(SEEDS)} seeds"
    return f"{gain['value']:+.3f} ({gain['lower']:+.3f} to {gain['upper']:+.3f}{few})"


def make(data: Path, out: Path, work: Work) -> Float:
    """Test logits [image, class] of one trial, made or taken from disk."""
    kept = scores_path(out, work)
    if kept.is_file():
        return np.load(kept)  # type: ignore[no-any-return]
    task = _task(data, work.task)
    run = Run(out / "trials" / _name(work), work.seed)
    trial = Trial(task, task.few(work.share, work.seed), run, Run(out / "kept"))
    logits = _from_grid(data, out, work, trial) if work.arm in GRIDS else getattr(arms, work.arm)(trial)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, np.asarray(logits, dtype=np.float64))
    return np.load(kept)  # type: ignore[no-any-return]


def scores_path(out: Path, work: Work) -> Path:
    """Where the test logits of a trial lie."""
    return out / "scores" / f"{_name(work)}.npy"


def _name(work: Work) -> str:
    return f"{work.task}-{work.share:g}-{work.arm}-{work.seed}"


@cache
def _task(data: Path, name: str) -> Task:
    return TASKS[name](data)


def _from_grid(data: Path, out: Path, work: Work, trial: Trial) -> NDArray[np.floating]:
    """An untaught network with the settings that validation images liked best at this share (seed 0).

    Where these were tried with the very images and seed of the trial, that training is taken up.
    """
    number, best = settings(data, out, work)
    if work.seed == 0 and work.share <= LARGEST_TRIED:
        trial = replace(trial, run=_settings_run(out, work).part(f"grid{number}"))
    return _trained(trial, work.arm, best)[0]


def _trained(trial: Trial, arm: str, chosen: Mapping[str, float]) -> tuple[NDArray[np.floating], float]:
    if arm == "untaught":
        return arms.untaught(trial, float(chosen["rate"]))
    return arms.scratch(trial, int(chosen["width"]), float(chosen["rate"]))


def settings(data: Path, out: Path, work: Work) -> tuple[int, dict[str, Any]]:
    """Settings of an untaught network, chosen once for each task and share on validation images.

    Returns
    -------
    (int, dict)
        Their number in the arm's grid, and the settings.
    """
    task, run, grid = _task(data, work.task), _settings_run(out, work), GRIDS[work.arm]
    held = run.read_json("tried") or []
    for number, tried in enumerate(grid[len(held) :], len(held)):
        trial = Trial(task, task.few(min(work.share, LARGEST_TRIED), 0), run.part(f"grid{number}"), run)
        held = [*held, {**tried, "val_auc": _trained(trial, work.arm, tried)[1]}]
        run.write_json("tried", held)
    best = max(range(len(held)), key=lambda number: float(held[number]["val_auc"]))
    return best, {key: held[best][key] for key in grid[best]}


def _settings_run(out: Path, work: Work) -> Run:
    share = f"{min(work.share, LARGEST_TRIED):g}"
    return Run(out / "settings" / f"{work.task}-{share}{'' if work.arm == 'scratch' else f'-{work.arm}'}", 0)


def table(data: Path, out: Path, works: Iterable[Work]) -> dict[str, Any]:
    """What has been made so far, as figures.

    Returns
    -------
    dict
        For each task and share: of each arm the area with its 95 % patient-bootstrap interval (mean over the
        seeds within each draw, so that the interval is that of test patients), each seed's area, and the gain
        over each of `BASELINES` from the same draws and the seeds that both have.
    """
    made: dict[tuple[str, float, str], dict[int, Float]] = {}
    for work in works:
        if scores_path(out, work).is_file():
            made.setdefault((work.task, work.share, work.arm), {})[work.seed] = np.load(
                scores_path(out, work)
            )
    rows: dict[str, dict[str, Any]] = {name: {} for name in TASKS}
    for name, share in sorted({(task, share) for task, share, _ in made}):
        of_share = {arm: made[name, share, arm] for arm in ARMS if (name, share, arm) in made}
        rows[name][f"{share:.0%}"] = compared(_task(data, name), of_share, share)
    return {"told": TOLD, "tasks": rows}


def compared(task: Task, arms_made: Mapping[str, Mapping[int, Float]], share: float) -> dict[str, Any]:
    """Figures of one share: each arm with its interval, its seeds and its gains over `BASELINES`."""
    count = len(task.rows("test"))
    drawn = {arm: drawn_areas(task, held) for arm, held in arms_made.items()}
    report: dict[str, Any] = {"training_images": [len(task.few(share, seed)) for seed in SEEDS]}
    for arm, per_seed in drawn.items():
        mean = np.mean(list(per_seed.values()), axis=0)
        report[arm] = _figure(percentile_interval(float(mean[0]), mean[1:]), count)
        report[arm]["seeds"] = [round(float(areas_of[0]), 4) for areas_of in per_seed.values()]
        for opponent in set(BASELINES) & set(drawn) if arm not in BASELINES else ():
            report[arm][f"gain_over_{opponent}"] = gain(per_seed, drawn[opponent], count)
    return report


def drawn_areas(task: Task, logits: Mapping[int, Float]) -> dict[int, Float]:
    """Areas [draw] of each seed's test logits: the first of all test patients, the others of drawn ones."""
    test = task.rows("test")
    weights = np.vstack([np.ones((1, len(test))), patient_weights(task.patients[test].tolist(), REPEATS, 0)])
    return dict(zip(logits, areas(task.labels[test], list(logits.values()), weights), strict=True))


def gain(first: Mapping[int, Float], second: Mapping[int, Float], n: int) -> dict[str, Any]:
    """Mean difference of the areas [draw] over the seeds that both have, and how many these are."""
    both = sorted(first.keys() & second.keys())
    mean = np.mean([first[seed] - second[seed] for seed in both], axis=0)
    return {**_figure(percentile_interval(float(mean[0]), mean[1:]), n), "seeds": len(both)}


def areas(labels: NDArray[np.int64], logits: Sequence[Float], weights: Float) -> Float:
    """Areas [seed, draw] of test logits of several seeds under weights [draw, image]."""
    rows = []
    for one in logits:
        chance = arms.softmax(one)
        classes = [1] if chance.shape[1] == 2 else range(chance.shape[1])
        rows.append(
            np.mean(
                [weighted_auc(labels == k, np.asarray(chance[:, k], np.float64), weights) for k in classes],
                axis=0,
            )
        )
    return np.array(rows)


def _figure(interval: Interval, n: int) -> dict[str, Any]:
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": n}
