"""The study of rated malignancy: size, the black box, the concept bottleneck, corrections, wrong labels.

Truth is the median of at least two readers' impressions, above 3.5 against below 2.5; indeterminate nodules
are left out. It is an impression, not pathology, and the readers who rated the characteristics rated it too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from coread.learning.nodule.cohort import Cohort, Nodule, Split, lidc, patients_of
from coread.learning.nodule.export import clinic_look
from coread.learning.nodule.outlining import Plan
from coread.learning.nodule.rating.judging import answers, fit_judge, predicted, principal_axes, said
from coread.learning.nodule.rating.measured import Measured, elsewhere, measure
from coread.learning.nodule.rating.verdicts import conclude
from coread.learning.nodule.teaching import PLAN, WEIGHTS, teach
from coread.learning.runs.files import plain
from coread.learning.runs.run import Run
from coread.learning.weak.noise import RATES, with_noise
from coread.readers.ct_nodule.stack import Look
from coread.readers.ct_nodule.traits import CONCEPTS, Judge

Float = NDArray[np.floating[Any]]
Tell = Callable[[str, float], None]

SEEDS = (0, 1, 2)
SPLITS: tuple[Split, ...] = ("train", "val", "test")

NEIGHBOURS = 5
"""Most similar training nodules whose mean rating is the case-based answer."""

UNSEEN = -20.0
"""Score of a nodule on which nothing was outlined: below all others."""


@dataclass(frozen=True)
class Scale:
    """How large a study is: the network's plan, the most nodules per split, the refits of the judge."""

    plan: Plan = field(default_factory=lambda: PLAN)
    at_most: int | None = None
    refits: int = 20


QUICK = Scale(Plan(steps=30, batch=16, width=8, rating_weight=0.3, elsewhere=0.2), 150, 2)


def study(data: Path, out: Path, quick: bool, progress: Tell) -> dict[str, Any]:
    """Train with every seed, measure every nodule, fit every answer, and compare; resumable in `out`."""
    scale = QUICK if quick else Scale()
    torch.set_num_threads(1)
    cohort = lidc(data)
    found = []
    for number, seed in enumerate(SEEDS):

        def tell(text: str, share: float, number: int = number) -> None:
            progress(text, (number + share) / len(SEEDS))

        run = Run(out, SEEDS[0]).part(f"seed{seed}", seed, tell)
        found.append(one_seed(cohort, run, scale))
    test, val = (judged_nodules(cohort, scale, split) for split in SPLITS[:0:-1])
    return dict(plain(conclude(found, test, val)))


def judged_nodules(cohort: Cohort, scale: Scale, split: Split) -> list[Nodule]:
    """Nodules of two readers or more, indeterminate ones left out."""
    return [n for n in cohort.where(split)[: scale.at_most] if n.readers >= 2 and n.malignant is not None]


def one_seed(cohort: Cohort, run: Run, scale: Scale) -> dict[str, Any]:
    """Everything of one seed, by nodule; what is finished is not done again."""
    kept = run.read_json("malignancy")
    if kept is not None:
        return dict(kept)
    teach(cohort, run, scale.plan, scale.at_most)
    look = clinic_look(run.path(WEIGHTS))
    held = {split: measured_split(cohort, run, look, split, scale) for split in SPLITS}
    judge, strengths = fit_judge(_seen(held["train"]), _seen(held["val"]), run.seed, scale.refits)
    found = {
        "strengths": strengths,
        "validation_truth": [n.malignant for n in held["val"].where(_judged(held["val"])).nodules],
        "splits": {split: scored(held["train"], held[split], judge, run.seed) for split in SPLITS[1:]},
        "presence": {split: presence(cohort, held[split], run, look, split) for split in SPLITS[1:]},
        "sizes": {split: sizes_of(held[split]) for split in SPLITS[1:]},
        "noise": noise(held["train"], held["test"], run),
    }
    run.write_json("malignancy", found)
    return dict(plain(found))


def measured_split(cohort: Cohort, run: Run, look: Look, split: Split, scale: Scale) -> Measured:
    """Measure the nodules of a split once; the numbers are kept in the run."""
    nodules = cohort.where(split)[: scale.at_most]
    kept = run.load(f"measured_{split}")
    if kept is None:
        made = measure(cohort, nodules, look, run.rng("measure", SPLITS.index(split)),
                       lambda share: run.progress(f"measuring {split}", share))  # fmt: skip
        kept = {"features": torch.from_numpy(made.features), "numbers": torch.from_numpy(made.numbers)}
        run.save(f"measured_{split}", kept)
    return Measured(tuple(nodules), kept["features"].numpy(), kept["numbers"].numpy())


