"""The chest radiograph reader: its gate, its network and its bundle behind the contract of all readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from coread.domain.bundle import Card
from coread.domain.codes import LUNG
from coread.domain.reading import Reason
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
from coread.readers.onnx import Arrays, Session
from coread.readers.uncertainty import Calibration

if TYPE_CHECKING:
    from coread.dicom import DicomObject

BUNDLE = Path(__file__).resolve().parent / "bundle"

_SEVERAL_FRAMES = Reason(
    "several-frames",
    "The object holds several frames; this reader reads single images.",
    "对象含有多帧；本模型只读单帧图像。",
)


class ChestReader:
    """Opacity on a frontal chest radiograph.

    Parameters
    ----------
    bundle
        Card, calibration and the gate's arrays.
    network
        Gives ``logit`` [n], ``features`` [n, d] and ``activation`` [n, row, column] of an ``image``
        float32 [n, 1, row, column].
    """

    def __init__(self, bundle: Bundle, network: Callable[[Arrays], Arrays]) -> None:
        self._bundle = bundle
        self._network = network
        self._head = FeatureHead.of_arrays(bundle.arrays("gate.npz"))

    @property
    def card(self) -> Card:
        """What the reader is, on paper."""
        return self._bundle.card

    @property
    def calibration(self) -> Calibration:
        """How the logit becomes a probability."""
        return self._bundle.calibration

    def accepts(self, image: DicomObject) -> Reason | None:
        """Judge the header."""
        if image.number_of_frames > 1:
            return _SEVERAL_FRAMES
        return refusal_by_header(image.header.facts)

    def read(self, image: DicomObject) -> ReaderOutput | Unfit:
        """Judge the grey values, ask the network, judge its features, answer."""
        display = image.display()
        reason = refusal_by_grey(display)
        if reason:
            return Unfit(reason)
        prepared = prepare(display)
        seen = self._network({"image": prepared.tensor})
        reason = refusal_by_features(seen["features"], self._head)
        if reason:
            return Unfit(reason)
        return ReaderOutput(
            score=float(seen["logit"][0]),
            saliency=seen["activation"][0],
            seen=seen_box(prepared.box_rc),
            method="class activation map",
            site=LUNG,
        )


def reader(machine: Machine) -> ChestReader:
    """Make the reader from the bundle that ships with CoRead.

    Raises
    ------
    BundleRefused
        If the bundle does not hold together.
    """
    return open_chest_reader(BUNDLE, machine)


def open_chest_reader(folder: Path, machine: Machine) -> ChestReader:
    """Make the reader from a bundle.

    Raises
    ------
    BundleRefused
        If the bundle does not hold together.
    """
    bundle = open_bundle(folder)
    return ChestReader(bundle, Session(*bundle.weights(), machine.threads).run)
