"""The recipe of the blood smear reader, as the lab's command line calls it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coread.evaluation import auc_interval, statistic_interval, wilson_interval
from coread.learning.backbone.fitting import Plan as NamingPlan
from coread.learning.backbone.trunk import Joined
from coread.learning.blood import appraisal, blood_card, detecting, naming, packing, refusing
from coread.learning.blood.packing import THRESHOLD, Networks
from coread.learning.blood.sets import KIND_NAMES, Field, cells, fields
from coread.learning.runs.files import plain, write_json
from coread.learning.runs.run import Run
from coread.readers.blood_smear.cells import COUNTABLE_FIELD
from coread.readers.blood_smear.differential import UNSURE
from coread.readers.blood_smear.field import CELL_SIDE, COLUMNS, ROWS, cut
from coread.readers.blood_smear.gate import FeatureGate, refusal_by_pixels
from coread.readers.blood_smear.reader import CLASSIFIER, COUNTING, DETECTOR, GATE, Counting
from coread.readers.bundle import weights_digest

EVALUATION, CARD = "evaluation.json", "card.json"

NETWORKS = {
    DETECTOR: {"inputs": {"image": [None, 3, ROWS, COLUMNS]}},
    CLASSIFIER: {"inputs": {"image": [None, 3, CELL_SIDE, CELL_SIDE]}},
}

PER_SET = 60
"""Test images of each foreign set that the gate is tried on."""


@dataclass
class BloodSmearRecipe:
    """Finds, counts and names the cells of a blood smear field.

    Attributes
    ----------
    detector_plan, naming_plan
        What decides the weights.
    most_cells
        Single cells that are used of each split; all for None (fewer for a trial).
    """

    name: str = "blood-smear"
    title: str = "Blood smear: cells found (BCCD), named (PBC), counted with intervals"
    detector_plan: detecting.Plan = field(default_factory=detecting.Plan)
    naming_plan: NamingPlan = naming.PLAN
    most_cells: int | None = None

    def train(self, data: Path, run: Run) -> None:
        """Train neck and classifier, or go on training them; the processor time goes into ``spent.json``."""
        for name, part in (("detector", self.train_detector), ("classifier", self.train_classifier)):
            before = process_time()
            part(data, run)
            spent = run.read_json("spent") or {}
            spent[name] = spent.get(name, 0.0) + process_time() - before
            run.write_json("spent", spent)

    def train_detector(self, data: Path, run: Run) -> detecting.Neck:
        """Train the neck on the training fields."""
        run.keep_to(recipe=self.name)
        return detecting.train(fields(data, "train"), self.detector_plan, run)

    def train_classifier(self, data: Path, run: Run) -> tuple[Joined, float]:
        """Train the classifier on the training cells; its early responses are shared by all seeds."""
        learners, judges = (cells(data, split).first(self.most_cells) for split in ("train", "val"))
        return naming.train(learners, judges, self.naming_plan, run, run.folder.parent / "blood-kept")

    def bundle(self, data: Path, run: Run, folder: Path) -> None:
        """Write networks, counting, gate and calibration."""
        neck, (classifier, _) = self.train_detector(data, run), self.train_classifier(data, run)
        packing.export_networks(neck, classifier, folder)
        networks, judges = Networks.at(folder), fields(data, "val")
        run.progress("choosing thresholds", 0.3)
        count = packing.fit_counting(networks, judges, cells(data, "val").first(self.most_cells), folder)
        run.progress("teaching the gate", 0.5)
        packing.fit_gate(networks, count, fields(data, "train"), judges, data, folder)
        run.progress("calibrating the trust", 0.9)
        packing.write_calibration(packing.trusts(networks, count, judges, seed=1), folder)

    def evaluate(self, data: Path, run: Run, folder: Path) -> None:
        """Read the test split once; write evaluation and card."""
        examination = Examination(data, folder)
        report = plain(examination.report(run, self.most_cells))
        write_json(folder / EVALUATION, report)
        files = {p.name: packing.digest(p) for p in sorted(folder.iterdir()) if p.name != CARD}
        write_json(folder / CARD, {**blood_card.card_facts(report, NETWORKS), "files": files})

    def explain(self, data: Path, run: Run, folder: Path) -> None:
        """Nothing to measure: the boxes are the evidence, no heat map is made."""
        run.progress("no heat map is made; the boxes are the evidence", 1.0)


class Examination:
    """One look at the test split.

    Parameters
    ----------
    data, folder
        The published sets; the bundle.
    """

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder
        self.networks = Networks.at(folder)
        with np.load(folder / COUNTING) as held:
            self.count = Counting.of_arrays(held)
        with np.load(folder / GATE) as held:
            self.gate = FeatureGate.of_arrays(held)
        self.fields = fields(data, "test")

    def report(self, run: Run, most_cells: int | None) -> dict[str, Any]:
        """Everything that is measured."""
        files = {name: packing.digest(self.folder / name) for name in (DETECTOR, CLASSIFIER)}
        declared = {"threshold": THRESHOLD, "explanation_passed": False}
        report: dict[str, Any] = {
            "weights_sha256": weights_digest(files),
            "findings": {COUNTABLE_FIELD.value: declared},
            "evidence_grade": "retrospective",
        }
        parts = {"cells": lambda: self.cells(most_cells), "fields": self.found, "crossing": self.crossing,
                 "trust": self.trust, "gate": self.refusals}  # fmt: skip
        for number, (name, part) in enumerate(parts.items()):
            run.progress(f"measuring {name}", number / len(parts))
            report[name] = part()
        report["origin"] = {"seed": run.seed, "torch": torch.__version__}
        return report

    def cells(self, most: int | None) -> dict[str, Any]:
        """Single cells: the classifier, and the naive baseline."""
        examined, learners = (cells(self.data, split).first(most) for split in ("test", "train"))
        report = appraisal.naming_report(examined, self.networks.logits(examined), self.count.naming)
        report["baseline_mean_colour_macro_f1"] = appraisal.mean_colour(learners, examined)
        return report

    def found(self) -> dict[str, Any]:
        """Fields: the detector, and white cells by colour alone."""
        found = [self.networks.seen(one.image())[0].above(self.count.thresholds) for one in self.fields]
        report = appraisal.finding_report(found, self.fields, self.count.reach)
        purple = [appraisal.purple_blobs(one) for one in self.fields]
        naive = appraisal.finding_report(purple, self.fields, self.count.reach)["kinds"]["WBC"]
        report["baseline_purple_blobs_WBC"] = {key: naive[key] for key in ("f1", "precision", "recall")}
        return report

    def crossing(self) -> dict[str, Any]:
        """The classifier on the cells of the other laboratory."""
        names: dict[str, NDArray[np.int64]] = {}
        sure: dict[str, NDArray[np.bool_]] = {}
        for kind, name in enumerate(KIND_NAMES):
            inputs = [
                cut(im, box) for one in self.fields for im in (one.image(),) for box in _boxes(one, kind)
            ]
            logits = [self.networks.classifier.run({"image": i[None]})["logits"][0] for i in inputs]
            names[name] = np.stack(logits).argmax(1)
            sure[name] = self.count.naming.names(np.stack(logits)) != UNSURE
        return appraisal.crossing_report(names, sure)

    def trust(self) -> dict[str, Any]:
        """Whether the reader knows which fields it counted rightly, on fields as they are and spoiled."""
        seen = packing.trusts(self.networks, self.count, self.fields, seed=2)
        both = 0 < seen.right.sum() < len(seen.right)
        area = auc_interval(seen.right, seen.score, seen.field) if both else None
        return {
            "auc": appraisal.figure(area, len(seen.right)) if area else None,
            "white_count_right": {how: self._right(seen, how) for how in refusing.SPOILS},
        }

    def _right(self, seen: packing.Trusts, how: str) -> dict[str, float]:
        of = np.array([fault == how for fault in seen.how])
        right = seen.right[of]
        interval = statistic_interval(lambda w: float((w * right).sum() / w.sum()), self._files(), 400)
        return appraisal.figure(interval, len(right))

    def _files(self) -> list[str]:
        return [one.path.name for one in self.fields]

    def refusals(self) -> dict[str, Any]:
        """Share refused by pixels alone: few of the test fields, everything else if all goes well."""
        rng = np.random.default_rng(23)
        images = [("test_fields", one.image()) for one in self.fields]
        images += list(refusing.foreign(self.data, "test", PER_SET, rng))
        refused: dict[str, list[bool]] = {}
        for name, image in images:
            features = self.networks.seen(image)[1][None]
            by_features = self.gate.refusal(features) is not None
            refused.setdefault(name, []).append(by_features or refusal_by_pixels(image) is not None)
        return {
            name: appraisal.figure(wilson_interval(sum(held), len(held)), len(held))
            for name, held in refused.items()
        }


def _boxes(one: Field, kind: int) -> NDArray[np.float64]:
    return np.asarray(one.boxes[one.kind == kind])


recipe = BloodSmearRecipe()
"""What the entry point ``blood-smear`` of the group ``coread.recipes`` names."""
