"""The chest reader under audit: the graph that is believed, the exposures, and the cases as observed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.learning.causal.effects import Observed, cells
from coread.learning.causal.graph import Graph
from coread.learning.chest.cohort import Radiograph

Float = NDArray[np.float64]

GRAPH = Graph(
    frozenset(
        {
            ("age", "disease"), ("sex", "disease"), ("disease", "severity"), ("age", "severity"),
            ("severity", "view"), ("age", "view"), ("site", "view"), ("site", "age"), ("site", "device"),
            ("period", "device"), ("period", "disease"), ("site", "disease"), ("disease", "label"),
            ("severity", "image"), ("disease", "image"), ("view", "image"), ("age", "image"),
            ("sex", "image"), ("device", "image"), ("image", "score"),
        }
    ),
    unseen=frozenset({"severity", "disease", "device", "image"}),
)  # fmt: skip
"""What is believed of the chest sets.

A bedside (AP) radiograph is taken of those too ill to stand; children are radiographed lying; healthy
adults of the public set were enrolled in a narrow range of patient numbers (period). Disease is seen only
through a label mined from reports, and severity not at all: by this graph no seen nodes close every back door
of the view, and an effect adjusted for the label may hold a rest of the disease.
"""

AGE_BANDS = ((0, 40, "under 40"), (40, 60, "40-59"), (60, 200, "60 and over"))


@dataclass(frozen=True)
class Exposure:
    """Something that should not move the score once the disease is held fixed.

    Attributes
    ----------
    node
        Its name in the graph.
    said
        In words: what exposed and unexposed mean.
    of
        Exposed, unexposed or unknown (None), of a radiograph.
    held
        What is adjusted for, by name of the columns of `column`.
    """

    node: str
    said: str
    of: Callable[[Radiograph], bool | None]
    held: tuple[str, ...]


LATE = 3000
"""Patient number from which an enrolment counts as late: the median of the adult training images is 3097."""


def _is(value: str | None, wanted: str) -> bool | None:
    return None if value is None else value == wanted


def _late(item: Radiograph) -> bool | None:
    site, number = item.patient.split("-", 1)
    return int(number) >= LATE if site == "nih" else None


def _old(item: Radiograph) -> bool | None:
    return None if item.age_years is None else item.age_years >= 60


EXPOSURES = {
    "view": Exposure("view", "PA instead of AP", lambda i: _is(i.view, "PA"), ("label", "age", "sex")),
    "sex": Exposure("sex", "male instead of female", lambda i: _is(i.sex, "M"), ("label", "age", "view")),
    "age": Exposure("age", "60 years and over instead of younger", _old, ("label", "sex", "view")),
    "period": Exposure("period", f"patient number {LATE} and over", _late, ("label", "view", "sex")),
    "site": Exposure("site", "children instead of adults", lambda i: i.site == "paediatric", ("label",)),
}
"""The exposures that are audited, by name."""


def age_band(item: Radiograph) -> str | None:
    """Band of the age, None if unknown."""
    if item.age_years is None:
        return None
    return next(name for low, high, name in AGE_BANDS if low <= item.age_years < high)


def _column(item: Radiograph, name: str) -> tuple[float | None, str | None]:
    """A covariate as a number and as a cell's name."""
    if name == "label":
        return float(item.opacity), ("sick" if item.opacity else "well")
    if name == "age":
        return (None if item.age_years is None else item.age_years / 10), age_band(item)
    if name == "sex":
        return (None if item.sex is None else float(item.sex == "M")), item.sex
    return (None if item.view is None else float(item.view == "PA")), item.view


def observed(items: Sequence[Radiograph], score: Float, exposure: Exposure) -> Observed:
    """The cases with everything known that an adjustment needs.

    Parameters
    ----------
    items
        Radiographs.
    score
        Of each, [n].
    exposure
        Which, and what is held.
    """
    rows = []
    for index, item in enumerate(items):
        columns = [_column(item, name) for name in exposure.held]
        exposed = exposure.of(item)
        if exposed is not None and all(c[0] is not None for c in columns):
            rows.append((index, exposed, [c[0] for c in columns], cells(*[[c[1]] for c in columns])[0]))
    kept = np.array([row[0] for row in rows], dtype=np.int64)
    return Observed(
        np.array([row[1] for row in rows], dtype=bool),
        np.asarray(score, dtype=np.float64)[kept],
        np.array([row[2] for row in rows], dtype=np.float64).reshape(len(rows), -1),
        tuple(row[3] for row in rows),
        tuple(items[n].patient for n in kept),
    )
