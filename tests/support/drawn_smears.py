"""Drawn blood smears in the form of the published sets: fields with boxes, single cells of eight classes."""

from __future__ import annotations

import csv
import io

import numpy as np
from PIL import Image

from coread.readers.blood_smear.cells import CLASSES

GROUND, STAINS = (226, 208, 216), {"WBC": (90, 40, 130), "RBC": (205, 165, 172), "Platelets": (120, 80, 150)}
SIZES = {"WBC": 150, "RBC": 96, "Platelets": 38}
PLACES = {"WBC": (330, 250), "RBC": (110, 110), "Platelets": (520, 90)}


def disc(image, x, y, size, colour):
    row, column = np.mgrid[: image.shape[0], : image.shape[1]]
    image[np.hypot(row - y, column - x) < size / 2] = colour


def drawn_field(rng):
    """Pixels, and rows (class, xmin, ymin, xmax, ymax)."""
    image, boxes = np.full((480, 640, 3), GROUND, np.uint8), []
    for kind, (x, y) in {**PLACES, "RBC ": (110, 330), "RBC  ": (560, 400), "RBC   ": (300, 70)}.items():
        name = kind.strip()
        size, at = SIZES[name] * rng.uniform(0.9, 1.1), (x + rng.integers(-25, 25), y + rng.integers(-25, 25))
        disc(image, *at, size, STAINS[name])
        half = size / 2
        boxes.append((name, *(round(v) for v in (at[0] - half, at[1] - half, at[0] + half, at[1] + half))))
    noise = rng.normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), boxes


def drawn_cell(label, rng):
    image = np.full((128, 128, 3), GROUND, np.uint8)
    number = list(CLASSES).index(label)
    disc(image, 64, 64, 70, (60 + 22 * number, 200 - 20 * number, 150))
    disc(image, 64, 64, 14 + 6 * number, (90, 40, 130))
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def jpeg(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def table(path, head, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def drawn_sets(data, counts, seed=0):
    """Write both sets; `counts` is fields per split, of each class as many cells."""
    rng = np.random.default_rng(seed)
    fields, singles = data / "blood_bccd", data / "blood_pbc"
    (fields / "images").mkdir(parents=True)
    singles.mkdir()
    cases, boxes, encoded, cells = [], [], [], []
    for split, count in counts.items():
        for number in range(count):
            name = f"{split}{number}.jpg"
            image, found = drawn_field(rng)
            (fields / "images" / name).write_bytes(jpeg(image))
            cases.append((name, split))
            boxes += [(name, split, *row) for row in found]
            for label in CLASSES:
                encoded.append(jpeg(drawn_cell(label, rng)))
                cells.append((len(cells), f"{label}-{split}{number}.jpg", label, split))
    table(fields / "cases.csv", ("file", "split"), cases)
    table(fields / "annotations.csv", ("file", "split", "class", "xmin", "ymin", "xmax", "ymax"), boxes)
    table(singles / "cases.csv", ("row", "file", "label", "split"), cells)
    offsets = np.cumsum([0, *map(len, encoded)])
    np.savez(singles / "images.npz", jpeg=np.frombuffer(b"".join(encoded), np.uint8), offsets=offsets)
