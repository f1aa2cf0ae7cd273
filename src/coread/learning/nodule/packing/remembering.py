"""What a person should look at afterwards: all answers as a table, the worst failures in pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.learning.nodule.cohort import Cohort, Nodule
from coread.learning.nodule.packing.calibrating import THRESHOLD
from coread.learning.nodule.rating.measured import asked_slice
from coread.learning.nodule.rating.verdicts import AGES, SIZES, UNSEEN, band
from coread.learning.runs.answers import Answer, keep_answers
from coread.learning.runs.gallery import Case, keep_failures
from coread.learning.runs.run import Run
from coread.readers.bundle import CALIBRATION
from coread.readers.ct_nodule.traits import MALIGNANCY

Float = NDArray[np.floating[Any]]

ENLARGED = 256
"""Rows and columns of a picture."""


def remember(
    cohort: Cohort, nodules: Sequence[Nodule], found: Mapping[str, Any], run: Run, folder: Path
) -> None:
    """Keep the answers to malignancy on test nodules that were outlined, and the worst failures.

    Parameters
    ----------
    cohort, nodules
        The judged test nodules, in the order of the scores.
    found
        What `coread.learning.nodule.rating.malignancy.one_seed` gave.
    run, folder
        Where to keep them; the bundle, for its calibration.
    """
    scores = found["splits"]["test"]["scores"]
    score, size = np.array(scores["bottleneck"]), np.array(scores["size"])
    held = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))["findings"][MALIGNANCY.value]
    chance = np.interp(score, held["score"], held["probability"])
    seen = [at for at in range(len(nodules)) if score[at] > UNSEEN]
    answers = [_answer(nodules[at], float(score[at]), float(chance[at]), float(size[at])) for at in seen]
    keep_answers(run, answers)
    keep_failures(run, (_case(cohort, nodules[at], float(chance[at])) for at in seen), THRESHOLD)


def _answer(nodule: Nodule, score: float, chance: float, size: float) -> Answer:
    groups = {
        "vendor": nodule.vendor, "sex": nodule.sex, "size": band(nodule.diameter_mm, SIZES),
        "age": "" if nodule.age_years is None else band(nodule.age_years, AGES),
    }  # fmt: skip
    truth = int(nodule.malignant or 0)
    return Answer(nodule.nodule_id, nodule.patient, truth, score, chance, groups, {"own size": size})


def _case(cohort: Cohort, nodule: Nodule, chance: float) -> Case:
    picture = Image.fromarray(cohort.slices.images[nodule.rows[asked_slice(cohort, nodule)]])
    pixels = np.asarray(picture.resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC))
    size, median = round(nodule.diameter_mm), nodule.malignancy
    return Case(
        pixels, int(nodule.malignant or 0), chance, nodule.nodule_id,
        f"{nodule.vendor}, {size} mm, median rating {median:g} of 5",
        f"{nodule.vendor}，{size} mm，中位评级 {median:g}/5",
    )  # fmt: skip
