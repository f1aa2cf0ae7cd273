"""The chest reader as the clinic meets it: gate, network, and where it looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coread.domain.bundle import Card
from coread.domain.codes import LUNG
from coread.domain.reading import Reason
from coread.evaluation.faithfulness import blurred
from coread.readers.bundle import Bundle, open_bundle
from coread.readers.chest_radiograph.gate import (
    FeatureHead,
    refusal_by_features,
    refusal_by_grey,
    refusal_by_header,
)
from coread.readers.chest_radiograph.preprocess import prepare
from coread.readers.contract import Machine, ReaderOutput, Unfit
from coread.readers.explain import seen_box
from coread.readers.onnx import Session
from coread.readers.uncertainty import Calibration

if TYPE_CHECKING:
    from coread.dicom import DicomObject

Float = NDArray[np.floating[Any]]

BUNDLE = Path(__file__).parent / "bundle"

METHOD = "class activation map"

_SEVERAL_FRAMES = Reason(
    "several-frames",
    "The object holds several frames; this reader reads single images.",
    "对象含有多帧；本阅片器只读单帧图像。",
)


@dataclass(frozen=True, slots=True)
class ChestRadiograph:
    """Probability of pneumonia-like opacity on one frontal chest radiograph.

    Attributes
    ----------
    card, calibration
        From the bundle.
    session
        The network.
    head
        The gate's look through the network.
    neutral
        Score at which the card's threshold is reached: the zero of the saliency.
    smoothing_cells
        Reach of the mean that smooths the saliency, as its test of faithfulness was passed with.
    evaluation
        The bundle's ``evaluation.json``.
    """

    card: Card
    calibration: Calibration
    session: Session
    head: FeatureHead
    neutral: float
    smoothing_cells: int
    evaluation: Mapping[str, Any]

    def accepts(self, image: DicomObject) -> Reason | None:
        """Judge the header (`coread.readers.chest_radiograph.gate.refusal_by_header`)."""
        if image.number_of_frames > 1:
            return _SEVERAL_FRAMES
        return refusal_by_header(image.header.facts)

    def read(self, image: DicomObject) -> ReaderOutput | Unfit:
        """Read the first frame of an accepted image."""
        return self.read_display(image.display())

    def read_display(self, display: Float) -> ReaderOutput | Unfit:
        """Read a display image.

        Parameters
        ----------
        display
            [row, column], bright = dense (the sense of MONOCHROME2), after rescale, VOI and inversion.

        Returns
        -------
        ReaderOutput or Unfit
            The score is the network's logit. The saliency is the class-activation map less the score at
            which opacity is called: were the whole image like a positive cell, it would be called.
        """
        reason = refusal_by_grey(display)
        if reason:
            return Unfit(reason)
        ready = prepare(display)
        said = self.session.run({"image": ready.tensor})
        reason = refusal_by_features(said["features"], self.head)
        if reason:
            return Unfit(reason)
        return ReaderOutput(
            score=float(said["logit"][0]),
            saliency=blurred(said["activation"][0] - self.neutral, self.smoothing_cells).astype(np.float32),
            seen=seen_box(ready.box_rc),
            method=METHOD,
            site=LUNG,
        )


def reader(machine: Machine) -> ChestRadiograph:
    """Make the reader from the bundle that ships with it (entry point ``chest-radiograph``).

    Raises
    ------
    BundleRefused
        If the bundle is incomplete, changed or contradicts itself.
    """
    return reader_of(open_bundle(BUNDLE), machine)


def reader_of(bundle: Bundle, machine: Machine) -> ChestRadiograph:
    """Make the reader from any opened bundle of its kind."""
    curve = bundle.calibration
    return ChestRadiograph(
        card=bundle.card,
        calibration=curve,
        session=Session(*bundle.weights(), machine.threads),
        head=FeatureHead.of_arrays(bundle.arrays("gate.npz")),
        neutral=float(np.interp(bundle.card.threshold, curve.probability, curve.score)),
        smoothing_cells=int(bundle.evaluation.get("explanation", {}).get("smoothing_cells", 0)),
        evaluation=bundle.evaluation,
    )
