"""The gallery of failures: the cases in which a reader was most wrong, chosen by a rule and not by hand."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.learning.runs.files import replace_file
from coread.learning.runs.run import Run

MOST = 24
SIDE_PX = 256

FAILURES = "failures"


@dataclass(frozen=True, eq=False)
class Case:
    """One test image that a reader answered.

    Attributes
    ----------
    pixels
        uint8 [row, column] or [row, column, 3], as a person would look at it.
    truth, probability
        1 or 0, and what the reader said.
    name
        Published name or pseudonym; shown.
    note, note_zh
        What else helps to understand the failure, e.g. view and age.
    """

    pixels: NDArray[np.uint8]
    truth: int
    probability: float
    name: str
    note: str = ""
    note_zh: str = ""

    @property
    def error(self) -> float:
        """How far the answer was from the truth, 0..1."""
        return abs(self.truth - self.probability)


def keep_failures(run: Run, cases: Iterable[Case], threshold: float, most: int = MOST) -> int:
    """Keep the worst failures of a run for its report (``failures.json`` and small pictures).

    Only where the licence of the images allows to show them.

    Parameters
    ----------
    run, cases
        Where to keep them; all test cases.
    threshold
        From which probability on a case is called positive; a failure lies on the wrong side of it.
    most
        How many to keep, worst first.

    Returns
    -------
    int
        How many failures there are in all.
    """
    wrong = [case for case in cases if (case.probability >= threshold) != bool(case.truth)]
    wrong.sort(key=lambda case: (-case.error, case.name))
    run.write_json(FAILURES, [_kept(run, number, case) for number, case in enumerate(wrong[:most])])
    return len(wrong)


def _kept(run: Run, number: int, case: Case) -> dict[str, Any]:
    place = f"{FAILURES}/{number:02d}.png"
    data = _png(case.pixels)
    replace_file(run.path(place), lambda file: _put(file, data), synced=False)
    kind, kind_zh = ("missed", "漏诊") if case.truth else ("false alarm", "误报")
    said = f"{case.probability:.2f}"
    return {
        "picture": place,
        "en": ". ".join(filter(None, (f"{case.name}: {kind}, probability {said}", case.note))),
        "zh": "。".join(filter(None, (f"{case.name}：{kind_zh}，概率 {said}", case.note_zh))),
    }


def _png(pixels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE_PX, SIDE_PX))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _put(file: Any, data: bytes) -> None:
    file.write(data)
