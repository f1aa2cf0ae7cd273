"""ImageNet's trunk taught a related question before the tenth of the labels: transfer in two steps.

What was fixed before any figure of this arm was seen, on validation or on test images; all figures of the
three rounds before were known by then:

* the arm `intermediate` stands on the equal terms of `equal`, against the same network from random weights:
  same images, steps, batches and disturbances, no validation image, the running average after the last step.
  It differs from `tuned` in its weights at the start alone;
* those weights are ImageNet's, tuned on the related question that the arm `related` has had since the second
  round, on all its training images (Pan & Yang, IEEE TKDE 2010, doi:10.1109/TKDE.2009.191, on transfer
  between tasks; Phang et al. 2018, arXiv:1811.01088, on an intermediate task with more labels). It is learnt
  once for each question, adults and children share one, and read after its last step;
* four passes over its images at the step size of `tuned`: nothing was tried;
* all four sets stay in the table, with three seeds, and a set counts if its gain is `PROMISED` or more.

A related question costs labels too, if cheaper ones: the gain is what a clinic gets whose trunk has seen its
kind of image, not what ImageNet alone gives. That stands beside it as `tuned`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from coread.learning.backbone.fitting import Fit
from coread.learning.backbone.trunk import whole
from coread.learning.runs.run import Run
from coread.learning.transfer_study.arms import Pictures
from coread.learning.transfer_study.larger.recipes import TUNED
from coread.learning.transfer_study.tasks import Task

INTERMEDIATE = "intermediate"
"""The name of the arm."""

LESSON = replace(TUNED, passes=4)
"""How the related question is learnt."""

Source = Callable[[Path], Task]


def trunk_after(source: Source, data: Path, out: Path) -> Mapping[str, Tensor]:
    """Weights of ImageNet's trunk after the related question, without its classifier; learnt once.

    Parameters
    ----------
    source
        Gives the related question; its name tells it from others.
    data
        Folder of the published sets.
    out
        Folder of the study.
    """
    run = Run(out / "intermediate" / source.__name__)
    held = run.load("weights")
    if held is None:
        held = _learnt(source(data), run)
        run.save("weights", held)
    return held


def _learnt(task: Task, run: Run) -> dict[str, Tensor]:
    rows = task.rows("train")
    torch.manual_seed(run.seed)
    net = whole(task.images.shape[1], task.classes).to(memory_format=torch.channels_last)
    Fit(net, Pictures(task, rows), lambda now: 0.0, LESSON).run(run, "lesson")
    run.write_json("lesson", {"training_images": len(rows)})
    return {name: part for name, part in last_average(run, "lesson").items() if "classifier" not in name}


def last_average(run: Run, name: str) -> dict[str, Tensor]:
    """The running average of the weights in the checkpoint of a finished training."""
    state = run.load(name)
    if state is None:
        raise FileNotFoundError(f"no checkpoint of {name} in {run.folder.name}")
    return dict(state["parts"]["averaged"])
