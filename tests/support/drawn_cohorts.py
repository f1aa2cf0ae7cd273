"""Cohorts of drawn images, whose faults are put in on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from coread.domain.codes import Code
from coread.learning.cohorts.codebook import CodeBook, Concept
from coread.learning.cohorts.form import CohortImage, Label
from coread.learning.cohorts.taking import Found

BOOK = CodeBook(
    [
        Concept("sick", Code("1", "99TEST", "Sick")),
        Concept("grade", Code("2", "99TEST", "Grade"), low=1, high=5),
        Concept("length", Code("3", "99TEST", "Length"), low=0, high=500, unit="mm"),
    ]
)


def picture(seed, rows=48, columns=40):
    """A smooth random picture, uint8 [row, column], unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    waves = sum(
        rng.normal()
        * np.cos(2 * np.pi * (rng.integers(-4, 5) * x + rng.integers(-4, 5) * y) + rng.uniform(0, 6))
        for _ in range(12)
    )
    low, high = waves.min(), waves.max()
    return np.rint((waves - low) / (high - low) * 255).astype(np.uint8)


def found(seed, patient=None, pixels=None, labels=None, **known):
    """One image with a label of sickness by one annotator."""
    name = f"i{seed:03d}"
    facts = {"site": "here", "modality": "DX", "source": f"drawn#{seed}", **known}
    image = CohortImage(image=name, patient=patient or f"p{seed // 2:03d}", **facts)
    said = (Label(name, "ann", "sick", value=float(seed % 4 < 2)),) if labels is None else labels
    return Found(image, picture(seed) if pixels is None else pixels, tuple(said))


@dataclass
class Drawn:
    """A source of drawn images."""

    items: list = field(default_factory=lambda: [found(seed) for seed in range(40)])
    name: str = "drawn"
    book: CodeBook = BOOK
    traps: tuple = ("it is drawn",)

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def but(self, place, **known):
        """The same with one image changed."""
        items = list(self.items)
        items[place] = replace(items[place], image=replace(items[place].image, **known))
        return Drawn(items)
