"""The blood smear reader as the clinic meets it: gate, count, name, and say how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coread.domain.bundle import Card
from coread.domain.finding import Box
from coread.domain.reading import Reason
from coread.evaluation import logit, sigmoid
from coread.readers.blood_smear.cells import CLASSES, KINDS, UNCLASSIFIED
from coread.readers.blood_smear.differential import UNSURE, Naming, measurements
from coread.readers.blood_smear.field import cut, prepare
from coread.readers.blood_smear.gate import REASONS, FeatureGate, refusal_by_header, refusal_by_pixels
from coread.readers.blood_smear.peaks import FLOOR, Cells, cells
from coread.readers.bundle import Bundle, open_bundle
from coread.readers.contract import Machine, ReaderOutput, Unfit
from coread.readers.onnx import Session
from coread.readers.uncertainty import Calibration

if TYPE_CHECKING:
    from coread.dicom import DicomObject

Float = NDArray[np.floating[Any]]

BUNDLE = Path(__file__).parent / "bundle"

DETECTOR, CLASSIFIER, GATE, COUNTING = "weights.onnx", "cells.onnx", "gate.npz", "counting.npz"
"""Files of the bundle: finds cells; names white cells; refuses; thresholds and intervals."""

CURVES = ("thresholds", "slope", "intercept", "reach")
"""Arrays [kind] of ``counting.npz``."""

WHITE = 0
"""Index of the leukocyte among `KINDS`."""


@dataclass(frozen=True, slots=True)
class Counting:
    """What turns peaks into counted cells, all of it from validation fields and cells.

    Attributes
    ----------
    thresholds
        Height of a peak at and above which it is a cell, [kind].
    slope, intercept
        Logistic curve from the log odds of a peak to the probability of a cell, [kind].
    reach
        See `coread.readers.blood_smear.differential.count_interval`, [kind].
    naming
        When a white cell is given a name.
    """

    thresholds: Float
    slope: Float
    intercept: Float
    reach: Float
    naming: Naming

    @classmethod
    def of_arrays(cls, held: Mapping[str, NDArray[Any]]) -> Counting:
        """Read the bundle's ``counting.npz``."""
        thresholds, slope, intercept, reach = (held[name].astype(np.float64) for name in CURVES)
        naming = Naming(float(held["temperature"]), float(held["least"]))
        return cls(thresholds, slope, intercept, reach, naming)

    def probability(self, found: Cells) -> Float:
        """Probability of each cell to be one of its kind, [cell]."""
        return sigmoid(self.slope[found.kind] * logit(found.score) + self.intercept[found.kind])

    def trust(self, white: Cells) -> float:
        """How far the most doubtful white cell lies from its threshold, in log odds; the score of a field.

        Parameters
        ----------
        white
            Peaks of white cells, those below the threshold too; none below `FLOOR` was looked at.
        """
        apart = np.abs(logit(white.score) - logit(self.thresholds[WHITE]))
        return float(min(apart.min(initial=np.inf), logit(self.thresholds[WHITE]) - logit(FLOOR)))


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it was read.

    Attributes
    ----------
    peaks
        All peaks, for the trust in the field.
    cells
        Those at or above their threshold.
    names
        Class number of each white cell among them, in their order; `UNSURE` without a name.
    features
        [1, feature] for the gate.
    scale
        Pixels of the detector's input per pixel of the image.
    """

    peaks: Cells
    cells: Cells
    names: NDArray[np.int64]
    features: Float
    scale: float


@dataclass(frozen=True, slots=True)
class BloodSmear:
    """Cells of one stained blood smear field: boxes, counts, differential.

    Attributes
    ----------
    card, calibration
        From the bundle.
    detector, classifier
        The networks.
    gate, counting
        The numbers beside them.
    evaluation
        The bundle's ``evaluation.json``.
    """

    card: Card
    calibration: Calibration
    detector: Session
    classifier: Session
    gate: FeatureGate
    counting: Counting
    evaluation: Mapping[str, Any]

    def accepts(self, image: DicomObject) -> Reason | None:
        """Judge the header (`coread.readers.blood_smear.gate.refusal_by_header`)."""
        if image.number_of_frames > 1:
            return REASONS["several-frames"]
        return refusal_by_header(image.header.facts)

    def read(self, image: DicomObject) -> ReaderOutput | Unfit:
        """Read the field of an accepted image."""
        return self.read_colour(image.rendered())

    def read_colour(self, image: NDArray[np.uint8]) -> ReaderOutput | Unfit:
        """Read a field.

        Parameters
        ----------
        image
            uint8 [row, column, 3], RGB.

        Returns
        -------
        ReaderOutput or Unfit
            The score is the trust in the count of white cells (`Counting.trust`).
        """
        reason = refusal_by_pixels(image)
        if reason:
            return Unfit(reason)
        field = self.look(image)
        reason = self.gate.refusal(field.features)
        if reason:
            return Unfit(reason)
        counted = {kind: int(np.sum(field.cells.kind == kind)) for kind in range(len(KINDS))}
        return ReaderOutput(
            score=self.counting.trust(field.peaks.of_kind(WHITE)),
            doubt=self.gate.doubt(field.cells.of_kind(1), field.scale),
            boxes=tuple(self._boxes(field)),
            measurements=measurements(counted, self.counting.reach, field.names),
        )

    def look(self, image: NDArray[np.uint8]) -> Field:
        """Find and name the cells of a field, uint8 [row, column, 3], whatever the gate says."""
        ready = prepare(image)
        said = self.detector.run({"image": ready.tensor})
        found = cells(said["heat"][0], said["sides"][0], ready.scale, ready.shape_rc)
        kept = found.above(self.counting.thresholds)
        return Field(found, kept, self.named(image, kept.of_kind(WHITE)), said["features"], ready.scale)

    def named(self, image: NDArray[np.uint8], white: Cells) -> NDArray[np.int64]:
        """Class number of each white cell, [cell]."""
        if not len(white.kind):
            return np.zeros(0, np.int64)
        inputs = np.stack([cut(image, box) for box in white.boxes])
        return self.counting.naming.names(self.classifier.run({"image": inputs})["logits"])

    def _boxes(self, field: Field) -> list[Box]:
        """Every counted cell with its code; white cells bear the name of their class."""
        labels = [KINDS[kind] for kind in field.cells.kind]
        codes = [*CLASSES.values()]
        white = np.flatnonzero(field.cells.kind == WHITE)
        for place, name in zip(white, field.names, strict=True):
            named = name != UNSURE and list(CLASSES)[name] != "platelet"
            labels[place] = codes[name] if named else UNCLASSIFIED
        sure = self.counting.probability(field.cells)
        return [
            Box(left, top, width, height, label, round(float(chance), 4))
            for (left, top, width, height), label, chance in zip(
                field.cells.boxes.tolist(), labels, sure, strict=True
            )
        ]


def reader(machine: Machine) -> BloodSmear:
    """Make the reader from the bundle that ships with it (entry point ``blood-smear``).

    Raises
    ------
    BundleRefused
        If the bundle is incomplete, changed or contradicts itself.
    """
    return reader_of(open_bundle(BUNDLE), machine)


def reader_of(bundle: Bundle, machine: Machine) -> BloodSmear:
    """Make the reader from any opened bundle of its kind."""
    return BloodSmear(
        card=bundle.card,
        calibration=bundle.calibration,
        detector=bundle.session(DETECTOR, machine.threads),
        classifier=bundle.session(CLASSIFIER, machine.threads),
        gate=FeatureGate.of_arrays(bundle.arrays(GATE)),
        counting=Counting.of_arrays(bundle.arrays(COUNTING)),
        evaluation=bundle.evaluation,
    )
