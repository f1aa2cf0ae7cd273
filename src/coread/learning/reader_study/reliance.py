"""Whether doctors follow a reader when it is right, and do not when it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, percentile_interval
from coread.learning.evidence.grades import Grade

Boolean = NDArray[np.bool_]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Advised:
    """Decisions before and after advice.

    Attributes
    ----------
    truth
        [case].
    advice
        What the AI said, [case].
    before, after
        The doctor's call without and with it, [reader, case].
    grade
        Of the decisions.
    """

    truth: Boolean
    advice: Boolean
    before: Boolean
    after: Boolean
    grade: Grade

    def __post_init__(self) -> None:
        if self.before.shape != self.after.shape or self.before.shape[1:] != self.truth.shape:
            raise ValueError(
                f"calls need the shape [reader, case]; found {self.before.shape}, {self.after.shape}"
            )
        if self.advice.shape != self.truth.shape:
            raise ValueError(f"advice needs the shape {self.truth.shape}; found {self.advice.shape}")


@dataclass(frozen=True)
class Reliance:
    """Measures of reliance, each with an interval by drawing doctors and cases.

    Attributes
    ----------
    relative_ai_reliance
        Of the wrong calls that right advice met: share that was corrected (RAIR); 1 is ideal.
    relative_self_reliance
        Of the right calls that wrong advice met: share that was kept (RSR); 1 is ideal.
    under_reliance, over_reliance
        1 - RAIR and 1 - RSR.
    switched
        Share of calls that were changed to the advice where they differed from it.
    followed_right, followed_wrong
        Share of final calls that agree with right advice, with wrong advice.
    appropriate
        Their difference.
    accuracy_before, accuracy_after
        Share of right calls.
    counts
        Pairs behind RAIR and RSR.
    grade
        Of the decisions.
    """

    relative_ai_reliance: Interval
    relative_self_reliance: Interval
    under_reliance: Interval
    over_reliance: Interval
    switched: Interval
    followed_right: Interval
    followed_wrong: Interval
    appropriate: Interval
    accuracy_before: Interval
    accuracy_after: Interval
    counts: tuple[int, int]
    grade: Grade


def reliance(advised: Advised, repeats: int = 2000, seed: int = 0) -> Reliance:
    """Measure how far doctors relied on advice.

    Parameters
    ----------
    advised
        Binary calls. Where the call without AI was made in another session (crossover), a changed mind
        counts as reliance too: compare with the share that changes between two readings without AI.
    repeats, seed
        Draws of doctors and cases, both at once.

    Returns
    -------
    Reliance
        nan where there was nothing to rely on.

    Notes
    -----
    Schemmer et al., IUI 2023, doi:10.1145/3581641.3584066; switching: Yin, Wortman Vaughan & Wallach, CHI
    2019, doi:10.1145/3290605.3300509. *Does not* measure trust, which only people can state.
    """
    rng = np.random.default_rng(seed)
    readers, cases = advised.before.shape
    weights = [np.ones((readers, cases)), *(_draw(rng, readers, cases) for _ in range(repeats))]
    parts = _parts(advised)

    def measured(figure: Callable[[Float], float]) -> Interval:
        drawn = [figure(weight) for weight in weights]
        return percentile_interval(drawn[0], drawn[1:])

    def share(name: str) -> Callable[[Float], float]:
        met, done = parts[name]
        return lambda weight: _ratio(weight, done, met)

    rair, rsr, right, wrong = (share(n) for n in ("ai", "self", "right", "wrong"))
    return Reliance(
        measured(rair), measured(rsr), measured(lambda w: 1 - rair(w)), measured(lambda w: 1 - rsr(w)),
        measured(share("switched")), measured(right), measured(wrong),
        measured(lambda w: right(w) - wrong(w)), measured(share("before")), measured(share("after")),
        (int(parts["ai"][0].sum()), int(parts["self"][0].sum())), advised.grade,
    )  # fmt: skip


def _parts(a: Advised) -> dict[str, tuple[Boolean, Boolean]]:
    """For each measure: which (reader, case) count, and which of them do it."""
    before_right, after_right = a.before == a.truth, a.after == a.truth
    advice_right = np.broadcast_to(a.advice == a.truth, a.before.shape)
    differs, everything = a.before != a.advice, np.ones(a.before.shape, dtype=bool)
    follows = a.after == a.advice
    return {
        "ai": (~before_right & advice_right, after_right),
        "self": (before_right & ~advice_right, after_right),
        "switched": (differs, follows),
        "right": (advice_right, follows),
        "wrong": (~advice_right, follows),
        "before": (everything, before_right),
        "after": (everything, after_right),
    }


def _ratio(weight: Float, done: Boolean, met: Boolean) -> float:
    size = float(weight[met].sum())
    return float(weight[met & done].sum()) / size if size else float("nan")


def _draw(rng: np.random.Generator, readers: int, cases: int) -> Float:
    of_readers, of_cases = (rng.multinomial(n, np.full(n, 1 / n)) for n in (readers, cases))
    return np.asarray(of_readers[:, None] * of_cases[None, :], dtype=np.float64)
