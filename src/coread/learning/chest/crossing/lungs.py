"""The lung fields as a common frame: found by a small regression, cut out, and made alike in grey.

Two hospitals collimate, crop and square their radiographs in their own ways, and children are shown with
arms and belly. A box around both lungs, learned from the lung boxes of a third source (COVID-19 Image Data
Collection, boxes by General Blockchain, CC BY 4.0), takes that difference away before a trunk looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from coread.learning.chest.cohort import grey, table
from coread.learning.chest.sites.harmonise import Change
from coread.learning.chest.sites.looks import Eye, Grey
from coread.readers.chest_radiograph.preprocess import SIDE, Image, prepare, resample, window

Float = NDArray[np.float64]

TRAINED_ON = ("train", "val")
"""Splits of the boxed set that teach; its test radiographs are kept for the gate."""

VIEWS = 12
"""Random framings of each boxed radiograph."""

PENALTY = 0.03
"""Ridge penalty, a share of the mean squared feature; among 0.003, 0.03 and 0.3 it made no difference."""

MARGIN = 0.04
"""Kept around the lung box, a share of its sides: the box's own error is about that."""

GREY_SPREAD = 2.5
"""Standard deviations of the normal curve that grey values are matched to, either side."""


@dataclass(frozen=True)
class LungBox:
    """A radiograph with a box around both lungs.

    Attributes
    ----------
    path, patient
        Where and whose.
    box
        Left, top, right, bottom, pixels of the stored image.
    """

    path: Path
    patient: str
    box: tuple[float, float, float, float]


def lung_boxes(data: Path) -> list[LungBox]:
    """Radiographs of the third source with both lungs boxed, its test split left out."""
    folder = data / "cxr_covid_ccby"
    rows = [row for row in table(folder / "cases.csv") if row["split"] in TRAINED_ON]
    return [LungBox(folder / "images" / row["file"], row["patient"], _both(row)) for row in rows]


def _both(row: dict[str, str]) -> tuple[float, float, float, float]:
    left, top, wide, high = ([float(row[f"{side}_lung_{k}"]) for side in ("right", "left")] for k in "xywh")
    right, bottom = (max(a + b for a, b in zip(*pair, strict=True)) for pair in ((left, wide), (top, high)))
    return min(left), min(top), right, bottom


@dataclass(frozen=True)
class LungFinder:
    """Linear regression from a trunk's last map to the lung box.

    Attributes
    ----------
    mean, scale
        Of the map's values, [d].
    weight
        [d, 4], of standardised values.
    middle
        Mean box, [4].
    """

    mean: Float
    scale: Float
    weight: Float
    middle: Float

    def __call__(self, deep: NDArray[np.floating]) -> Float:
        """Boxes [n, 4] of maps [n, 320, 7, 7]: left, top, right, bottom as shares of the input's sides."""
        flat = np.asarray(deep, dtype=np.float64).reshape(len(deep), -1)
        return np.asarray(((flat - self.mean) / self.scale) @ self.weight + self.middle)


def teach_finder(boxed: Sequence[LungBox], eye: Eye, seed: int = 0) -> LungFinder:
    """Fit the regression on random framings of boxed radiographs.

    Parameters
    ----------
    boxed
        See `lung_boxes`.
    eye
        The trunk.
    seed
        Of the framings.
    """
    return fit_finder(*framed(boxed, eye, seed)[:2])


def framed(boxed: Sequence[LungBox], eye: Eye, seed: int = 0) -> tuple[Float, Float, list[str]]:
    """What the trunk sees of random framings: maps [n, d], boxes [n, 4] as shares, patients [n]."""
    rng = np.random.default_rng(seed)
    deep, boxes, whose = [], [], []
    for item in boxed:
        shots = [_framing(grey(item.path), item.box, rng) for _ in range(VIEWS)]
        deep.append(eye(np.stack([image for image, _ in shots])[:, None]).deep.reshape(VIEWS, -1))
        boxes += [box for _, box in shots]
        whose += [item.patient] * VIEWS
    return np.concatenate(deep).astype(np.float64), np.array(boxes), whose


def fit_finder(deep: Float, boxes: Float) -> LungFinder:
    """Ridge regression in its dual form: there are fewer radiographs than features."""
    mean, scale, middle = deep.mean(0), deep.std(0) + 1e-3, boxes.mean(0)
    standard = (deep - mean) / scale
    inner = standard @ standard.T / standard.shape[1] + PENALTY * np.eye(len(standard))
    weight = standard.T @ np.linalg.solve(inner, boxes - middle) / standard.shape[1]
    return LungFinder(mean, scale, weight, middle)


