"""The chest reader as a recipe of the lab: train, bundle, evaluate, explain."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from coread.learning.chest import chest_radiograph, shipping
from coread.learning.chest.answers import frozen_scores, keep_answers
from coread.learning.chest.appraisal import Marked
from coread.learning.chest.cohort import chest_cohort
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.explaining.report import shown_map
from coread.learning.explaining.subject import Subject
from coread.learning.runs.run import Run
from coread.readers.bundle import CALIBRATION, EVALUATION, WEIGHTS

STEPS = "coread-lab train|bundle|evaluate|explain chest-radiograph"


class ChestRecipe:
    """Lung opacity on frontal chest radiographs of adults and small children."""

    name = "chest-radiograph"
    title = "Lung opacity on frontal chest radiographs of adults and small children"

    def train(self, data: Path, run: Run) -> None:
        """Tune the trunk on both hospitals; resumable."""
        plan = chest_radiograph.Plan(seed=run.seed)
        chest_radiograph.train(data, run.folder, plan, run.progress, run.remember)

    def bundle(self, data: Path, run: Run, folder: Path) -> None:
        """Fit the blend, calibration and gate on training and validation patients, and write them."""
        shipping.export(data, run.folder, folder, lambda text: run.progress(text, 0.5))

    def evaluate(self, data: Path, run: Run, folder: Path) -> None:
        """Read the test split once, and write evaluation and card."""
        origin = shipping.origin_of(run.folder, STEPS)
        keep = partial(_keep, run)
        shipping.evaluate(data, run.folder, folder, origin, lambda text: run.progress(text, 0.5), keep)

    def explain(self, data: Path, run: Run, folder: Path) -> None:
        """Test the map, and renew evaluation and card."""
        subject = subject_of(data, run.folder, folder)
        held: dict[str, Any] = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        found = shown_map(subject, chest_cohort(data), run.progress)
        held["explanation"] = shipping.plain(found)
        held["explanation_passed"] = found["passes"]
        shipping.pack(folder, held)


def _keep(run: Run, marks: Marked, atlas: Atlas) -> None:
    """Leave the answers to the run, for its report and for the evidence."""
    keep_answers(run, marks, frozen_scores(atlas), "retrospective")


def subject_of(data: Path, run: Path, folder: Path) -> Subject:
    """The reader of a bundle, with gradients.

    Parameters
    ----------
    data, run, folder
        Folders of the sets, of the training run and of the bundle.
    """
    network = shipping.Network(folder / WEIGHTS)
    curve, threshold = shipping.load_calibration(folder / CALIBRATION)
    net = shipping.blend_of(data, run, lambda _: None)
    return Subject(network, net, curve, threshold)


recipe = ChestRecipe()
"""Entry point ``chest-radiograph`` of the group ``coread.recipes``."""
