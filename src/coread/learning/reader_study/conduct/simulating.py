"""Simulated readers, to try a design and the statistics. They are no doctors, and every result says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coread.learning.reader_study.conduct.crossover import Turn
from coread.learning.reader_study.conduct.sheet import Reading
from coread.learning.reader_study.ratings import Ratings


@dataclass(frozen=True)
class RoeMetz:
    """Roe and Metz's model of ratings.

    Attributes
    ----------
    separation
        Distance of abnormal from normal cases in the first treatment.
    effect
        What the second treatment adds to it.
    reader, case, treatment_by_reader, treatment_by_case, reader_by_case, pure
        Variances of the random effects; each class of cases has its own draws. The last is what is left.
    """

    separation: float = 1.5
    effect: float = 0.0
    reader: float = 0.0055
    case: float = 0.3
    treatment_by_reader: float = 0.0055
    treatment_by_case: float = 0.3
    reader_by_case: float = 0.2
    pure: float = 0.2


def simulate(model: RoeMetz, readers: int, normal: int, abnormal: int, seed: int) -> Ratings:
    """Draw a study of two treatments.

    Parameters
    ----------
    model
        Variances.
    readers, normal, abnormal
        Sizes.
    seed
        Of the draw.

    Returns
    -------
    Ratings
        Graded ``simulated``.

    Notes
    -----
    Roe & Metz, Acad. Radiol. 1997;4:298-303; the default variances are those of
    their structure with low reader variance and high case correlation.
    """
    rng = np.random.default_rng(seed)
    parts = [_of_class(rng, model, readers, size, sick) for sick, size in enumerate((normal, abnormal))]
    cases = tuple(f"simulated-{i:04}" for i in range(normal + abnormal))
    truth = np.r_[np.zeros(normal, dtype=bool), np.ones(abnormal, dtype=bool)]
    names = tuple(f"simulated reader {j + 1}" for j in range(readers))
    rating = np.concatenate(parts, axis=2)
    return Ratings(truth, rating, ("without AI", "with AI"), names, cases, "simulated")


def _of_class(
    rng: np.random.Generator, m: RoeMetz, readers: int, size: int, sick: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    shapes = {
        (1, readers, 1): m.reader, (1, 1, size): m.case, (2, readers, 1): m.treatment_by_reader,
        (2, 1, size): m.treatment_by_case, (1, readers, size): m.reader_by_case, (2, readers, size): m.pure,
    }  # fmt: skip
    mean = sick * (m.separation + m.effect * np.arange(2)[:, None, None])
    rating = mean + np.zeros((2, readers, size))
    for shape, variance in shapes.items():
        rating = rating + rng.normal(0, np.sqrt(variance), shape)
    return np.asarray(rating)


def simulated_readings(
    turns: Sequence[Turn], truth: Mapping[str, bool], model: RoeMetz, seed: int
) -> tuple[Reading, ...]:
    """Fill a plan with simulated readings, to try the analysis before any doctor reads.

    Parameters
    ----------
    turns
        The plan, of two treatments.
    truth
        Whether each case is abnormal.
    model
        Of the ratings; a case is called abnormal from half the separation on.
    seed
        Of all draws. The AI is right in 85 % of the cases and is followed half the time; times are
        log-normal about a minute.

    Returns
    -------
    tuple of Reading
        Of a study that may only be graded ``simulated``.
    """
    rng = np.random.default_rng(seed)
    readers = sorted({turn.reader for turn in turns})
    treatments = sorted({turn.treatment for turn in turns}, key=lambda name: not name.startswith("without"))
    cases = [*sorted(c for c in truth if not truth[c]), *sorted(c for c in truth if truth[c])]
    normal = sum(not value for value in truth.values())
    rated = simulate(model, len(readers), normal, len(truth) - normal, seed).rating
    advice = {case: truth[case] ^ bool(rng.random() > 0.85) for case in cases}
    found = []
    for turn in turns:
        aided = treatments.index(turn.treatment)
        rating = float(rated[aided, readers.index(turn.reader), cases.index(turn.case)])
        call = rating >= model.separation / 2
        if aided and rng.random() < 0.5:
            call = advice[turn.case]
        seconds = float(np.exp(rng.normal(4.1 - 0.1 * aided, 0.4)))
        day = turn.not_before_day + 7.0 * (turn.sitting - 1)
        found.append(
            Reading(
                turn.reader, turn.case, turn.treatment, turn.period, truth[turn.case], advice[turn.case],
                call, rating, seconds, day,
            )
        )  # fmt: skip
    return tuple(found)
