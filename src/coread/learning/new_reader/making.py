"""The recipe of every scaffolded reader: train, bundle, evaluate, explain, from what its package says."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coread.learning.backbone.exporting import export
from coread.learning.new_reader import judging
from coread.learning.new_reader.calibrating import THRESHOLD, calibration
from coread.learning.new_reader.examples import Examples, examples
from coread.learning.new_reader.training import Learnt, train
from coread.learning.runs.files import plain, write_json
from coread.learning.runs.run import Run
from coread.readers.one_finding.preparing import SIDE
from coread.readers.one_finding.reader import GATE, WEIGHTS, Familiar
from coread.readers.onnx import Session
from coread.readers.uncertainty import Band, Calibration

WORDS = "reader.toml"
"""What the author of a reader fills in: names, texts, code, limits, credit."""

CALIBRATION, EVALUATION, CARD = "calibration.json", "evaluation.json", "card.json"

OUTPUTS = ("logit", "features", "activation")


class OneFindingRecipe:
    """Makes the bundle of a scaffolded reader.

    Parameters
    ----------
    home
        Folder of the reader's package; holds `WORDS`.
    """

    def __init__(self, home: Path) -> None:
        self.words: Mapping[str, Any] = tomllib.loads((home / WORDS).read_text(encoding="utf-8"))
        self.name: str = self.words["name"]
        self.title: str = self.words["title"]["en"]
        self.home = home

    def train(self, data: Path, run: Run) -> None:
        """Learn from the training images, or go on learning."""
        self._learnt(data, run)

    def bundle(self, data: Path, run: Run, folder: Path) -> None:
        """Write network, calibration and gate, from training and validation images."""
        found, learnt = self._examples(data), self._learnt(data, run)
        folder.mkdir(parents=True, exist_ok=True)
        export(learnt.net, torch.zeros(1, found.channels, SIDE, SIDE), OUTPUTS, folder / WEIGHTS)
        session = Session(folder / WEIGHTS, judging.digest(folder / WEIGHTS))
        learners, judges = (judging.answers(session, found, found.rows(split)) for split in ("train", "val"))
        gate = judging.familiar(learners["features"], judges["features"])
        np.savez(
            folder / GATE, mean=gate.mean.astype(np.float32), scale=gate.scale.astype(np.float32),
            axes=gate.axes.astype(np.float32), most=np.float64(gate.most),
        )  # fmt: skip
        val = found.rows("val")
        told = (
            f"validation images of this reader's own cohort: {len(val)}",
            f"本阅片器自身队列的验证图像：{len(val)} 幅",
        )
        held = calibration(found.labels[val], judges["logit"], found.names("val"), told)
        write_json(folder / CALIBRATION, {"findings": {self.words["finding"]["value"]: held}})

    def evaluate(self, data: Path, run: Run, folder: Path) -> None:
        """Read the test images once; write evaluation and card."""
        found, session, curve, gate = self._opened(data, folder)
        report = judging.report(found, judging.answers(session, found, found.rows("test")), curve, gate)
        report["strangers_refused"] = judging.strangers(found, gate, session)
        tried = {"tried_on_validation_auc": self._learnt(data, run).tried, "seed": run.seed}
        self._pack(
            folder, {**report, **tried, "explanation": {"passed": False, "reason": "not measured yet"}}
        )

    def explain(self, data: Path, run: Run, folder: Path) -> None:
        """Measure the heat map; it is shown only if it passes."""
        found, session, curve, _ = self._opened(data, folder)
        report = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        run.progress("measuring the heat map", 0.5)
        self._pack(folder, {**report, "explanation": judging.explanation(found, session, curve)})

    def _examples(self, data: Path) -> Examples:
        return examples(data, self.words["label"])

    def _learnt(self, data: Path, run: Run) -> Learnt:
        run.keep_to(recipe=self.name)
        return train(self._examples(data), run)

    def _opened(self, data: Path, folder: Path) -> tuple[Examples, Session, Calibration, Familiar]:
        session = Session(folder / WEIGHTS, judging.digest(folder / WEIGHTS))
        held = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))
        with np.load(folder / GATE) as arrays:
            gate = Familiar.of_arrays(arrays)
        return self._examples(data), session, _curve(held["findings"][self.words["finding"]["value"]]), gate

    def _pack(self, folder: Path, report: Mapping[str, Any]) -> None:
        passed = bool(report["explanation"]["passed"])
        declared = {"threshold": THRESHOLD, "explanation_passed": passed}
        sworn = {
            "weights_sha256": judging.digest(folder / WEIGHTS),
            "findings": {self.words["finding"]["value"]: declared},
            "evidence_grade": "retrospective",
        }
        write_json(folder / EVALUATION, plain({**report, **sworn}))
        held = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        write_json(folder / CARD, card(self.words, held, folder))


def make(home: Path, data: Path, run: Run) -> Path:
    """Walk all four steps; gives the folder of the bundle.

    Parameters
    ----------
    home
        Folder of the scaffolded package's code.
    data
        The labelled images, see `coread.learning.new_reader.examples.examples`.
    run
        Where to keep what a stopped run goes on from.
    """
    recipe, folder = OneFindingRecipe(home), home / "bundle"
    for step in (recipe.bundle, recipe.evaluate, recipe.explain):
        step(data, run, folder)
    return folder


def card(words: Mapping[str, Any], report: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The card: the author's words, what the figures say against the reader, and the hash of every file."""
    files = {path.name: judging.digest(path) for path in sorted(folder.iterdir()) if path.name != CARD}
    inputs = Session(folder / WEIGHTS, files[WEIGHTS]).inputs
    english, chinese = measured_limits(report)
    code = words["finding"]
    return {
        "format": 2,
        "identity": {
            "name": words["name"],
            "version": words["version"],
            "manufacturer": words["manufacturer"],
        },
        "title": words["title"],
        "intended_use": words["intended_use"],
        "limits": [*words["limits"], *english],
        "limits_zh": [*words["limits_zh"], *chinese],
        "modalities": words["modalities"],
        "findings": [{"code": code, **report["findings"][code["value"]]}],
        "networks": {WEIGHTS: {"inputs": {name: list(shape) for name, shape in inputs.items()}}},
        "attribution": words["attribution"],
        "evidence_grade": report["evidence_grade"],
        "claims": {f"/auc/{part}": report["auc"][part] for part in ("value", "lower", "upper")},
        "files": files,
    }


def measured_limits(report: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What the figures themselves say against the reader, in English and Chinese."""
    area, naive, n = report["auc"], report["baseline_mean_grey_auc"], report["images"]
    spread = f"{area['value']:.3f} ({area['lower']:.3f}-{area['upper']:.3f})"
    english = [
        f"Tested on {n} images of the same source only: area {spread}; "
        f"mean grey alone gives {naive['value']:.3f}."
    ]
    chinese = [f"仅以同一来源的 {n} 幅图像测试：AUC {spread}；仅用平均灰度为 {naive['value']:.3f}。"]
    if not report["explanation"]["passed"]:
        english.append("The heat map is not shown: it did not pass its test.")
        chinese.append("热图未通过忠实性检验，故不显示。")
    return english, chinese


def _curve(held: Mapping[str, Any]) -> Calibration:
    score, chance, lower, upper = (tuple(held[n]) for n in ("score", "probability", "lower", "upper"))
    told, band = held["calibrated_on"], Band(**held["abstain"])
    return Calibration(score, chance, lower, upper, told, band, held["level"], held["calibrated_on_zh"])
