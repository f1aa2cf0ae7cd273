"""Packing the nodule reader's bundle: everything but the figures from training and validation patients."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coread.domain import codes
from coread.learning.calibrating import as_kept
from coread.learning.nodule.cohort import Cohort, Nodule, lidc, patients_of
from coread.learning.nodule.export import clinic_look
from coread.learning.nodule.packing.calibrating import THRESHOLD, abstaining, curve_of
from coread.learning.nodule.packing.card import card_facts
from coread.learning.nodule.packing.gatekeeping import Gates, gate_report, teach_gate
from coread.learning.nodule.packing.remembering import remember
from coread.learning.nodule.prompts import click
from coread.learning.nodule.rating.curves import choose
from coread.learning.nodule.rating.judging import answers, fit_judge, principal_axes
from coread.learning.nodule.rating.malignancy import (
    SPLITS,
    Scale,
    judged_nodules,
    measured_split,
    one_seed,
    sizes_of,
)
from coread.learning.nodule.rating.measured import Measured, asked_slice, elsewhere
from coread.learning.nodule.rating.verdicts import conclude, ratios
from coread.learning.nodule.teaching import WEIGHTS
from coread.learning.runs.files import plain, write_json
from coread.learning.runs.run import Run
from coread.readers.bundle import CALIBRATION, CARD, EVALUATION, weights_digest
from coread.readers.ct_nodule.gate import SceneGate
from coread.readers.ct_nodule.looks import features_of
from coread.readers.ct_nodule.reader import log_odds
from coread.readers.ct_nodule.similar import Casebook
from coread.readers.ct_nodule.stack import followed
from coread.readers.ct_nodule.traits import MALIGNANCY, Judge

Float = NDArray[np.floating[Any]]

WITHOUT = "gates_without"
"""Name in the run of the gates that have not met one kind of picture."""

GATE, JUDGE, CASES, RATIOS = "gate.npz", "judge.npz", "cases.npz", "ratios.npz"

QUANTITIES = {"long_mm": codes.LONG_AXIS, "short_mm": codes.SHORT_AXIS, "volume_mm3": codes.VOLUME}

TIMED = 60
"""Test nodules that are timed."""


def make_bundle(data: Path, run: Run, folder: Path, scale: Scale) -> None:
    """Write network, gate, judge, cases, intervals and calibration; test patients are not looked at."""
    cohort = lidc(data)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run.path(WEIGHTS), folder / WEIGHTS)
    look = clinic_look(folder / WEIGHTS)
    train, val = (measured_split(cohort, run, look, split, scale) for split in ("train", "val"))
    seen = train.where(train.seen)
    judge, _ = fit_judge(seen, val.where(val.seen), run.seed, scale.refits)
    _save(folder / JUDGE, judge.arrays())
    _save(folder / CASES, casebook(seen, judge).arrays())
    run.progress("teaching the gate", 0.6)
    gates = teach_gate(cohort, data, look, run.rng("gate"))
    _save(folder / GATE, gates.shipped.arrays())
    run.save(WITHOUT, {kind: tensors(gate.arrays()) for kind, gate in gates.without.items()})
    _save(folder / RATIOS, size_ratios(val))
    beside = elsewhere(cohort, val.nodules, look, run.rng("elsewhere", 1))
    write_json(folder / CALIBRATION, calibrations(val, beside, judge))


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    halved: dict[str, Any] = {
        k: v.astype(np.float32) if v.dtype == np.float64 and v.ndim else v for k, v in arrays.items()
    }
    np.savez_compressed(path, **halved)


def tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Arrays as a run keeps them."""
    return {name: torch.from_numpy(np.asarray(held, dtype=np.float64)) for name, held in arrays.items()}


def gates_without(run: Run) -> dict[str, SceneGate]:
    """The gates that have not met one kind, as the run kept them; none if it did not."""
    kept = run.load(WITHOUT) or {}
    return {k: SceneGate.of_arrays({n: t.numpy() for n, t in held.items()}) for k, held in kept.items()}


def casebook(train: Measured, judge: Judge) -> Casebook:
    """Training nodules that two readers or more marked, with what is known of them."""
    part = train.where(np.array([nodule.readers >= 2 for nodule in train.nodules]))
    ready = judge.standardised(part.features)
    axes = principal_axes(ready)
    places = ready @ axes
    apart = np.sqrt(((places[:, None] - places[None]) ** 2).sum(-1))
    np.fill_diagonal(apart, np.inf)
    english, chinese = zip(*(_note(nodule) for nodule in part.nodules), strict=True)
    names = np.array([nodule.nodule_id.replace("_n", ", nodule ") for nodule in part.nodules])
    return Casebook(axes, places, float(np.median(apart.min(1))), names, np.array(english), np.array(chinese))


def _note(nodule: Nodule) -> tuple[str, str]:
    rated = sum(rating > 3 for rating in nodule.ratings["malignancy"])
    size, median = round(nodule.diameter_mm), nodule.malignancy
    return (
        f"{size} mm, rated likely malignant by {rated} of {nodule.readers} readers (median {median:g} of 5)",
        f"{size} mm，{nodule.readers} 位医师中 {rated} 位评为倾向恶性（中位数 {median:g}/5）",
    )


