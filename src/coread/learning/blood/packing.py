"""From trained networks to the bundle's networks, curves and gate; training and validation data only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coread.evaluation import fit_platt, patient_weights
from coread.learning.backbone.exporting import export
from coread.learning.blood import counting, refusing
from coread.learning.blood.detecting import Finder, joined
from coread.learning.blood.naming import Council
from coread.learning.blood.sets import CellSet, Colour, Field
from coread.learning.blood.staining import disturbed_field
from coread.learning.calibrating import as_kept, knotted
from coread.learning.runs.files import write_json
from coread.readers.blood_smear.cells import COUNTABLE_FIELD
from coread.readers.blood_smear.differential import Naming
from coread.readers.blood_smear.field import CELL_SIDE, COLUMNS, ROWS, Prepared, cell, prepare
from coread.readers.blood_smear.peaks import Cells, cells
from coread.readers.blood_smear.reader import (
    CLASSIFIER,
    COUNTING,
    DETECTOR,
    GATE,
    WHITE,
    Counting,
)
from coread.readers.onnx import Session
from coread.readers.uncertainty import Band

Float = NDArray[np.floating]

CALIBRATION = "calibration.json"

CALIBRATED_ON = (
    "validation split of BCCD: {} fields, each as it is and with five faults",
    "BCCD 验证集：{} 个视野，每个视野原样及五种缺陷各一次",
)

THRESHOLD = 0.5
"""A field is called countable where its count is more likely right than not; fixed beforehand, not tuned."""

KNOTS = 41

RESAMPLES = 300
"""Refits of the curve of trust: enough for a 95 % percentile interval to two digits."""

PER_SET = 40
"""Training images of each foreign set that the gate learns from."""


@dataclass(frozen=True)
class Networks:
    """Both networks as the clinic runs them."""

    detector: Session
    classifier: Session

    @classmethod
    def at(cls, folder: Path) -> Networks:
        """Open the networks of a bundle that has no card yet."""
        return cls(*(Session(folder / name, digest(folder / name)) for name in (DETECTOR, CLASSIFIER)))

    def seen(self, image: Colour) -> tuple[Cells, NDArray[np.float64], Prepared]:
        """Peaks of a field, its features [feature], and how its input came about."""
        ready = prepare(image)
        said = self.detector.run({"image": ready.tensor})
        found = cells(said["heat"][0], said["sides"][0], ready.scale, ready.shape_rc)
        return found, said["features"][0].astype(np.float64), ready

    def logits(self, cells_of: CellSet, batch: int = 64) -> Float:
        """Logits [cell, class] of single cells."""
        count = len(cells_of.labels)
        parts = []
        for start in range(0, count, batch):
            inputs = [cell(cells_of.image(i)) for i in range(start, min(start + batch, count))]
            parts.append(self.classifier.run({"image": np.stack(inputs)})["logits"])
        return np.concatenate(parts)


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def export_networks(finder: Finder, classifier: Council, folder: Path) -> None:
    """Write both networks."""
    outputs = ("heat", "sides", "features")
    export(joined(finder), torch.zeros(1, 3, ROWS, COLUMNS), outputs, folder / DETECTOR)
    cells_of = torch.zeros(2, 3, CELL_SIDE, CELL_SIDE)
    export(classifier, cells_of, ("logits",), folder / CLASSIFIER, octets=True)


def fit_counting(networks: Networks, fields: Sequence[Field], judges: CellSet, folder: Path) -> Counting:
    """Choose thresholds, curves and intervals on validation fields and cells; write them down."""
    found = [networks.seen(field.image())[0] for field in fields]
    limits = counting.thresholds(found, fields)
    slope, intercept = counting.curves(found, fields)
    reach = counting.reaches(found, fields)
    logits = networks.logits(judges)
    warmth = counting.temperature(judges.labels, logits)
    least = counting.least_probability(judges.labels, Naming(warmth, 0.0).probabilities(logits))
    np.savez(
        folder / COUNTING, thresholds=limits, slope=slope, intercept=intercept, reach=reach,
        temperature=np.float64(warmth), least=np.float64(least),
    )  # fmt: skip
    return Counting(limits, slope, intercept, reach, Naming(warmth, least))


def fit_gate(
    networks: Networks,
    count: Counting,
    learners: Sequence[Field],
    judges: Sequence[Field],
    data: Path,
    folder: Path,
) -> None:
    """Teach the gate; write it down."""
    rng = np.random.default_rng(7)
    smears = [field.image() for field in learners]
    smears += [disturbed_field(image, rng)[0] for image in smears]
    others = [image for _, image in refusing.foreign(data, "train", PER_SET, rng)]
    known, strange = (np.stack([networks.seen(i)[1] for i in images]) for images in (smears, others))
    judged = [networks.seen(field.image()) for field in judges]
    red = [(found.above(count.thresholds).of_kind(1), ready.scale) for found, _, ready in judged]
    gate = refusing.teach_gate(known, strange, np.stack([features for _, features, _ in judged]), red)
    np.savez(folder / GATE, **refusing.gate_arrays(gate))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Trusts:
    """How far fields were trusted, and whether rightly.

    Attributes
    ----------
    score
        `coread.readers.blood_smear.reader.Counting.trust` [image].
    right
        Whether the white cells were counted rightly, [image].
    field
        File name of the field, [image]; its spoiled copies bear the same.
    how
        The fault, [image].
    """

    score: Float
    right: NDArray[np.bool_]
    field: tuple[str, ...]
    how: tuple[str, ...]


def trusts(networks: Networks, count: Counting, fields: Sequence[Field], seed: int) -> Trusts:
    """Read every field as it is and spoiled in every way."""
    rows = []
    for index, field in enumerate(fields):
        for number, how in enumerate(refusing.SPOILS):
            found = networks.seen(spoiled_copy(field, index, number, seed))[0]
            right = counting.white_count_right(found.above(count.thresholds), field)
            rows.append((count.trust(found.of_kind(WHITE)), right, field.path.name, how))
    score, right_, name, fault = zip(*rows, strict=True)
    return Trusts(np.array(score), np.array(right_), name, fault)


def spoiled_copy(field: Field, index: int, number: int, seed: int) -> Colour:
    """The copy of field `index` with fault `number`, the same for the same seed."""
    return refusing.spoiled(field, refusing.SPOILS[number], np.random.default_rng([seed, index, number]))


def calibration_of(seen: Trusts) -> dict[str, Any]:
    """The curve from trust to the probability of a right count, as ``calibration.json`` holds it.

    Platt's curve with the interval of a bootstrap over fields; nothing is abstained on but by `doubt`.
    """
    curve = counting.curve_of(seen.right, seen.score)
    drawn = patient_weights(seen.field, RESAMPLES, 0)
    refits = [fit_platt(seen.right, seen.score, row) for row in drawn if _both(seen.right, row)]
    refits = refits or [curve]
    knots = np.linspace(0, max(float(seen.score.max()), 0.1), KNOTS)
    english, chinese = (text.format(len(set(seen.field))) for text in CALIBRATED_ON)
    return as_kept(knotted(curve, refits, knots, Band(THRESHOLD, THRESHOLD), (english, chinese)))


def _both(right: NDArray[np.bool_], weight: Float) -> bool:
    return bool(weight[right].sum() > 0 and weight[~right].sum() > 0)


def write_calibration(seen: Trusts, folder: Path) -> None:
    """Write ``calibration.json`` of the bundle."""
    write_json(folder / CALIBRATION, {"findings": {COUNTABLE_FIELD.value: calibration_of(seen)}})
