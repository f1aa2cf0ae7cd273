"""What a run keeps of the test images one by one: the table of answers, its appraisal, the gallery."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from coread.learning.chest.appraisal import Marked, age_band
from coread.learning.chest.cohort import Radiograph, grey
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.chest.sites.heads import fit_head
from coread.learning.evidence.predictions import BASELINE, SITE, appraise, read_predictions
from coread.learning.runs.files import replace_file
from coread.learning.runs.gallery import Case, keep_failures
from coread.learning.runs.run import Run

Float = NDArray[np.float64]

ANSWERS, PREDICTIONS = "answers.csv", "predictions"

FROZEN_STRENGTH = 0.01
"""Inverse penalty of the naive head, as in the bundle's baselines."""

GROUPS: dict[str, Callable[[Radiograph], str | None]] = {
    SITE: lambda item: item.site,
    "view": lambda item: item.view,
    "sex": lambda item: item.sex,
    "age": lambda item: age_band(item.age_years),
}
"""Further columns of the table; empty where the source says nothing."""


def keep_answers(run: Run, marks: Marked, baselines: dict[str, Float], grade: str) -> None:
    """Keep ``answers.csv``, ``predictions.json`` (evidence of sample size and failures) and the gallery.

    Parameters
    ----------
    run
        Where to keep them.
    marks
        The test radiographs with the reader's answers.
    baselines
        Scores of naive readers by name, [case].
    grade
        Of the evidence.
    """
    table = _table(marks, baselines).encode("utf-8")
    replace_file(run.path(ANSWERS), lambda file: _put(file, table))
    said = appraise(read_predictions(run.path(ANSWERS)), marks.threshold, grade)
    run.write_json(PREDICTIONS, said)
    pairs = zip(marks.items, marks.cases.probability, strict=True)
    keep_failures(run, [_case(item, float(chance)) for item, chance in pairs], marks.threshold)


def frozen_scores(atlas: Atlas) -> dict[str, Float]:
    """Scores [test image] of the backbone as it came under a plain head for each hospital."""
    tests, features = atlas.rows("test"), atlas.last()
    score = np.zeros(len(atlas.items))
    for site in sorted({item.site for item in atlas.some(tests)}):
        rows = atlas.rows("train", site)
        head = fit_head(features[rows], atlas.truth(rows), strength=FROZEN_STRENGTH)
        mine = atlas.rows("test", site)
        score[mine] = head(features[mine])
    return {"frozen backbone": score[tests]}


def _table(marks: Marked, baselines: dict[str, Float]) -> str:
    """CSV in the form of `coread.learning.evidence.predictions`."""
    columns: dict[str, Sequence[object]] = {
        "case": [item.path.name for item in marks.items],
        "patient": marks.cases.patient,
        "truth": marks.cases.truth.tolist(),
        "score": marks.cases.score.tolist(),
        "probability": marks.cases.probability.tolist(),
        **{BASELINE + name: score.tolist() for name, score in baselines.items()},
        **{name: [of(item) or "" for item in marks.items] for name, of in GROUPS.items()},
    }
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(columns)
    table.writerows(zip(*columns.values(), strict=True))
    return written.getvalue()


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _case(item: Radiograph, probability: float) -> Case:
    """One card of the gallery."""
    known = item.age_years is not None
    english = (item.site, item.kind, f"view {item.view or 'not on record'}")
    chinese = (item.site, item.kind, f"体位{item.view or '未记录'}")
    return Case(
        grey(item.path), item.opacity, probability, item.path.name,
        ", ".join((*english, *([f"{item.age_years:.0f} y"] if known else []))),
        "，".join((*chinese, *([f"{item.age_years:.0f} 岁"] if known else []))),
    )  # fmt: skip
