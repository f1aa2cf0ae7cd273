"""Teaching the gate what is no frontal chest radiograph.

Three kinds of negatives: radiographs of the training split turned or inverted; other modalities and blood
from the training splits of the other sets; and drawn nonsense (noise, ramps, text, shapes, bones as bright
tubes, a keyhole view of a chest). No other body part was available as a real radiograph: the tubes stand in
for limbs, and the distance to the training chests is the second line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from sklearn.linear_model import LogisticRegression

from coread.learning.chest.augment import disturb
from coread.learning.chest.cohort import Radiograph, foreign_images, grey
from coread.readers.chest_radiograph.gate import ARRAYS, CLASSES, FeatureHead
from coread.readers.chest_radiograph.preprocess import prepare

Float = NDArray[np.float32]
Grey = NDArray[np.uint8]
Read = Callable[[Float], tuple[Float, Float, Float]]
"""Logits [n], features [n, d] and maps [n, h, w] of inputs [n, 1, 224, 224]."""

AXES = 48
"""Principal axes kept for the distance: about two thirds of the variance of the training chests."""

VAL_REFUSED = 0.005
"""Share of validation chests that each of the two feature checks may refuse."""

DRAWN = 60
"""Drawn images per kind of nonsense."""


def teach_gate(read: Read, learners: list[Radiograph], judges: list[Radiograph], data: Path) -> FeatureHead:
    """Fit the feature head on training images and set its limits on validation chests.

    Parameters
    ----------
    read
        The trained network.
    learners, judges
        Radiographs of the training and of the validation split.
    data
        Folder that holds the published sets.

    Returns
    -------
    FeatureHead
        Ready to ship.
    """
    rng = np.random.default_rng(7)
    features, kinds = _lessons(read, learners, data, rng)
    chests = features[: len(learners)]
    head = _fit(features, kinds, chests, np.array([item.site for item in learners]))
    return _limited(head, features_of(read, (grey(item.path) for item in judges)))


def features_of(
    read: Read, images: Iterator[NDArray[np.generic]] | list[NDArray[np.generic]], batch: int = 4
) -> Float:
    """Features [image, d] of display images, a batch at a time."""
    parts, inputs = [], []
    for image in images:
        inputs.append(prepare(np.asarray(image, dtype=np.float32)).tensor)
        if len(inputs) == batch:
            parts.append(read(np.concatenate(inputs))[1])
            inputs = []
    if inputs:
        parts.append(read(np.concatenate(inputs))[1])
    return np.concatenate(parts)


def _lessons(
    read: Read, learners: list[Radiograph], data: Path, rng: Generator
) -> tuple[Float, NDArray[np.int64]]:
    """Features and class numbers of everything the head learns from; the plain chests come first."""
    pixels = [grey(item.path) for item in learners]
    lessons: list[tuple[str, list[NDArray[np.generic]]]] = [
        ("chest", list(pixels)),
        ("chest", [disturb(image, rng) for image in pixels[::2]]),
        ("inverted", [1 - disturb(image, rng) for image in pixels[::3]]),
        ("turned", [np.rot90(disturb(image, rng), int(rng.integers(1, 4))) for image in pixels[1::3]]),
        ("foreign", [keyhole(image, rng) for image in pixels[::6]]),
        ("foreign", list(foreign_lessons(data, rng))),
        ("foreign", list(drawn(rng, DRAWN))),
    ]
    features = [features_of(read, images) for _, images in lessons]
    kinds = np.concatenate([np.full(len(images), CLASSES.index(kind)) for kind, images in lessons])
    return np.concatenate(features), kinds


def foreign_lessons(data: Path, rng: Generator) -> Iterator[NDArray[np.generic]]:
    """Training images of the foreign sets, every third one inverted, every third one disturbed."""
    for index, (_, image) in enumerate(foreign_images(data, "train", 300)):
        yield (image, 255 - image, disturb(image, rng))[index % 3]


def keyhole(image: Grey, rng: Generator) -> Grey:
    """A view of a quarter to a half of each side: a chest, but not enough of it to read."""
    rows, columns = image.shape
    high, wide = int(rows * rng.uniform(0.22, 0.45)), int(columns * rng.uniform(0.22, 0.45))
    top, left = int(rng.integers(0, rows - high)), int(rng.integers(0, columns - wide))
    return image[top : top + high, left : left + wide]


def drawn(rng: Generator, each: int) -> Iterator[Grey]:
    """Nonsense and limb-like pictures [256, 256], `each` of every kind."""
    for kind in (_noise, _ramp, _text, _shapes, _limb):
        for _ in range(each):
            picture = kind(rng)
            yield 255 - picture if rng.random() < 0.3 else picture


def _noise(rng: Generator) -> Grey:
    coarse = Image.fromarray(rng.integers(0, 256, (int(rng.integers(4, 256)),) * 2, dtype=np.uint8))
    return np.asarray(coarse.resize((256, 256), Image.Resampling.BICUBIC))


def _ramp(rng: Generator) -> Grey:
    row, column = np.mgrid[0:256, 0:256] / 256
    tilt, bend = rng.normal(size=2), rng.normal(size=2)
    field = tilt[0] * row + tilt[1] * column + bend[0] * row * column + bend[1] * (row - 0.5) ** 2
    return np.asarray((field - field.min()) / np.ptp(field) * 255, dtype=np.uint8)


def _text(rng: Generator) -> Grey:
    picture = Image.new("L", (256, 256), int(rng.integers(0, 60)))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(3, 30))):
        letters = "".join(chr(c) for c in rng.integers(48, 91, int(rng.integers(3, 18))))
        place = (int(rng.integers(0, 240)), int(rng.integers(0, 240)))
        pen.text(place, letters, fill=int(rng.integers(120, 256)), font_size=int(rng.integers(8, 40)))
    return np.asarray(picture)


def _shapes(rng: Generator) -> Grey:
    picture = Image.new("L", (256, 256), int(rng.integers(0, 256)))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 12))):
        a, b = np.sort(rng.integers(0, 256, (2, 2)), axis=0).tolist()
        draw = (pen.ellipse, pen.rectangle)[int(rng.integers(0, 2))]
        draw((*a, *b), fill=int(rng.integers(0, 256)))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 6)))))


def _limb(rng: Generator) -> Grey:
    """One or two bright tubes with brighter rims inside a softer, broader one: a long bone, roughly."""
    picture = Image.new("L", (256, 256), 0)
    pen = ImageDraw.Draw(picture)
    centre, tilt, wide = rng.uniform(90, 166), rng.uniform(-60, 60), rng.uniform(40, 130)
    soft, rim, core = (
        int(v) for v in (rng.integers(40, 130), rng.integers(190, 256), rng.integers(130, 200))
    )
    _tube(pen, centre, tilt, wide, soft)
    for offset in ([0.0], [-wide / 5, wide / 5])[int(rng.integers(0, 2))]:
        bone = wide * rng.uniform(0.12, 0.35)
        _tube(pen, centre + offset, tilt, bone, rim)
        _tube(pen, centre + offset, tilt, bone * 0.6, core)
    blurred = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 4))))
    noisy = np.asarray(blurred, dtype=np.float32) + rng.normal(0, 4, (256, 256))
    turned = np.rot90(noisy, int(rng.integers(0, 2)))
    return np.asarray(np.clip(turned, 0, 255), dtype=np.uint8)


def _tube(pen: ImageDraw.ImageDraw, centre: float, tilt: float, wide: float, fill: int) -> None:
    pen.line([(centre - tilt / 2, -20), (centre + tilt / 2, 276)], fill=fill, width=max(1, int(wide)))


def _fit(features: Float, kinds: NDArray[np.int64], chests: Float, sites: NDArray[np.str_]) -> FeatureHead:
    """Multinomial logistic regression over the classes, and the axes of the training chests."""
    mean, scale = chests.mean(0), chests.std(0) + 1e-3
    model = LogisticRegression(C=0.003, max_iter=400, class_weight="balanced").fit(
        (features - mean) / scale, kinds
    )
    plain = (chests - mean) / scale
    _, singular, rows = np.linalg.svd(plain, full_matrices=False)
    axes = rows[:AXES].T / (singular[:AXES] / np.sqrt(len(plain)))
    centres = np.stack([(plain[sites == site] @ axes).mean(0) for site in sorted(set(sites.tolist()))])
    return FeatureHead(mean, scale, model.coef_.T, model.intercept_, axes, centres, 0.5, np.inf)


def _limited(head: FeatureHead, chests: Float) -> FeatureHead:
    """The same head with its two limits set so that each refuses `VAL_REFUSED` of the validation chests."""
    least = min(0.5, float(np.quantile(head.probabilities(chests)[:, 0], VAL_REFUSED)))
    most = float(np.quantile(head.distances(chests), 1 - VAL_REFUSED))
    return FeatureHead(
        head.mean,
        head.scale,
        head.weight,
        head.bias,
        head.axes,
        head.centres,
        least_chest=least,
        most_distance=most,
    )


def save_gate(head: FeatureHead, path: Path) -> None:
    """Write the head as .npz."""
    arrays = {name: getattr(head, name).astype(np.float32) for name in ARRAYS}
    limits = {name: np.array(getattr(head, name)) for name in ("least_chest", "most_distance")}
    np.savez_compressed(path, allow_pickle=False, **arrays, **limits)