def _framing(image: Grey, box: tuple[float, ...], rng: Generator) -> tuple[Image, Float]:
    """A framing of an adult radiograph as any hospital might make it, with arms, neck and belly or without.

    Returns the input float32 [224, 224] and the lung box as shares of its sides.
    """
    wide, high = box[2] - box[0], box[3] - box[1]
    left, right = rng.uniform(-0.02, 0.45, 2) * wide
    top, bottom = rng.uniform(-0.02, 0.35) * high, rng.uniform(-0.02, 0.9) * high
    frame = [round(v) for v in (box[0] - left, box[1] - top, box[2] + right, box[3] + bottom)]
    cut = _cut(image, frame, "constant" if rng.random() < 0.5 else "edge")
    shown = resample(window(cut) ** np.float32(np.exp(rng.uniform(-0.5, 0.5))), (SIDE, SIDE))
    inside = np.array([(box[k] - frame[k % 2]) / (frame[k % 2 + 2] - frame[k % 2]) for k in range(4)])
    if rng.random() < 0.5:
        return np.ascontiguousarray(shown[:, ::-1]), np.array(
            [1 - inside[2], inside[1], 1 - inside[0], inside[3]]
        )
    return shown, inside


def _cut(image: NDArray[np.generic], frame: Sequence[int], beyond: str) -> Image:
    """The part of an image within a frame (left, top, right, bottom), which may reach beyond it."""
    left, top, right, bottom = frame
    rows, columns = image.shape
    spare = [(max(0, -top), max(0, bottom - rows)), (max(0, -left), max(0, right - columns))]
    padded = np.pad(image, spare, mode=beyond)  # type: ignore[call-overload]
    down, across = spare[0][0], spare[1][0]
    return np.asarray(padded[top + down : bottom + down, left + across : right + across], dtype=np.float32)


def cropped(finder: LungFinder, eye: Eye) -> Change:
    """The named step "lungs": the lung fields with a small margin, whatever the framing was."""

    def change(image: Grey) -> NDArray[np.floating]:
        ready = prepare(image.astype(np.float32))
        left, top, right, bottom = finder(eye(ready.tensor).deep)[0]
        first_row, first_column, end_row, end_column = ready.box_rc
        high, wide = end_row - first_row, end_column - first_column
        spare_x, spare_y = MARGIN * (right - left), MARGIN * (bottom - top)
        columns = first_column + wide * np.clip([left - spare_x, right + spare_x], 0, 1)
        rows = first_row + high * np.clip([top - spare_y, bottom + spare_y], 0, 1)
        (r0, r1), (c0, c1) = (np.round(pair).astype(int) for pair in (rows, columns))
        if min(r1 - r0, c1 - c0) < SIDE // 8:
            return image.astype(np.float32)  # no lungs that could be: the image as it is
        return image[r0:r1, c0:c1].astype(np.float32)

    return change


def common_frame(data: Path, eye: Callable[[], Eye]) -> Change:
    """The steps "lungs" and "alike" in a row; the finder is taught when the first image is asked for.

    Parameters
    ----------
    data
        Folder of the published sets.
    eye
        Gives the trunk.
    """

    @cache
    def ready() -> Change:
        return alike(cropped(teach_finder(lung_boxes(data), eye()), eye()))

    def change(image: Grey) -> NDArray[np.floating]:
        return ready()(image)

    return change


def alike(change: Change) -> Change:
    """The named step "alike": grey values of what `change` gives follow one normal curve by their ranks."""

    def made(image: Grey) -> NDArray[np.floating]:
        plain = np.asarray(change(image), dtype=np.float64)
        ranks = np.empty(plain.size)
        ranks[np.argsort(plain, axis=None, kind="stable")] = (np.arange(plain.size) + 0.5) / plain.size
        curve = np.clip(ndtri(ranks), -GREY_SPREAD, GREY_SPREAD)
        return np.asarray(curve.reshape(plain.shape), dtype=np.float32)

    return made


def coarse(change: Change, side: int = 96) -> Change:
    """The named step "coarse": what `change` gives at `side` pixels a side; the finest texture is gone."""

    def made(image: Grey) -> NDArray[np.floating]:
        return resample(np.asarray(change(image), dtype=np.float32), (side, side))

    return made
