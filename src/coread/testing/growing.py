"""A reader that answers where it is asked: it grows a region from a point or within a box of a CT.

It measures what it grew and says how it looks. No network, no training and no medical use: it is there for
tests of what is around a prompted reader, and as the smallest whole example of one. Its probabilities are
made up of contrast and size, and its card says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.dicom import DicomObject
from coread.domain import codes
from coread.domain.bundle import Card, Declared, Prompting
from coread.domain.codes import Code
from coread.domain.finding import (
    Box,
    Characteristic,
    Choice,
    Confidence,
    Finding,
    Measurement,
    Outline,
    SimilarCase,
)
from coread.domain.reading import Prompt, ReaderIdentity, Reason
from coread.readers import Calibration, Machine, ReaderOutput, Unfit
from coread.readers.uncertainty import Band

Values = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: Second finding of the example: an answer that follows from characteristics and size alone.
SUSPICIOUS = Code("suspicious", "99COREAD", "Suspicious nodule", "可疑结节")

#: Between lung (about -850 HU) and soft tissue (about 40 HU): the usual cut for solid nodules.
_CUT_HU = -400.0
#: How much the cut may be wrong by: half the step at an edge that two tissues share.
_CUT_RANGE_HU = 150.0
_RADIUS_MM = 20.0
_MEAN_HU = {codes.GROUND_GLASS: -650.0, codes.PART_SOLID: -250.0, codes.SOLID: 30.0}
_SPREAD_HU = 150.0

_CARD = Card(
    identity=ReaderIdentity("example-growing", "1.0.0", "CoRead", ""),
    title="Example: region growing on CT",
    title_zh="示例：CT区域生长",
    intended_use="Tests of software only; never on patients.",
    intended_use_zh="仅用于软件测试，不得用于患者。",
    limits=("It measures grey levels, not disease.",),
    modalities=("CT",),
    finding=codes.LUNG_NODULE,
    threshold=0.5,
    attribution=(),
    explanation_passed=False,
    evidence_grade="synthetic",
    limits_zh=("它测量的是灰度，而非疾病。",),
    findings=(Declared(codes.LUNG_NODULE, 0.5), Declared(SUSPICIOUS, 0.5)),
    prompt=Prompting(points=True, boxes=True, reach_mm=_RADIUS_MM),
)


@dataclass(frozen=True)
class Region:
    """What was grown, on a stack of slices."""

    masks: Mask
    """[slice, row, column]."""
    values: Values
    spacing_mm: tuple[float, float, float]
    """Between slices, rows and columns."""
    corner: tuple[int, int]
    """First row and column of the part of the frames that was looked at."""

    def outline(self, index: int, image: DicomObject) -> Outline:
        """Return what was grown on one slice."""
        shape = int(image.header.facts["Rows"]), int(image.header.facts["Columns"])
        whole = np.zeros(shape, bool)
        mask, (top, left) = self.masks[index], self.corner
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        return Outline.of(whole, image.header.ref)

    def box(self, index: int) -> Box:
        """Return the box round one slice of it."""
        box = _box(self.masks[index])
        return replace(box, left_px=box.left_px + self.corner[1], top_px=box.top_px + self.corner[0])

    @property
    def volume_mm3(self) -> float:
        """Volume of all voxels."""
        return float(self.masks.sum()) * math.prod(self.spacing_mm)

    def axes_mm(self, index: int) -> tuple[float, float]:
        """Long axis of one slice and the width across it, edge to edge."""
        rows, columns = np.nonzero(self.masks[index])
        corners = [
            (r + dr, c + dc) for r, c in zip(rows, columns, strict=True) for dr in (0, 1) for dc in (0, 1)
        ]
        points = np.unique(np.array(corners, float), axis=0) * self.spacing_mm[1:]
        angles = np.deg2rad(np.arange(0, 180, 3))
        along = points @ np.stack([np.cos(angles), np.sin(angles)])
        widths = along.max(axis=0) - along.min(axis=0)
        longest = int(widths.argmax())
        return float(widths[longest]), float(widths[(longest + len(angles) // 2) % len(angles)])


@dataclass(frozen=True)
class GrowingReader:
    """Grows a region where it is asked to."""

    card: Card
    calibration: Calibration
    calibrations: Mapping[str, Calibration]
    evaluation: Mapping[str, Any]

    def accepts(self, image: DicomObject) -> Reason | None:
        """Ask for a place in the patient: without one nothing can be measured in millimetres."""
        if image.plane() is not None:
            return None
        return Reason("no-place", "The image does not say where it lies.", "图像未给出其空间位置。")

    def read_at(self, images: Sequence[DicomObject], prompt: Prompt) -> Sequence[ReaderOutput] | Unfit:
        """Grow, measure, describe."""
        asked = next(n for n, image in enumerate(images) if image.header.ref == prompt.image)
        plane, spacing = images[asked].in_units(), _spacing_mm(images)
        seed = _seed(plane, prompt)
        if plane[seed] < _CUT_HU:
            return [ReaderOutput(-4.0), ReaderOutput(-4.0, code=SUSPICIOUS)]
        window = _window(plane.shape, seed, spacing)
        values = np.stack([image.in_units()[window] for image in images])
        corner = (window[0].start, window[1].start)
        start = (asked, seed[0] - corner[0], seed[1] - corner[1])
        box = prompt.box and replace(
            prompt.box, left_px=prompt.box.left_px - corner[1], top_px=prompt.box.top_px - corner[0]
        )
        grown = {
            step: Region(_grown(values, start, _CUT_HU + step, spacing, box), values, spacing, corner)
            for step in (-_CUT_RANGE_HU, 0.0, _CUT_RANGE_HU)
        }
        return self._described(grown, images, asked)

    def reconsider(self, finding: Finding) -> Confidence:
        """Answer from size and characteristics alone; what is no `SUSPICIOUS` stays as it is."""
        if finding.code != SUSPICIOUS:
            return finding.confidence
        score = _suspicion(finding.measurements, finding.characteristics)
        return self.calibrations[SUSPICIOUS.value].confidence(score)

    def _described(
        self, grown: Mapping[float, Region], images: Sequence[DicomObject], asked: int
    ) -> list[ReaderOutput]:
        region = grown[0.0]
        outlines = tuple(
            region.outline(index, image) for index, image in enumerate(images) if region.masks[index].any()
        )
        measurements = _measurements(grown, asked)
        looks = (_texture(region), _margins(region, asked))
        suspicious = ReaderOutput(
            _suspicion(measurements, looks),
            code=SUSPICIOUS,
            site=codes.LUNG,
            measurements=measurements,
            characteristics=looks,
        )
        nodule = replace(
            suspicious,
            score=_contrast(region),
            code=codes.LUNG_NODULE,
            outlines=outlines,
            boxes=(region.box(asked),),
            similar=_similar(measurements),
        )
        return [nodule, suspicious]


def growing(_: Machine) -> GrowingReader:
    """Make the reader (entry point ``example-growing``)."""
    curve = Calibration(
        (-4.0, 4.0), (0.02, 0.98), (0.0, 0.9), (0.1, 1.0), "drawn nodules, nobody", Band(0.45, 0.55)
    )
    curves = {codes.LUNG_NODULE.value: curve, SUSPICIOUS.value: replace(curve, band=Band(0.5, 0.5))}
    return GrowingReader(_CARD, curve, curves, {})


def _spacing_mm(images: Sequence[DicomObject]) -> tuple[float, float, float]:
    planes = [plane for image in images if (plane := image.plane()) is not None]
    rows_mm, columns_mm = planes[0].spacing_mm
    places = [float(plane.origin_lps_mm @ planes[0].normal) for plane in planes]
    steps = np.abs(np.diff(places))
    return (float(np.median(steps)) if steps.size else 1.0, rows_mm, columns_mm)


def _seed(values: Values, prompt: Prompt) -> tuple[int, int]:
    """Return row and column of the brightest pixel by the point, or within the box."""
    rows, columns = values.shape
    if prompt.box is None:
        x, y = prompt.middle
        left, top, right, bottom = x - 1.5, y - 1.5, x + 1.5, y + 1.5
    else:
        box = prompt.box
        left, top = box.left_px, box.top_px
        right, bottom = left + box.width_px, top + box.height_px
    first_row, first_column = (
        min(max(math.floor(n), 0), end - 1) for n, end in ((top, rows), (left, columns))
    )
    part = values[first_row : max(math.ceil(bottom), first_row + 1), first_column : math.ceil(right)]
    row, column = np.unravel_index(int(part.argmax()), part.shape)
    return first_row + int(row), first_column + int(column)


def _window(
    shape: tuple[int, ...], seed: tuple[int, int], spacing_mm: tuple[float, float, float]
) -> tuple[slice, slice]:
    """Return the rows and columns within reach of the seed."""
    reach = [math.ceil(_RADIUS_MM / mm) + 1 for mm in spacing_mm[1:]]
    rows, columns = (
        slice(max(middle - far, 0), min(middle + far + 1, end))
        for middle, far, end in zip(seed, reach, shape, strict=True)
    )
    return rows, columns


def _grown(
    values: Values,
    seed: tuple[int, int, int],
    cut_hu: float,
    spacing_mm: tuple[float, float, float],
    box: Box | None,
) -> Mask:
    """Return the voxels above the cut that hang together with the seed, within reach."""
    open_to = (values >= cut_hu) & _reach(values.shape, seed, spacing_mm, box)
    grown = np.zeros_like(open_to)
    grown[seed] = True
    while True:
        wider = grown.copy()
        for axis in range(3):
            ahead = [slice(None)] * 3
            behind = [slice(None)] * 3
            ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
            wider[tuple(ahead)] |= grown[tuple(behind)]
            wider[tuple(behind)] |= grown[tuple(ahead)]
        wider &= open_to
        wider[seed] = True
        if (wider == grown).all():
            return grown
        grown = wider


def _reach(
    shape: tuple[int, ...],
    seed: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    box: Box | None,
) -> Mask:
    """Return a ball around the seed; with a box, what lies within its rows and columns."""
    indices = np.indices(shape, sparse=True)
    offsets = [(axis - start) * mm for axis, start, mm in zip(indices, seed, spacing_mm, strict=True)]
    within: Mask = np.asarray(offsets[0] ** 2 + offsets[1] ** 2 + offsets[2] ** 2 <= _RADIUS_MM**2)
    if box is None:
        return within
    rows, columns = indices[1] + 0.5, indices[2] + 0.5
    in_rows = (box.top_px <= rows) & (rows <= box.top_px + box.height_px)
    return within & in_rows & (box.left_px <= columns) & (columns <= box.left_px + box.width_px)


def _measurements(grown: Mapping[float, Region], asked: int) -> tuple[Measurement, ...]:
    """Return axes and volume, with what a lower and a higher cut would have given as their interval."""
    axes = [region.axes_mm(asked) for region in grown.values()]
    middle = grown[0.0].axes_mm(asked)
    longs, shorts = [axis[0] for axis in axes], [axis[1] for axis in axes]
    volumes = [region.volume_mm3 for region in grown.values()]
    volume = grown[0.0].volume_mm3
    return (
        _measurement(codes.LONG_AXIS, middle[0], codes.MILLIMETRE, longs),
        _measurement(codes.SHORT_AXIS, middle[1], codes.MILLIMETRE, shorts),
        _measurement(codes.VOLUME, volume, codes.CUBIC_MILLIMETRE, volumes),
    )


def _measurement(quantity: Code, value: float, unit: Code, around: Sequence[float]) -> Measurement:
    value, lower, upper = round(value, 2), round(min(around), 2), round(max(around), 2)
    return Measurement(quantity, value, unit, min(lower, value), max(upper, value))


def _texture(region: Region) -> Characteristic:
    mean = float(region.values[region.masks].mean())
    nearness = {code: math.exp(-(((mean - at) / _SPREAD_HU) ** 2)) for code, at in _MEAN_HU.items()}
    return _characteristic(codes.TEXTURE, nearness)


def _margins(region: Region, asked: int) -> Characteristic:
    """Tell a smooth border from a ragged one by how much of its own box the region fills."""
    mask = region.masks[asked]
    box = _box(mask)
    filled = float(mask.sum()) / (box.width_px * box.height_px)
    return _characteristic(codes.MARGINS, {codes.SMOOTH: filled, codes.SPICULATED: 1.0 - filled})


def _characteristic(concept: Code, weights: Mapping[Code, float]) -> Characteristic:
    whole = sum(weights.values()) or 1.0
    choices = tuple(Choice(value, round(weight / whole, 4)) for value, weight in weights.items())
    likely = max(choices, key=lambda choice: choice.probability)
    sure = Confidence(likely.probability, 0.0, 1.0, calibrated_on="nobody")
    return Characteristic(concept, likely.value, sure, choices)


def _contrast(region: Region) -> float:
    """Score by how far the region stands out from what is around it."""
    inside = float(region.values[region.masks].mean())
    outside = float(region.values[~region.masks].mean())
    return float(np.clip((inside - outside) / 100 - 1, -4, 4))


def _suspicion(measurements: Sequence[Measurement], looks: Sequence[Characteristic]) -> float:
    long_mm = next((m.value for m in measurements if m.quantity == codes.LONG_AXIS), 0.0)
    values = {look.concept: look.value for look in looks}
    score = (long_mm - 8.0) / 4
    score += 2.0 if values.get(codes.MARGINS) == codes.SPICULATED else -1.0
    score += 1.0 if values.get(codes.TEXTURE) == codes.PART_SOLID else 0.0
    return float(np.clip(score, -4, 4))


def _similar(measurements: Sequence[Measurement]) -> tuple[SimilarCase, ...]:
    """Return two drawn cases, the one of nearer size first."""
    long_mm = measurements[0].value
    drawn = {"drawn case 1": 6.0, "drawn case 2": 14.0}
    cases = (
        SimilarCase(name, round(math.exp(-abs(long_mm - mm) / 8), 4), f"{mm:g} mm", f"{mm:g} 毫米")
        for name, mm in drawn.items()
    )
    return tuple(sorted(cases, key=lambda case: -case.similarity))


def _box(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = float(rows[0]), float(columns[0])
    return Box(left, top, float(columns[-1] + 1) - left, float(rows[-1] + 1) - top)


GROWING_READER = EntryPoint("example-growing", "coread.testing.growing:growing", "coread.readers")
"""As an entry point, for :meth:`coread.readers.Registry.load`."""
