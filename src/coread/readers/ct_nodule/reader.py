"""The nodule reader as the clinic meets it: a prompt in, an outlined, measured and described nodule out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coread.domain import codes
from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import Characteristic, Choice, Confidence, Finding, Measurement, Outline
from coread.domain.reading import Prompt, Reason
from coread.readers.bundle import Bundle, open_bundle
from coread.readers.contract import Machine, ReaderOutput, Unfit
from coread.readers.ct_nodule.gate import (
    REASONS,
    SceneGate,
    refusal_by_grey,
    refusal_by_header,
    refusal_by_spacing,
)
from coread.readers.ct_nodule.looks import features_of, largest
from coread.readers.ct_nodule.measuring import Spacing, axes, ranged, volume_mm3
from coread.readers.ct_nodule.similar import Casebook
from coread.readers.ct_nodule.stack import Cut, Look, followed
from coread.readers.ct_nodule.texture import sight
from coread.readers.ct_nodule.traits import CONCEPTS, MALIGNANCY, Judge, rounded
from coread.readers.ct_nodule.window import CROP, Spot, cut, stretched
from coread.readers.onnx import Session
from coread.readers.uncertainty import Calibration

if TYPE_CHECKING:
    from coread.dicom import DicomObject

Float = NDArray[np.floating[Any]]

BUNDLE = Path(__file__).parent / "bundle"

STATED_ON = "LIDC-IDRI, the readers' own ratings; interval from training patients drawn anew"

EVEN = 0.05
"""Greatest share by which distances of slices may differ for a volume to be given."""


@dataclass(frozen=True, slots=True)
class CtNodule:
    """Outline, size, characteristics and rated malignancy of the nodule that a doctor points to.

    Attributes
    ----------
    card, calibration, calibrations, evaluation
        From the bundle; the main finding is that a nodule is there, the second its malignancy.
    look
        The network.
    gate, judge, casebook
        The pixel gate, the concept bottleneck, the training cases.
    ratios
        Readers' size to the measured size by code value of the quantity, lower and upper bound.
    """

    card: Card
    calibration: Calibration
    calibrations: Mapping[str, Calibration]
    evaluation: Mapping[str, Any]
    look: Look
    gate: SceneGate
    judge: Judge
    casebook: Casebook
    ratios: Mapping[str, tuple[float, float]]

    def accepts(self, image: DicomObject) -> Reason | None:
        """Judge the header of the asked slice."""
        if not image.has_pixels:
            return REASONS["not-greyscale"]
        plane = image.plane()
        normal_z = float(plane.normal[2]) if plane is not None else None
        refusal = refusal_by_header(image.header.facts, image.number_of_frames, normal_z)
        return refusal or refusal_by_spacing(image.pixel_spacing_mm)

    def read_at(self, images: Sequence[DicomObject], prompt: Prompt) -> Sequence[ReaderOutput] | Unfit:
        """Look at one place of the asked slice, and follow what is there through its neighbours."""
        asked = next(i for i, image in enumerate(images) if image.header.ref == prompt.image)
        spot = spot_of(prompt)
        slices = Pixels(images)
        if slices[asked].ndim != 2:
            return Unfit(REASONS["not-greyscale"])
        crop = cut(slices[asked], spot.centre, CROP)
        refusal = refusal_by_grey(crop)
        if refusal:
            return Unfit(refusal)
        cuts = followed(slices, asked, spot, self.look)
        seen = next(found for found in cuts if found.index == asked)
        if not bool(self.gate.accepts(sight(seen.scene, stretched(crop))[None])[0]):
            return Unfit(REASONS["not-lung-ct"])
        if not seen.area_px:
            return [ReaderOutput(log_odds(seen.trust), site=codes.LUNG)]
        return self._described(images, cuts, seen, images[asked].pixel_spacing_mm or (1.0, 1.0))

    def _described(
        self, images: Sequence[DicomObject], cuts: Sequence[Cut], seen: Cut, spacing: Spacing
    ) -> list[ReaderOutput]:
        features = features_of(cuts, seen.index, spacing)
        states = self.judge.states(features)
        traits = tuple(characteristic(concept, states[concept]) for concept in CONCEPTS)
        sizes = self._sizes(images, cuts, spacing)
        nodule = ReaderOutput(
            score=log_odds(seen.trust), site=codes.LUNG, measurements=sizes, characteristics=traits,
            outlines=tuple(Outline.of(c.mask, images[c.index].header.ref) for c in cuts),
            similar=self.casebook.similar(self.judge.standardised(features)),
        )  # fmt: skip
        score = self.judge.score(stated(traits), mean_axis(sizes))
        malignancy = ReaderOutput(
            score=score, code=MALIGNANCY, site=codes.LUNG, measurements=sizes[:2], characteristics=traits
        )
        return [nodule, malignancy]

    def _sizes(
        self, images: Sequence[DicomObject], cuts: Sequence[Cut], spacing: Spacing
    ) -> tuple[Measurement, ...]:
        """Long and short axis on the largest slice; volume where there are neighbours evenly apart."""
        widest = axes(largest(cuts, spacing).window, spacing)
        sizes = [
            self._sized(codes.LONG_AXIS, widest.long_mm, codes.MILLIMETRE),
            self._sized(codes.SHORT_AXIS, widest.short_mm, codes.MILLIMETRE),
        ]
        apart = slice_spacing_mm(images)
        closed = cuts[0].index > 0 and cuts[-1].index < len(images) - 1
        if apart is not None and closed:
            volume = volume_mm3([c.window for c in cuts], spacing, apart)
            sizes.append(self._sized(codes.VOLUME, volume, codes.CUBIC_MILLIMETRE))
        return tuple(sizes)

    def _sized(self, quantity: Code, value: float, unit: Code) -> Measurement:
        held = ranged(round(value, 2), self.ratios[quantity.value])
        return Measurement(quantity, held.value, unit, round(held.lower, 2), round(held.upper, 2))

    def reconsider(self, finding: Finding) -> Confidence:
        """Answer malignancy anew from characteristics and sizes as the doctor left them.

        That a nodule is there does not follow from how it looks: such a finding keeps its confidence.
        """
        if finding.code != MALIGNANCY:
            return finding.confidence
        score = self.judge.score(stated(finding.characteristics), mean_axis(finding.measurements))
        return self.calibrations[MALIGNANCY.value].confidence(score)


def spot_of(prompt: Prompt) -> Spot:
    """From stored pixels (origin at the outer corner, x before y) to row and column of pixel centres."""
    x, y = prompt.middle
    if prompt.box is None:
        return Spot(y - 0.5, x - 0.5)
    return Spot(y - 0.5, x - 0.5, prompt.box.height_px / 2, prompt.box.width_px / 2)


class Pixels(Sequence[Float]):
    """Stored values of each image [row, column], dense tissue bright; decoded when first asked for.

    A stack may hold a hundred compressed slices, of which a small nodule needs five.
    """

    def __init__(self, images: Sequence[DicomObject]) -> None:
        self._images = images
        self._held: dict[int, Float] = {}

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        """Give one slice in any unit: the crop is stretched before it is read."""
        if index not in self._held:
            image = self._images[index]
            values = image.stored().astype(np.float32)
            self._held[index] = -values if image.photometric_interpretation == "MONOCHROME1" else values
        return self._held[index]


def slice_spacing_mm(images: Sequence[DicomObject]) -> float | None:
    """Distance of neighbouring slices, mm; None where there are none, no places, or gaps."""
    planes = [image.plane() for image in images]
    if len(planes) < 2 or planes[0] is None:
        return None
    normal = planes[0].normal
    places = [float(plane.origin_lps_mm @ normal) for plane in planes if plane is not None]
    steps = np.abs(np.diff(places))
    if len(places) < len(planes) or not steps.min() > 0 or np.ptp(steps) > EVEN * steps.min():
        return None
    return float(np.median(steps))


def characteristic(concept: Code, states: Float) -> Characteristic:
    """State one characteristic.

    Parameters
    ----------
    concept
        One of `CONCEPTS`.
    states
        [refit, value]; the first is the answer, the others its uncertainty.
    """
    probability, values = rounded(states[0]), CONCEPTS[concept]
    best = int(probability.argmax())
    spread = np.quantile(states[:, best], [0.025, 0.975])
    value = float(probability[best])
    low, high = min(round(float(spread[0]), 6), value), max(round(float(spread[1]), 6), value)
    confidence = Confidence(
        value,
        low,
        min(high, 1.0),
        calibrated_on="LIDC-IDRI training patients, drawn anew",
        calibrated_on_zh="LIDC-IDRI 训练患者，重抽样",
    )
    choices = tuple(Choice(code, float(p)) for code, p in zip(values, probability, strict=True))
    return Characteristic(concept, values[best], confidence, choices)


def stated(traits: Sequence[Characteristic]) -> dict[Code, Float]:
    """Probabilities [value] of each concept as stated; a corrected one is certain.

    A concept that is not among the traits is taken as not known: its values are all alike likely.
    """
    held: dict[Code, Float] = {c: np.full(len(v), 1 / len(v)) for c, v in CONCEPTS.items()}
    for trait in traits:
        values = CONCEPTS.get(trait.concept, ())
        chances = {choice.value: choice.probability for choice in trait.choices}
        if trait.value in values and (trait.confidence.probability == 1 or not chances):
            held[trait.concept] = np.array([float(value == trait.value) for value in values])
        elif values and chances.keys() >= set(values):
            held[trait.concept] = np.array([chances[value] for value in values])
    return held


def mean_axis(sizes: Sequence[Measurement]) -> float:
    """Mean of long and short axis among measurements, mm."""
    return float(np.mean([m.value for m in sizes if m.quantity in (codes.LONG_AXIS, codes.SHORT_AXIS)]))


def log_odds(probability: float) -> float:
    """Log-odds, finite also at 0 and 1."""
    held = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(held / (1 - held)))


def reader(machine: Machine) -> CtNodule:
    """Make the reader from the bundle that ships with it (entry point ``ct-nodule``).

    Raises
    ------
    BundleRefused
        If the bundle is incomplete, changed or contradicts itself.
    """
    return reader_of(open_bundle(BUNDLE), machine)


def reader_of(bundle: Bundle, machine: Machine) -> CtNodule:
    """Make the reader from any opened bundle of its kind."""
    ratios = bundle.arrays("ratios.npz")
    return CtNodule(
        card=bundle.card,
        calibration=bundle.calibration,
        calibrations=bundle.calibrations,
        evaluation=bundle.evaluation,
        look=_look(bundle.session(threads=machine.threads)),
        gate=SceneGate.of_arrays(bundle.arrays("gate.npz")),
        judge=Judge.of_arrays(bundle.arrays("judge.npz")),
        casebook=Casebook.of_arrays(bundle.arrays("cases.npz")),
        ratios={name: (float(pair[0]), float(pair[1])) for name, pair in ratios.items()},
    )


def _look(session: Session) -> Look:
    def look(windows: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return session.run({"window": windows})

    return look
