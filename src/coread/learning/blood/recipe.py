"""The recipe of the blood smear reader, as the lab's command line calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

from coread.learning.backbone.fitting import Plan as NamingPlan
from coread.learning.blood import blood_card, counting, detecting, naming, packing
from coread.learning.blood.examining import Examination, calibrated
from coread.learning.blood.packing import Networks
from coread.learning.blood.sets import KIND_NAMES, Field, cells, fields
from coread.learning.runs.files import plain, write_json
from coread.learning.runs.run import Run
from coread.readers.blood_smear.field import CELL_SIDE, COLUMNS, ROWS
from coread.readers.blood_smear.reader import CLASSIFIER, DETECTOR

EVALUATION, CARD = "evaluation.json", "card.json"

NETWORKS = {
    DETECTOR: {"inputs": {"image": [None, 3, ROWS, COLUMNS]}},
    CLASSIFIER: {"inputs": {"image": [None, 3, CELL_SIDE, CELL_SIDE]}},
}


@dataclass
class BloodSmearRecipe:
    """Finds, counts and names the cells of a blood smear field.

    Attributes
    ----------
    detector_plan, naming_plan
        What decides the weights.
    members
        Networks that name a cell together; the first has the seed of the run, each other the next one.
    most_cells
        Single cells that are used of each split; all for None (fewer for a trial).
    """

    name: str = "blood-smear"
    title: str = "Blood smear: cells found (BCCD), named (PBC), counted with intervals"
    detector_plan: detecting.Plan = field(default_factory=detecting.Plan)
    naming_plan: NamingPlan = naming.PLAN
    members: int = naming.MEMBERS
    most_cells: int | None = None

    def train(self, data: Path, run: Run) -> None:
        """Train neck and classifier, or go on training them; the processor time goes into ``spent.json``."""
        for name, part in (("detector", self.train_detector), ("classifier", self.train_classifier)):
            before = process_time()
            part(data, run)
            spent = run.read_json("spent") or {}
            spent[name] = spent.get(name, 0.0) + process_time() - before
            run.write_json("spent", spent)

    def train_detector(self, data: Path, run: Run) -> detecting.Finder:
        """Tune the detector on the training fields; how it fares on validation fields is remembered."""
        run.keep_to(recipe=self.name)
        judges = fields(data, "val")
        return detecting.train(
            fields(data, "train"), self.detector_plan, run.part("detector"), lambda f: judged(f, judges)
        )

    def train_classifier(self, data: Path, run: Run) -> tuple[naming.Council, list[float]]:
        """Train the classifier on the training cells; its early responses are shared by all seeds."""
        learners, judges = (cells(data, split).first(self.most_cells) for split in ("train", "val"))
        runs = [run.part(f"member{n}", run.seed + n) for n in range(self.members)]
        return naming.train(learners, judges, self.naming_plan, runs, run.folder.parent / "blood-kept")

    def bundle(self, data: Path, run: Run, folder: Path) -> None:
        """Write networks, counting, gate and calibration."""
        finder, (classifier, _) = self.train_detector(data, run), self.train_classifier(data, run)
        packing.export_networks(finder, classifier, folder)
        networks, judges = Networks.at(folder), fields(data, "val")
        run.progress("choosing thresholds", 0.3)
        count = packing.fit_counting(networks, judges, cells(data, "val").first(self.most_cells), folder)
        run.progress("teaching the gate", 0.5)
        packing.fit_gate(networks, count, fields(data, "train"), judges, data, folder)
        run.progress("calibrating the trust", 0.9)
        packing.write_calibration(packing.trusts(networks, count, judges, seed=1), folder)

    def evaluate(self, data: Path, run: Run, folder: Path) -> None:
        """Read the test split once; write evaluation and card."""
        examination = Examination(data, folder, self.most_cells)
        report = plain(examination.report(run))
        examination.remember(run, calibrated(folder, examination.trusted.score))
        write_json(folder / EVALUATION, report)
        files = {p.name: packing.digest(p) for p in sorted(folder.iterdir()) if p.name != CARD}
        write_json(folder / CARD, {**blood_card.card_facts(report, NETWORKS), "files": files})

    def explain(self, data: Path, run: Run, folder: Path) -> None:
        """Nothing to measure: the boxes are the evidence, no heat map is made."""
        run.progress("no heat map is made; the boxes are the evidence", 1.0)


def judged(finder: detecting.Finder, judges: Sequence[Field]) -> dict[str, float]:
    """Best F1 of each kind on validation fields, over all thresholds."""
    found = [detecting.found(finder, one.image()) for one in judges]
    limits = counting.thresholds(found, judges)
    kept = [one.above(limits) for one in found]
    return {
        f"val_f1_{name}": counting.f1_of(counting.tally(kept, judges, kind).sum(0))
        for kind, name in enumerate(KIND_NAMES)
    }


recipe = BloodSmearRecipe()
"""What the entry point ``blood-smear`` of the group ``coread.recipes`` names."""
