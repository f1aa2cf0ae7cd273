"""The reader: gate, network, score. Everything particular to the disease stands in its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coread.domain.bundle import Card
from coread.domain.finding import Box
from coread.domain.reading import Reason
from coread.readers.bundle import Bundle
from coread.readers.contract import Machine, ReaderOutput, Unfit
from coread.readers.one_finding.preparing import prepare
from coread.readers.onnx import Session
from coread.readers.quality import unfit
from coread.readers.uncertainty import Calibration

if TYPE_CHECKING:
    from coread.dicom import DicomObject

Float = NDArray[np.floating[Any]]

WEIGHTS, GATE = "weights.onnx", "gate.npz"

METHOD = "class activation map"

GREY_KINDS = frozenset({"MONOCHROME1", "MONOCHROME2"})

_SEVERAL_FRAMES = Reason(
    "several-frames",
    "The object holds several frames; this reader reads single images.",
    "对象含有多帧；本阅片器只读单帧图像。",
)
_COLOUR = Reason(
    "colour", "The image is in colour; this reader reads grey images.", "图像为彩色；本阅片器只读灰度图像。"
)
_GREY = Reason(
    "grey", "The image is grey; this reader reads colour images.", "图像为灰度；本阅片器只读彩色图像。"
)
_UNFAMILIAR = Reason(
    "out-of-distribution",
    "The image is unlike those that this reader was trained on.",
    "图像与本阅片器的训练图像差异过大。",
)


@dataclass(frozen=True, slots=True)
class Familiar:
    """Tells images like the training ones from others, by the trunk's middle features.

    Attributes
    ----------
    mean, scale
        Of the training features, [feature].
    axes
        Their principal axes scaled to unit variance, [feature, axis].
    most
        Largest distance that is accepted, chosen on validation images.
    """

    mean: Float
    scale: Float
    axes: Float
    most: float

    @classmethod
    def of_arrays(cls, held: Mapping[str, NDArray[Any]]) -> Familiar:
        """Read the bundle's ``gate.npz``."""
        mean, scale, axes = (held[name].astype(np.float64) for name in ("mean", "scale", "axes"))
        return cls(mean, scale, axes, float(held["most"]))

    def distance(self, features: Float) -> Float:
        """Distance [image] of features [image, feature], per axis, in standard deviations.

        Mahalanobis distance in the leading principal axes: Lee et al., NeurIPS 2018, arXiv:1807.03888.
        """
        place = (np.asarray(features, np.float64) - self.mean) / self.scale @ self.axes
        return np.asarray(np.sqrt((place**2).mean(axis=1)))


@dataclass(frozen=True, slots=True)
class OneFinding:
    """Probability of one finding on one image.

    Attributes
    ----------
    card, calibration
        From the bundle.
    session
        The network: ``logit``, ``features`` and ``activation`` of ``image``.
    familiar
        The gate.
    neutral
        Score at which the card's threshold is reached: the zero of the saliency.
    evaluation
        The bundle's ``evaluation.json``.
    """

    card: Card
    calibration: Calibration
    session: Session
    familiar: Familiar
    neutral: float
    evaluation: Mapping[str, Any]

    @property
    def channels(self) -> int:
        """1 for a reader of grey images, 3 for one of colour images."""
        return self.session.inputs["image"][1] or 1

    def accepts(self, image: DicomObject) -> Reason | None:
        """Judge the header: single frames, grey or colour as the reader is. Modality is the card's."""
        if image.number_of_frames > 1:
            return _SEVERAL_FRAMES
        kind = image.header.facts.get("PhotometricInterpretation", "").strip()
        grey = kind in GREY_KINDS
        if kind and grey != (self.channels == 1):
            return _GREY if grey else _COLOUR
        return None

    def read(self, image: DicomObject) -> ReaderOutput | Unfit:
        """Read an accepted image."""
        return self.read_pixels(image.display() if self.channels == 1 else image.rendered())

    def read_pixels(self, pixels: NDArray[Any]) -> ReaderOutput | Unfit:
        """Read pixels.

        Parameters
        ----------
        pixels
            Grey float32 [row, column] in 0..1, dense structures bright; or colour uint8 [row, column, 3].

        Returns
        -------
        ReaderOutput or Unfit
            The score is the network's logit, taken apart by place in the saliency.
        """
        if (pixels.ndim == 2) != (self.channels == 1):
            return Unfit(_GREY if pixels.ndim == 2 else _COLOUR)
        grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2) / 255
        reason = unfit(np.asarray(grey, np.float32))
        if reason:
            return Unfit(reason)
        said = self.session.run({"image": prepare(pixels)[None]})
        if self.familiar.distance(said["features"])[0] > self.familiar.most:
            return Unfit(_UNFAMILIAR)
        rows, columns = pixels.shape[:2]
        return ReaderOutput(
            score=float(said["logit"][0]),
            saliency=(said["activation"][0] - self.neutral).astype(np.float32),
            seen=Box(0.0, 0.0, float(columns), float(rows)),
            method=METHOD,
        )


def reader_of(bundle: Bundle, machine: Machine) -> OneFinding:
    """Make the reader from any opened bundle of its kind.

    Raises
    ------
    BundleRefused
        If the bundle's files are not those that were packed.
    """
    curve = bundle.calibration
    return OneFinding(
        card=bundle.card,
        calibration=curve,
        session=bundle.session(WEIGHTS, machine.threads, machine.memory_mb),
        familiar=Familiar.of_arrays(bundle.arrays(GATE)),
        neutral=float(np.interp(bundle.card.threshold, curve.probability, curve.score)),
        evaluation=bundle.evaluation,
    )
