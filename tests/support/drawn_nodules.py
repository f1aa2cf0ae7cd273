"""A drawn cohort of nodules: bright balls in noise, four readers who differ by a pixel."""

from __future__ import annotations

import numpy as np

from coread.learning.nodule.cohort import TRAITS, Cohort, Nodule, Slices

SPLITS = ("train",) * 10 + ("val",) * 6 + ("test",) * 6


def drawn_cohort(slices=2, seed=0):
    rng = np.random.default_rng(seed)
    nodules, images, masks = [], [], []
    for number, split in enumerate(SPLITS):
        radius = rng.uniform(5, 8)
        rows = tuple(range(len(images), len(images) + slices))
        for offset in range(slices):
            image, marked = _slice(max(radius - abs(offset - slices // 2), 3), rng)
            images.append(image)
            masks.append(marked)
        nodules.append(_nodule(number, split, radius, rows, rng))
    return Cohort(tuple(nodules), Slices(np.stack(images), np.stack(masks)))


def _slice(radius, rng):
    y, x = np.mgrid[:96, :96]
    middle = 48 + rng.uniform(-2, 2, 2)
    apart = np.hypot(y - middle[0], x - middle[1])
    vessel = np.abs(y - x - rng.integers(-60, 60)) < 2
    grey = 40 + 160 / (1 + np.exp((apart - radius) * 2)) + 60 * vessel + rng.normal(0, 6, apart.shape)
    marked = np.stack([apart <= radius + shift for shift in rng.permutation([-1.0, 0.0, 0.0, 1.0])])
    return np.clip(grey, 0, 255).astype(np.uint8), marked.astype(np.uint8)


def _nodule(number, split, radius, rows, rng):
    rating = 5.0 if number % 2 else 1.0
    ratings = dict.fromkeys(TRAITS, (3.0, 3.0, 4.0, 2.0)) | {"malignancy": (rating,) * 4}
    ratings["spiculation"] = (rating,) * 4
    ratings["calcification"] = (6.0, 6.0, 6.0, 3.0) if number % 3 else (2.0, 3.0, 3.0, 6.0)
    ratings["texture"] = tuple(float(rng.integers(1, 6)) for _ in range(4))
    ratings["margin"] = ratings["sphericity"] = tuple(float(rng.integers(2, 6)) for _ in range(4))
    diameter = 2 * radius * 0.7
    return Nodule(
        nodule_id=f"DRAWN-{number:03d}_n0", patient=f"p{number}", split=split, vendor="GE", sex="F",
        age_years=60.0, readers=4, ratings=ratings, diameter_mm=diameter, diameters_mm=(diameter,) * 4,
        spacing_mm=0.7, slice_spacing_mm=1.0, rows=rows, whole=True,
    )  # fmt: skip
