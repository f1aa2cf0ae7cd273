"""Teaching the gate what is no blood smear field, and spoiling fields so that the trust can be judged."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.linear_model import LogisticRegression

from coread.learning.blood.sets import Colour, Field
from coread.readers.blood_smear.gate import FeatureGate
from coread.readers.blood_smear.peaks import Cells

Float = NDArray[np.float64]
Read = Callable[[Colour], Float]
"""Features [feature] of an image, uint8 [row, column, 3]."""

AXES = 24
"""Principal axes kept for the distance to the training smears."""

MARGIN = 1.25
"""How much further than the farthest validation smear an image may lie, and how much more unlike in size its
red cells may be: three dozen validation fields do not show the tails."""

FOREIGN = ("cxr_nih", "cxr_paediatric", "lidc_nodules", "pocus_lung", "ct_series", "drawn")
"""Sets of images that are no smears; `drawn` is noise and shapes in the colours of a smear."""


def foreign(data: Path, split: str, per_set: int, rng: Generator) -> Iterator[tuple[str, Colour]]:
    """Images that are no blood smears, at most `per_set` from each set, every second one tinted.

    Parameters
    ----------
    data
        Folder of the published sets.
    split
        Which split to draw from.
    per_set
        Most images per set.
    rng
        Source of the tints.

    Yields
    ------
    (str, Colour)
        Name of the set, and uint8 [row, column, 3]. A tint maps black to a stain's and white to a
        background's colour, so that colour alone does not give a radiograph away.
    """
    for name in FOREIGN:
        found = _drawn(per_set, rng) if name == "drawn" else _greys(data / name, split, per_set)
        for index, grey in enumerate(found):
            yield name, tinted(grey, rng) if index % 2 else np.repeat(grey[..., None], 3, axis=2)


def tinted(grey: NDArray[np.uint8], rng: Generator) -> Colour:
    """Colour a grey image as stain on a bright ground, or the other way round, uint8 [row, column, 3]."""
    stain = np.array([120, 60, 140]) + rng.integers(-40, 60, 3)
    ground = np.array([220, 200, 210]) + rng.integers(-40, 35, 3)
    level = grey.astype(np.float32)[..., None] / 255
    level = 1 - level if rng.random() < 0.5 else level
    return np.asarray(np.clip(stain + level * (ground - stain), 0, 255), dtype=np.uint8)


def _greys(folder: Path, split: str, most: int) -> Iterator[NDArray[np.uint8]]:
    sources = {"lidc_nodules": _crops, "pocus_lung": _clips, "ct_series": _slices}
    rows = [row for row in _table(folder) if row["split"] == split]
    for row in rows[:: max(1, -(-len(rows) // most))]:
        yield from sources.get(folder.name, _file)(folder, row)


def _table(folder: Path) -> list[dict[str, str]]:
    name = "cases.csv" if (folder / "cases.csv").is_file() else "slices.csv"
    with (folder / name).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _file(folder: Path, row: dict[str, str]) -> Iterable[NDArray[np.uint8]]:
    with Image.open(folder / "images" / row["file"]) as image:
        return [np.asarray(image.convert("L"))]


def _crops(folder: Path, row: dict[str, str]) -> Iterable[NDArray[np.uint8]]:
    return [np.asarray(Image.fromarray(_stack(folder / "slices.npz")[int(row["row"])]).resize((288, 288)))]


@cache
def _stack(path: Path) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = np.load(path)["images"]
    return images


def _clips(folder: Path, row: dict[str, str]) -> Iterable[NDArray[np.uint8]]:
    return [np.asarray(np.load(folder / "clips" / row["file"])["frames"][0])]


def _slices(folder: Path, row: dict[str, str]) -> Iterable[NDArray[np.uint8]]:
    volume = np.load(folder / f"{row['patient']}.npz")["z_milli"]
    plane = volume[int(row["slice_no"]) % len(volume)].astype(np.float32)
    return [np.asarray((plane - plane.min()) / max(float(np.ptp(plane)), 1) * 255, dtype=np.uint8)]


def _drawn(most: int, rng: Generator) -> Iterator[NDArray[np.uint8]]:
    """Noise of several grains, and filled boxes."""
    for index in range(most):
        coarse = rng.integers(0, 256, (int(rng.integers(3, 240)),) * 2, dtype=np.uint8)
        picture = np.array(Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC))
        if index % 3 == 0:
            for _ in range(12):
                top, left = (int(v) for v in rng.integers(0, 200, 2))
                picture[top : top + int(rng.integers(5, 80)), left : left + int(rng.integers(5, 80))] = (
                    rng.integers(256)
                )
        yield picture


def teach_gate(
    smears: Float, others: Float, judged: Float, erythrocytes: Sequence[tuple[Cells, float]]
) -> FeatureGate:
    """Fit the gate on training images and set its limits on validation smears.

    Parameters
    ----------
    smears, others
        Features [image, feature] of training smears and of training images of the foreign sets.
    judged
        Features of validation smears.
    erythrocytes
        Red cells that were found on each validation field, with the scale of its input.
    """
    mean, scale = smears.mean(0), smears.std(0) + 1e-6
    standard = (np.concatenate([smears, others]) - mean) / scale
    truth = np.r_[np.ones(len(smears)), np.zeros(len(others))]
    model = LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced").fit(standard, truth)
    own = standard[: len(smears)]
    _, spread, directions = np.linalg.svd(own - own.mean(0), full_matrices=False)
    axes = directions[:AXES].T / (spread[:AXES] / np.sqrt(len(own)))
    open_gate = FeatureGate(
        mean,
        scale,
        model.coef_[0],
        model.intercept_[0],
        axes,
        (own @ axes).mean(0),
        -np.inf,
        np.inf,
        (0, 1e9),
    )
    sides = [np.median(cells.boxes[:, 2:]) * ratio for cells, ratio in erythrocytes if len(cells.kind)]
    most = float(open_gate.distance(judged).max() * MARGIN)
    least = float(min(open_gate.log_odds(judged).min() / MARGIN, 0.0))
    sized = float(min(sides) / MARGIN), float(max(sides) * MARGIN)
    return FeatureGate(
        mean, scale, model.coef_[0], model.intercept_[0], axes, open_gate.centre, least, most, sized
    )


def gate_arrays(gate: FeatureGate) -> dict[str, NDArray[np.generic]]:
    """The gate as its file holds it."""
    whole = {
        name: np.asarray(getattr(gate, name), np.float32) for name in ("mean", "scale", "weight", "bias")
    }
    limits = {"least": np.float64(gate.least), "most": np.float64(gate.most)}
    return {
        **whole, "axes": gate.axes.astype(np.float32), "centre": gate.centre.astype(np.float32),
        **{name: np.asarray(value) for name, value in limits.items()},
        "erythrocyte_px": np.array(gate.erythrocyte_px),
    }  # fmt: skip


SPOILS = ("as it is", "out of focus", "faintly stained", "overexposed", "noisy", "coarsely compressed")
"""What may be wrong with a field."""


def spoiled(field: Field, how: str, rng: Generator) -> Colour:
    """A field with one fault of `SPOILS`, uint8 [row, column, 3]."""
    image = field.image()
    light = image.astype(np.float32) / 255
    if how == "out of focus":
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(4, 12))))
    if how == "faintly stained":
        light = light ** np.float32(rng.uniform(0.15, 0.45))
    elif how == "overexposed":
        light = light * np.float32(rng.uniform(1.3, 2.0))
    elif how == "noisy":
        light = light + rng.normal(0, rng.uniform(0.1, 0.3), light.shape).astype(np.float32)
    elif how == "coarsely compressed":
        small = Image.fromarray(image).resize((80, 60), Image.Resampling.BILINEAR)
        return np.asarray(small.resize((image.shape[1], image.shape[0]), Image.Resampling.NEAREST))
    return np.asarray(np.clip(light * 255, 0, 255), dtype=np.uint8)
