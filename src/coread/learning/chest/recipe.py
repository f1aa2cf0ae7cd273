"""The chest reader as a recipe of the lab: train, bundle, evaluate, explain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.learning.chest import chest_radiograph, shipping
from coread.learning.chest.appraisal import Marked, age_band
from coread.learning.chest.cohort import Radiograph, chest_cohort, grey
from coread.learning.chest.crossing.table import FLOOR_STRENGTH
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.chest.sites.heads import fit_head
from coread.learning.evidence.predictions import SITE, appraise, read_predictions
from coread.learning.explaining.report import shown_map
from coread.learning.explaining.subject import Subject
from coread.learning.runs.answers import Answer, keep_answers
from coread.learning.runs.gallery import Case, keep_failures
from coread.learning.runs.run import Run
from coread.readers.bundle import CALIBRATION, EVALUATION, WEIGHTS

Float = NDArray[np.float64]

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

        def keep(marks: Marked, atlas: Atlas) -> None:
            keep_marks(run, marks, frozen_scores(atlas))

        shipping.evaluate(data, run.folder, folder, origin, lambda text: run.progress(text, 0.5), keep)

    def explain(self, data: Path, run: Run, folder: Path) -> None:
        """Test the map, and renew evaluation and card."""
        subject = subject_of(data, run.folder, folder)
        held: dict[str, Any] = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        found = shown_map(subject, chest_cohort(data), run.progress)
        held["explanation"] = shipping.plain(found)
        held["explanation_passed"] = found["passes"]
        shipping.pack(folder, held)


GRADE = "retrospective"


def keep_marks(run: Run, marks: Marked, baseline: Float) -> None:
    """Keep the table of answers, its appraisal (``predictions.json``) and the gallery of failures.

    Parameters
    ----------
    run
        Where to keep them; evidence of sample size and failures is made from them.
    marks
        The test radiographs with the reader's answers.
    baseline
        Score of the naive reader, [case].
    """
    rows = zip(marks.items, marks.cases.score, marks.cases.probability, baseline, strict=True)
    answers = [
        Answer(
            i.path.name,
            i.patient,
            i.opacity,
            float(score),
            float(p),
            facts_of(i),
            {"frozen backbone": float(b)},
        )
        for i, score, p, b in rows
    ]
    kept = read_predictions(keep_answers(run, answers))
    run.write_json("predictions", appraise(kept, marks.threshold, GRADE))
    pairs = zip(marks.items, marks.cases.probability, strict=True)
    keep_failures(run, [_case(item, float(chance)) for item, chance in pairs], marks.threshold)


def facts_of(item: Radiograph) -> dict[str, str]:
    """What is known of a radiograph beside its pixels; empty where the source says nothing."""
    age = age_band(item.age_years) or ""
    return {SITE: item.site, "view": item.view or "", "sex": item.sex or "", "age": age}


def frozen_scores(atlas: Atlas) -> Float:
    """Scores [test image] of the backbone as it came under a plain head for each hospital."""
    tests = atlas.rows("test")
    score = np.zeros(len(atlas.items))
    for site in sorted({item.site for item in atlas.some(tests)}):
        learners, mine = atlas.rows("train", site), atlas.rows("test", site)
        head = fit_head(atlas.last()[learners], atlas.truth(learners), strength=FLOOR_STRENGTH)
        score[mine] = head(atlas.last()[mine])
    return np.asarray(score[tests])


def _case(item: Radiograph, probability: float) -> Case:
    """One card of the gallery."""
    known = item.age_years is not None
    english = (item.site, item.kind, f"view {item.view or 'not on record'}")
    chinese = (item.site, item.kind, f"体位{item.view or '未记录'}")
    return Case(
        grey(item.path), item.opacity, probability, item.path.name,
        ", ".join((*english, *([f"{item.age_years:.0f} y"] if known else []))),
        "，".join((*chinese, *([f"{item.age_years:.0f} 岁"] if known else []))),
    )  # fmt: skip


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