def size_ratios(val: Measured) -> dict[str, NDArray[Any]]:
    """Bounds of (readers' size / measured size) by code value: the middle 95 % of validation patients."""
    held = sizes_of(val)
    return {
        code.value: np.quantile(ratios(held, name)[0], [0.025, 0.975]) for name, code in QUANTITIES.items()
    }


def calibrations(val: Measured, beside: Float, judge: Judge) -> dict[str, Any]:
    """Both curves in the form that the clinic reads, the way of each chosen on patients held back."""
    trust = np.array([log_odds(float(t)) for t in np.r_[val.column("trust"), beside]])
    there = np.r_[np.ones(len(val.nodules)), np.zeros(len(beside))].astype(np.int64)
    patients = patients_of(val.nodules) * 2
    on = (
        f"LIDC-IDRI validation: {len(val.nodules)} nodules and as many places beside them",
        f"LIDC-IDRI 验证集：{len(val.nodules)} 个结节及其旁等量位置",
    )
    curves = {
        codes.LUNG_NODULE.value: curve_of(there, trust, patients, choose(there, trust, patients)[0], on)
    }
    part = val.where(val.seen & np.array([n.readers >= 2 and n.malignant is not None for n in val.nodules]))
    truth = np.array([nodule.malignant for nodule in part.nodules], dtype=np.int64)
    score, patients = answers(judge, part), patients_of(part.nodules)
    rated = (
        f"LIDC-IDRI validation: {len(truth)} nodules, indeterminate ones left out",
        f"LIDC-IDRI 验证集：{len(truth)} 个结节，不含良恶性未定者",
    )
    curve = curve_of(truth, score, patients, choose(truth, score, patients)[0], rated)
    curves[MALIGNANCY.value] = abstaining(curve, truth, score)
    return {"findings": {value: as_kept(held) for value, held in curves.items()}}


def appraise(data: Path, run: Run, folder: Path, scale: Scale, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Read the test split, and write evaluation and card."""
    cohort = lidc(data)
    look = clinic_look(folder / WEIGHTS)
    found = one_seed(cohort, run, scale)
    with np.load(folder / GATE) as held:
        gates = Gates(SceneGate.of_arrays(held), gates_without(run))
    test, val = (judged_nodules(cohort, scale, split) for split in SPLITS[:0:-1])
    report = conclude([found], test, val)
    report["gate"] = gate_report(cohort, data, look, gates, run.rng("gate report"))
    report["timing"] = timing(cohort, folder)
    report["explanation"] = corrections(found)
    report["origin"] = dict(origin)
    remember(cohort, test, found, run, folder)
    return pack(folder, plain(report))


def corrections(found: Mapping[str, Any]) -> dict[str, Any]:
    """How often a doctor's correction of all characteristics moves the answer to the right side."""
    test = found["splits"]["test"]
    truth = np.array(found["noise"]["truth"])
    kept = np.array(test["scores"]["bottleneck"]) > -10
    before, after = (np.array(test["scores"][n])[kept] for n in ("bottleneck", "bottleneck_corrected"))
    towards = np.where(truth == 1, after - before, before - after)
    return {
        "method": "concept bottleneck: shares of the log-odds",
        "moved_towards_truth": float((towards > 0).mean()),
        "nodules": len(towards),
    }


def timing(cohort: Cohort, folder: Path) -> dict[str, float]:
    """Milliseconds per nodule on two threads: outline, follow, describe; decoding left out."""
    look = clinic_look(folder / WEIGHTS, threads=2)
    rng = np.random.default_rng(5)
    spent = []
    for nodule in cohort.where("test")[:TIMED]:
        asked = asked_slice(cohort, nodule)
        marked = cohort.slices.masks[nodule.rows[asked]].any(0)
        images = [cohort.slices.images[row].astype(np.float32) for row in nodule.rows]
        spot = click(marked, rng)
        began = time.perf_counter()
        cuts = followed(images, asked, spot, look)
        if cuts[0].area_px:
            features_of(cuts, asked, (nodule.spacing_mm, nodule.spacing_mm))
        spent.append(1000 * (time.perf_counter() - began))
    return {"median_ms": float(np.median(spent)), "p95_ms": float(np.quantile(spent, 0.95)), "threads": 2.0}


def pack(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Write evaluation and card, with the hash of every file."""

    def digest(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    report["weights_sha256"] = weights_digest({WEIGHTS: digest(WEIGHTS)})
    stated = {"threshold": THRESHOLD, "explanation_passed": False}
    report["findings"] = {code.value: stated for code in (codes.LUNG_NODULE, MALIGNANCY)}
    write_json(folder / EVALUATION, report)
    names = (WEIGHTS, CALIBRATION, GATE, JUDGE, CASES, RATIOS, EVALUATION)
    write_json(folder / CARD, {**card_facts(report), "files": {name: digest(name) for name in names}})
    return report
