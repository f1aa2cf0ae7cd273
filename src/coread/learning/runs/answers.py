"""The table of a reader's answers on test cases, as `coread-lab appraise` and the evidence take it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from coread.learning.runs.files import replace_file
from coread.learning.runs.run import Run

ANSWERS = "answers.csv"

BASELINE = "baseline:"
"""Begins the name of a column that holds the score of a naive baseline."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader said of one test case.

    Attributes
    ----------
    case, patient
        Published names or pseudonyms; the case's own name where the set names no patient.
    truth
        1 or 0.
    score, probability
        Raw, and calibrated.
    groups
        Sex, device, kind of fault ... by name; empty where unknown.
    baselines
        Score of each naive baseline by name.
    """

    case: str
    patient: str
    truth: int
    score: float
    probability: float
    groups: Mapping[str, str] = field(default_factory=dict)
    baselines: Mapping[str, float] = field(default_factory=dict)


def keep_answers(run: Run, answers: Sequence[Answer], name: str = ANSWERS) -> Path:
    """Write one line for each test case.

    Parameters
    ----------
    run, answers
        Where to keep them; all test cases, with the same groups and baselines.
    name
        File in the run's folder.
    """
    groups, baselines = (list(getattr(answers[0], part)) for part in ("groups", "baselines"))
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    head = ["case", "patient", "truth", "score", "probability"]
    table.writerow([*head, *groups, *(f"{BASELINE}{each}" for each in baselines)])
    for one in answers:
        said = [one.case, one.patient, one.truth, f"{one.score:.6g}", f"{one.probability:.6g}"]
        beside = [f"{one.baselines[each]:.6g}" for each in baselines]
        table.writerow([*said, *(one.groups[each] for each in groups), *beside])
    path, data = run.path(name), text.getvalue().encode()

    def write(file: BinaryIO) -> None:
        file.write(data)

    replace_file(path, write)
    return path
