"""One look at the test split: everything that is measured, and what a person should look at afterwards."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from coread.evaluation import auc_interval, statistic_interval, wilson_interval
from coread.learning.blood import appraisal, packing, refusing
from coread.learning.blood.packing import CALIBRATION, THRESHOLD, Networks, Trusts
from coread.learning.blood.sets import KIND_NAMES, CellSet, Colour, Field, cells, fields
from coread.learning.runs.answers import Answer, keep_answers
from coread.learning.runs.gallery import MOST, Case, keep_failures
from coread.learning.runs.run import Run
from coread.readers.blood_smear.cells import CLASSES, COUNTABLE_FIELD
from coread.readers.blood_smear.differential import UNSURE
from coread.readers.blood_smear.field import cut
from coread.readers.blood_smear.gate import FeatureGate, refusal_by_pixels
from coread.readers.blood_smear.reader import (
    CLASSIFIER,
    COUNTING,
    DETECTOR,
    GATE,
    WHITE,
    Counting,
)
from coread.readers.bundle import weights_digest

Float = NDArray[np.floating]

PER_SET = 60
"""Test images of each foreign set that the gate is tried on."""

MOST_OF_A_FIELD = 4
"""Cells of one kind and field that are named for the figure across sets."""

FAULTS_ZH = dict(zip(refusing.SPOILS, ("原图", "离焦", "染色过浅", "过曝", "噪声", "粗压缩"), strict=True))


class Examination:
    """One look at the test split.

    Parameters
    ----------
    data, folder
        The published sets; the bundle, without evaluation and card.
    most_cells
        Single cells that are used of a split; all for None.
    """

    def __init__(self, data: Path, folder: Path, most_cells: int | None = None) -> None:
        self.data, self.folder, self.most_cells = data, folder, most_cells
        self.networks = Networks.at(folder)
        with np.load(folder / COUNTING) as held:
            self.count = Counting.of_arrays(held)
        with np.load(folder / GATE) as held:
            self.gate = FeatureGate.of_arrays(held)
        self.fields = fields(data, "test")

    @cached_property
    def examined(self) -> tuple[CellSet, Float]:
        """The single cells, and their logits [cell, class]."""
        held = cells(self.data, "test").first(self.most_cells)
        return held, self.networks.logits(held)

    @cached_property
    def trusted(self) -> Trusts:
        """Every field as it is and spoiled in every way."""
        return packing.trusts(self.networks, self.count, self.fields, seed=TEST_SEED)

    def report(self, run: Run) -> dict[str, Any]:
        """Everything that is measured."""
        files = {name: packing.digest(self.folder / name) for name in (DETECTOR, CLASSIFIER)}
        declared = {"threshold": THRESHOLD, "explanation_passed": False}
        report: dict[str, Any] = {
            "weights_sha256": weights_digest(files),
            "findings": {COUNTABLE_FIELD.value: declared},
            "evidence_grade": "retrospective",
        }
        parts = {"cells": self.cells, "fields": self.found, "crossing": self.crossing,
                 "trust": self.trust, "gate": self.refusals}  # fmt: skip
        for number, (name, part) in enumerate(parts.items()):
            run.progress(f"measuring {name}", number / len(parts))
            report[name] = part()
        report["origin"] = {"seed": run.seed, "torch": torch.__version__}
        return report

    def cells(self) -> dict[str, Any]:
        """Single cells: the classifier, and the naive baseline."""
        held, logits = self.examined
        report = appraisal.naming_report(held, logits, self.count.naming)
        learners = cells(self.data, "train").first(self.most_cells)
        report["baseline_mean_colour_macro_f1"] = appraisal.mean_colour(learners, held)
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
            parts = [self._named_of(one, kind) for one in self.fields if (one.kind == kind).any()]
            logits = np.concatenate(parts)
            names[name] = logits.argmax(1)
            sure[name] = self.count.naming.names(logits) != UNSURE
        return appraisal.crossing_report(names, sure)

    def _named_of(self, one: Field, kind: int) -> Float:
        """Logits [cell, class] of the first cells of one kind on a field, cut out by annotated boxes."""
        image = one.image()
        inputs = [cut(image, box) for box in one.boxes[one.kind == kind][:MOST_OF_A_FIELD]]
        return np.asarray(self.networks.classifier.run({"image": np.stack(inputs)})["logits"])

    def trust(self) -> dict[str, Any]:
        """Whether the reader knows which fields it counted rightly, on fields as they are and spoiled."""
        seen = self.trusted
        both = 0 < seen.right.sum() < len(seen.right)
        area = auc_interval(seen.right, seen.score, seen.field) if both else None
        return {
            "auc": appraisal.figure(area, len(seen.right)) if area else None,
            "white_count_right": {how: self._right(seen, how) for how in refusing.SPOILS},
        }

    def _right(self, seen: Trusts, how: str) -> dict[str, float]:
        of = np.array([fault == how for fault in seen.how])
        right, files = seen.right[of], [one.path.name for one in self.fields]
        interval = statistic_interval(lambda w: float((w * right).sum() / w.sum()), files, 400)
        return appraisal.figure(interval, len(right))

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

    def remember(self, run: Run, probability: Float) -> None:
        """Keep the table of answers and the worst failures, half of them fields and half of them cells.

        Parameters
        ----------
        run
            Where to keep them.
        probability
            Calibrated, of each of `trusted`.
        """
        seen = self.trusted
        lines = zip(seen.field, seen.how, seen.right, seen.score, probability, strict=True)
        answers = [
            Answer(f"{name}, {how}", name, int(right), float(score), float(chance), {"fault": how})
            for name, how, right, score, chance in lines
        ]
        keep_answers(run, answers)
        keep_failures(run, [*self._worst_fields(probability), *self._worst_cells()], THRESHOLD)

    def _worst_fields(self, probability: Float) -> list[Case]:
        seen = self.trusted
        error = np.abs(seen.right - probability)
        wrong = (probability >= THRESHOLD) != seen.right
        worst = [int(at) for at in np.argsort(-error, kind="stable") if wrong[at]][: MOST // 2]
        return [self._field_case(at, float(probability[at])) for at in worst]

    def _field_case(self, at: int, chance: float) -> Case:
        seen, faults = self.trusted, len(refusing.SPOILS)
        one = self.fields[at // faults]
        image = packing.spoiled_copy(one, at // faults, at % faults, TEST_SEED)
        white = self.networks.seen(image)[0].above(self.count.thresholds).of_kind(WHITE)
        how, true = seen.how[at], int((one.kind == WHITE).sum())
        note = f"{how}; white cells annotated {true}, counted {len(white.kind)}"
        note_zh = f"{FAULTS_ZH[how]}；标注白细胞 {true} 个，计得 {len(white.kind)} 个"
        return Case(
            drawn(image, one, white.boxes), int(seen.right[at]), chance, seen.field[at], note, note_zh
        )

    def _worst_cells(self) -> list[Case]:
        held, logits = self.examined
        probability = self.count.naming.probabilities(logits)
        own = probability[np.arange(len(held.labels)), held.labels]
        names = list(CLASSES)
        return [
            Case(held.image(int(at)), 1, float(own[at]), held.names[at],
                 f"{names[held.labels[at]]}, likeliest {names[int(probability[at].argmax())]}",
                 f"{CLASSES[names[held.labels[at]]].meaning_zh}，判为{_zh(names, probability[at])}")
            for at in np.argsort(own, kind="stable")[: MOST // 2]
        ]  # fmt: skip


TEST_SEED = 2
"""Of the faults of the test fields."""


def _zh(names: list[str], probability: Float) -> str:
    return CLASSES[names[int(probability.argmax())]].meaning_zh


def drawn(image: Colour, one: Field, boxes: Float) -> Colour:
    """A field with its annotated white cells in green and the found ones in red."""
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    for left, top, width, height in one.boxes[one.kind == WHITE]:
        pen.rectangle((left, top, left + width, top + height), outline=(0, 140, 0), width=6)
    for left, top, width, height in boxes:
        pen.rectangle((left, top, left + width, top + height), outline=(200, 0, 0), width=3)
    return np.asarray(picture)


def calibrated(folder: Path, score: Float) -> Float:
    """Probability [image] of scores [image] by the bundle's ``calibration.json``."""
    held = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))["findings"][COUNTABLE_FIELD.value]
    return np.asarray(np.interp(score, held["score"], held["probability"]))