def scored(train: Measured, held: Measured, judge: Judge, seed: int) -> dict[str, Any]:
    """Every answer to every judged nodule of a split.

    Returns
    -------
    dict
        ``scores``: by way of answering, [nodule]; ``concepts``: by concept, probabilities [nodule, value] and
        what the readers said.
    """
    part = held.where(_judged(held))
    learners = _seen(train.where(_judged(train)))
    seen = part.seen
    scores: dict[str, Float] = {
        "size": part.size_mm, "readers_area": part.column("read_area_mm2"),
        "readers_diameter": np.array([nodule.diameter_mm for nodule in part.nodules]),
    }  # fmt: skip
    filled = _seen(part)
    answered = {
        "bottleneck": answers(judge, filled),
        "bottleneck_corrected": answers(judge, filled, list(CONCEPTS)),
        **{f"corrected_{c.value}": answers(judge, filled, [c]) for c in CONCEPTS},
        "network": filled.column("rating"),
        **_black_boxes(learners, filled, judge, seed),
        "neighbours": neighbours(_seen(train), filled, judge),
    }
    for name, values in answered.items():
        scores[name] = np.full(len(part.nodules), UNSEEN)
        scores[name][seen] = values
    concepts = predicted(judge, filled.features)
    return {
        "names": [nodule.nodule_id for nodule in part.nodules],
        "scores": {name: values.tolist() for name, values in scores.items()},
        "concepts": {
            c.value: {
                "predicted": concepts[c].tolist(),
                "said": [said(n, c).tolist() for n in filled.nodules],
            }
            for c in CONCEPTS
        },
        "concept_patients": patients_of(filled.nodules),
    }


def _black_boxes(learners: Measured, held: Measured, judge: Judge, seed: int) -> dict[str, Float]:
    """The same features straight to malignancy, not by way of concepts."""
    labels = [nodule.malignant for nodule in learners.nodules]
    old, new = (judge.standardised(each.features) for each in (learners, held))
    axes = principal_axes(old)
    sizes = [np.log2(np.maximum(each.size_mm, 1))[:, None] for each in (learners, held)]
    line = LogisticRegression(C=0.01, max_iter=500).fit(np.c_[old @ axes, sizes[0]], labels)
    both = LogisticRegression(C=1.0).fit(np.c_[learners.column("rating"), sizes[0]], labels)
    trees = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.08, max_depth=3, random_state=seed)
    trees.fit(np.c_[old, sizes[0]], labels)
    return {
        "features_logistic": line.decision_function(np.c_[new @ axes, sizes[1]]),
        "network_and_size": both.decision_function(np.c_[held.column("rating"), sizes[1]]),
        "features_trees": trees.decision_function(np.c_[new, sizes[1]]),
    }


def neighbours(train: Measured, held: Measured, judge: Judge) -> Float:
    """Mean malignancy rating of the most similar training nodules, [nodule]."""
    old, new = (judge.standardised(each.features) for each in (train, held))
    axes = principal_axes(old)
    ratings = np.array([nodule.trait("malignancy") for nodule in train.nodules])
    places = old @ axes
    near = [np.argsort(((places - row) ** 2).sum(1))[:NEIGHBOURS] for row in new @ axes]
    return np.array([ratings[index].mean() for index in near])


def presence(cohort: Cohort, held: Measured, run: Run, look: Look, split: Split) -> dict[str, Any]:
    """Trust at every nodule and at a place beside it."""
    beside = elsewhere(cohort, held.nodules, look, run.rng("elsewhere", SPLITS.index(split)))
    return {
        "at": held.column("trust").tolist(),
        "beside": beside.tolist(),
        "patients": patients_of(held.nodules),
    }


def sizes_of(held: Measured) -> dict[str, Any]:
    """Measured sizes beside the readers', nodules of two readers or more on which something was outlined."""
    part = held.where(held.seen & np.array([nodule.readers >= 2 for nodule in held.nodules]))
    names = ("long_mm", "short_mm", "volume_mm3", "read_short_mm", "read_volume_mm3", "dice", "stack_dice")
    each = [list(nodule.diameters_mm) for nodule in part.nodules]
    columns = {name: part.column(name).tolist() for name in names}
    return columns | {"diameters_mm": each, "patients": patients_of(part.nodules)}


def noise(train: Measured, held: Measured, run: Run) -> dict[str, Any]:
    """Confident learning on planted wrong labels, by rate; scores of the judged nodules."""
    learners, part = (_seen(each.where(_judged(each))) for each in (train, held))
    mean, scale = learners.features.mean(0), learners.features.std(0) + 1e-6
    old, new = (np.clip((each.features - mean) / scale, -6, 6) for each in (learners, part))
    axes = principal_axes(old)
    labels = np.array([nodule.malignant for nodule in learners.nodules])
    patients = np.array(patients_of(learners.nodules))
    found = {
        str(rate): with_noise(old @ axes, labels, patients, new @ axes, rate, run.rng("noise", number))
        for number, rate in enumerate(RATES)
    }
    truth = [nodule.malignant for nodule in part.nodules]
    return {"rates": plain(found), "truth": truth, "patients": patients_of(part.nodules)}


def _judged(held: Measured) -> NDArray[np.bool_]:
    return np.array([n.readers >= 2 and n.malignant is not None for n in held.nodules])


def _seen(held: Measured) -> Measured:
    return held.where(held.seen)
