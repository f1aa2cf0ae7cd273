"""The gate, the evaluation and the card of a new reader."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from coread.evaluation import (
    Interval,
    auc_interval,
    expected_calibration_error,
    operating,
    wilson_interval,
)
from coread.evaluation.faithfulness import erasure
from coread.learning.new_reader.calibrating import THRESHOLD
from coread.learning.new_reader.examples import Examples
from coread.readers.one_finding.preparing import prepare
from coread.readers.one_finding.reader import Familiar
from coread.readers.onnx import Session
from coread.readers.quality import unfit
from coread.readers.uncertainty import Calibration

Float = NDArray[np.floating]

AXES = 24
"""Principal axes kept for the gate's distance, fewer where there are fewer training images."""

MARGIN = 1.2
"""How much further than the farthest validation image an image may lie: a few dozen do not show the tail."""

STRANGERS = 40
"""Test images that are inverted and turned to try the gate."""

ERASED = 20
"""Test images whose heat map is tried by deletion and insertion."""


def figure(interval: Interval, n: int) -> dict[str, float]:
    """A figure as an evaluation holds it."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": n}


def answers(session: Session, found: Examples, rows: NDArray[np.int64]) -> dict[str, Float]:
    """Outputs of the network for some images, by name."""
    parts = [session.run({"image": prepare(found.pixels(int(row)))[None]}) for row in rows]
    return {name: np.concatenate([part[name] for part in parts]) for name in session.outputs}


def familiar(learners: Float, judges: Float) -> Familiar:
    """The gate: axes of the training features [image, feature], limit from those of validation images."""
    held = learners.astype(np.float64)
    mean, scale = held.mean(0), held.std(0) + 1e-6
    _, spread, directions = np.linalg.svd((held - mean) / scale, full_matrices=False)
    kept = min(AXES, len(held) // 4)
    axes = directions[:kept].T / (spread[:kept] / np.sqrt(len(held)))
    open_gate = Familiar(mean, scale, axes, np.inf)
    return Familiar(mean, scale, axes, float(open_gate.distance(judges).max() * MARGIN))


def report(found: Examples, said: Mapping[str, Float], curve: Calibration, gate: Familiar) -> dict[str, Any]:
    """What is measured on the test images, beside the naive baseline."""
    rows, names = found.rows("test"), found.names("test")
    truth, score = found.labels[rows], said["logit"].astype(np.float64)
    probability = np.array([curve.confidence(float(s)).probability for s in score])
    at = operating(truth, probability, THRESHOLD)
    band = sum(curve.band.holds(float(p)) for p in probability)
    refused = int((gate.distance(said["features"]) > gate.most).sum())
    return {
        "images": len(rows),
        "patients": len(set(names)),
        "auc": figure(auc_interval(truth, score, names), len(rows)),
        "sensitivity": figure(at.sensitivity, at.positives),
        "specificity": figure(at.specificity, at.negatives),
        "ece_10_equal_mass": expected_calibration_error(truth, probability),
        "abstained": figure(wilson_interval(band, len(rows)), len(rows)),
        "refused_by_gate": figure(wilson_interval(refused, len(rows)), len(rows)),
        "baseline_mean_grey_auc": figure(_mean_grey(found), len(rows)),
    }


def strangers(found: Examples, gate: Familiar, session: Session) -> dict[str, Any]:
    """Share of inverted, turned and drawn images that gate and grey checks refuse, by kind."""
    rng = np.random.default_rng(5)
    kinds: dict[str, list[bool]] = {}
    for row in found.rows("test")[:STRANGERS]:
        image = found.pixels(int(row))
        most = 255 if image.ndim == 3 else 1.0
        noise = rng.random(image.shape) * most
        made = {"inverted": most - image, "upside down": image[::-1], "noise": noise.astype(image.dtype)}
        for name, strange in made.items():
            kinds.setdefault(name, []).append(_is_refused(np.ascontiguousarray(strange), gate, session))
    return {name: figure(wilson_interval(sum(held), len(held)), len(held)) for name, held in kinds.items()}


def _is_refused(image: NDArray[Any], gate: Familiar, session: Session) -> bool:
    grey = image if image.ndim == 2 else image.mean(axis=2) / 255
    if unfit(np.asarray(grey, np.float32)):
        return True
    features = session.run({"image": prepare(image)[None]})["features"]
    return bool(gate.distance(features)[0] > gate.most)


def _mean_grey(found: Examples) -> Interval:
    """Area of a logistic regression on mean and spread of the grey levels."""
    facts = np.array(
        [[p.mean(), p.std()] for p in (prepare(found.pixels(i)) for i in range(len(found.labels)))]
    )
    train, test = found.rows("train"), found.rows("test")
    centre, scale = facts[train].mean(0), facts[train].std(0) + 1e-9
    model = LogisticRegression().fit((facts[train] - centre) / scale, found.labels[train])
    score = model.decision_function((facts[test] - centre) / scale)
    return auc_interval(found.labels[test], score, found.names("test"))


def explanation(found: Examples, session: Session, curve: Calibration) -> dict[str, Any]:
    """Deletion and insertion of the heat map on called test images, against random orders.

    The heat map is shown to doctors only if both are better than by chance, the interval of the difference
    clear of zero (Petsiuk, Das & Saenko, BMVC 2018, arXiv:1806.07421). Grey images only.
    """
    if found.channels != 1:
        return {"passed": False, "reason": "not measured for colour images"}
    rng = np.random.default_rng(0)

    def predict(images: Float) -> Float:
        inputs = np.asarray(images, np.float32)[:, None]
        logits = session.run({"image": inputs})["logit"]
        return np.array([curve.confidence(float(s)).probability for s in logits])

    gains: list[tuple[float, float]] = []
    for row in found.rows("test"):
        image = prepare(found.pixels(int(row)))
        said = session.run({"image": image[None]})
        if curve.confidence(float(said["logit"][0])).probability >= THRESHOLD and len(gains) < ERASED:
            area = erasure(predict, image[0], said["activation"][0], rng)
            gains.append((area.random_deletion - area.deletion, area.insertion - area.random_insertion))
    return _verdict(np.array(gains).reshape(-1, 2))


def _verdict(gains: Float) -> dict[str, Any]:
    if len(gains) < 10:
        return {"passed": False, "reason": f"only {len(gains)} called test images", "images": len(gains)}
    drawn = np.random.default_rng(1).integers(0, len(gains), (1000, len(gains)))
    low, high = np.quantile(gains[drawn].mean(1), [0.025, 0.975], axis=0)
    held = {
        name: {
            "value": float(gains[:, k].mean()),
            "lower": float(low[k]),
            "upper": float(high[k]),
            "n": len(gains),
        }
        for k, name in enumerate(("deletion_gain", "insertion_gain"))
    }
    return {"passed": bool((low > 0).all()), "images": len(gains), **held}


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
