"""The trunk from ImageNet's weights against the same trunk from random ones, on equal terms.

What was fixed before any figure of this comparison was seen, on validation or on test images, and before any
of the tuned trunk on adults' radiographs or on nodules; the figures of the study at larger images were known
by then for neutrophils (+0.080) and for children's radiographs (+0.036):

* one pair for every set, `tuned` against `untaught`; nothing is chosen among arms. That is what *from
  scratch* means where transfer is measured: the same network, from random weights (Kornblith et al., CVPR
  2019, arXiv:1805.08974; Raghu et al., NeurIPS 2019, arXiv:1902.07208);
* the same steps for both, those that the untaught trunk had before (`UNTAUGHT`); the tuned one had half.
  Short trainings flatter ImageNet's weights (He et al., ICCV 2019, arXiv:1811.08883): the untaught one's is
  not shortened;
* no validation image is used, neither to stop nor to choose: the weights are the running average after the
  last step. A tenth of the labels is a tenth of all labels; whoever stops by all validation images has more
  than twice as many as the tenth that is learnt from (Oliver et al., NeurIPS 2018, arXiv:1804.09170, on
  validation sets larger than the training set);
* step sizes as they stood: that of the untaught trunk is the one that validation images of the first round
  liked best, that of the tuned one was tried nowhere;
* questions, images, sizes, disturbances, draws of the tenth and seeds of the study at larger images; all four
  sets stay in the table, and a set counts if its gain is `PROMISED` or more.

The small network from scratch is read after its last step too, from the training it had; its settings were
chosen on validation images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.backbone.fitting import Fit
from coread.learning.backbone.trunk import whole
from coread.learning.runs.run import Run
from coread.learning.transfer_study.arms import BASELINES, Pictures, SmallNet, Trial
from coread.learning.transfer_study.larger.figures import Work
from coread.learning.transfer_study.larger.intermediate import INTERMEDIATE, last_average, trunk_after
from coread.learning.transfer_study.larger.recipes import GRIDS, TUNED, UNTAUGHT
from coread.learning.transfer_study.larger.related import RELATED
from coread.learning.transfer_study.larger.tasks import LARGER
from coread.learning.transfer_study.larger.trials import SHARE_OF_PROMISE, make, placed, task_of
from coread.learning.transfer_study.study import OPPONENTS, PROMISED_ARM, SEEDS, compared, verdict

Float = NDArray[np.float64]

TAUGHT: Mapping[str, str] = {
    PROMISED_ARM: f"the trunk tuned from ImageNet's weights ({PROMISED_ARM}), on equal terms,",
    INTERMEDIATE: f"ImageNet's trunk after a related question ({INTERMEDIATE}), on equal terms,",
}
"""Arms held to the promise, in words; the second was declared after the first was read (`intermediate`)."""

ARMS = (*BASELINES, *TAUGHT)
"""Those, and the two that learn from nothing."""

PLAN = replace(UNTAUGHT, rate=TUNED.rate, head_rate=TUNED.head_rate)
"""The taught trunk: the steps of the untaught one, at its own step size."""

UNTAUGHT_RATE = float(GRIDS["untaught"][0]["rate"])
"""Step size of the untaught trunk, as in every trial of the study."""

OTHER_SHARES = (0.01, 1.0)
"""Shares beside that of the promise; there the pair meets alone."""

PAIR = ("untaught", PROMISED_ARM)
"""The trunk from random weights and from ImageNet's."""


def works() -> Iterator[Work]:
    """Every trial of the promise on equal terms: all sets, all seeds."""
    return (Work(task, SHARE_OF_PROMISE, arm, seed) for task in LARGER for seed in SEEDS for arm in ARMS)


def works_of_other_shares() -> Iterator[Work]:
    """The pair at 1 and 100 % of the labels; the first seed of every set before the others."""
    return (
        Work(task, share, arm, seed)
        for share in OTHER_SHARES
        for seed in SEEDS
        for task in LARGER
        for arm in PAIR
    )


def make_last(data: Path, out: Path, work: Work) -> None:
    """Keep the test logits after the last step of one trial, unless they are kept.

    What learns from nothing is trained once and read twice: at its best moment on validation images for the
    study at larger images, and after its last step for this one.
    """
    kept = _kept(out, work)
    if kept.is_file():
        return
    if work.arm in TAUGHT or work.share != SHARE_OF_PROMISE:
        task, run = task_of(data, work.task), Run(out / "equal" / work.name(), work.seed)
        trial = Trial(task, task.few(work.share, work.seed), run, Run(out / "kept"))
        known = trunk_after(RELATED[work.task], data, out) if work.arm == INTERMEDIATE else {}
        net = _after_last_step(trial, work.arm, known)
    else:
        make(data, out, work)
        setting, trial = placed(data, out, work)
        net = _empty(trial, work.arm, setting)
        net.load_state_dict(last_average(trial.run, work.arm))
    task = trial.task
    logits = trial.logits(net.eval(), task.floats(task.rows("test")))
    np.save(kept, np.asarray(logits, dtype=np.float64))


def _kept(out: Path, work: Work) -> Path:
    return Run(out / "equal").path(f"{work.name()}.npy")


def _after_last_step(trial: Trial, arm: str, known: Mapping[str, Tensor]) -> nn.Module:
    """The whole trunk after the last step, begun from what it knows beside ImageNet's weights, if anything.

    Validation images are not looked at.
    """
    torch.manual_seed(trial.run.seed)
    net = _empty(trial, arm, {}).to(memory_format=torch.channels_last)
    net.load_state_dict(known, strict=False)
    plan = PLAN if arm in TAUGHT else replace(PLAN, rate=UNTAUGHT_RATE, head_rate=UNTAUGHT_RATE)
    fit = Fit(net, Pictures(trial.task, trial.rows), lambda now: 0.0, plan)
    fit.run(trial.run, arm)
    net.load_state_dict(last_average(trial.run, arm))
    return net


def _empty(trial: Trial, arm: str, setting: Mapping[str, float]) -> nn.Module:
    channels, classes = trial.task.images.shape[1], trial.task.classes
    if arm == "scratch":
        return SmallNet(channels, classes, int(setting["width"]), int(setting["stages"]))
    return whole(channels, classes, taught=arm in TAUGHT)


def report(data: Path, out: Path) -> dict[str, Any]:
    """Figures of each task and share of what has been made so far: arms, intervals, gains."""
    found: dict[str, dict[float, dict[str, dict[int, Float]]]] = {}
    for work in (*works(), *works_of_other_shares()):
        if _kept(out, work).is_file():
            of_share = found.setdefault(work.task, {}).setdefault(work.share, {})
            of_share.setdefault(work.arm, {})[work.seed] = np.load(_kept(out, work))
    return {
        name: {f"{share:.0%}": compared(task_of(data, name), arms, share) for share, arms in shares.items()}
        for name, shares in found.items()
    }


def verdicts(tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The promise on equal terms, over the same network and over the small one."""
    return [
        verdict(promised, OPPONENTS[opponent], _gains(tasks, arm, opponent))
        for arm, promised in TAUGHT.items()
        for opponent in BASELINES
    ]


def _gains(tasks: Mapping[str, Any], arm: str, opponent: str) -> dict[str, Mapping[str, float]]:
    ten = {name: shares.get(f"{SHARE_OF_PROMISE:.0%}", {}) for name, shares in tasks.items()}
    both = {name: held[arm] for name, held in ten.items() if arm in held and opponent in held}
    return {name: made[f"gain_over_{opponent}"] for name, made in both.items()}
