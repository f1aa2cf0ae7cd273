"""The quality officer's pages: the readers, what was measured of each, how doctors judge them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from coread.domain.bundle import Card
from coread.errors import NotFound
from coread.evaluation import Interval, wilson_interval
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.keeping.measures import Measures, measures
from coread.gateways.pages.rendering import render
from coread.review import ReviewDesk, VerdictStatistic

_SPANS_DAYS = (30, 90, 365, 0)
_DIMENSIONS = ("reader_version", "code", "site", "modality", "age_band", "sex", "doctor")


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts of one group, counted."""

    group: str
    accepted: int
    edited: int
    rejected: int
    active_s: float

    @property
    def total(self) -> int:
        """All verdicts."""
        return self.accepted + self.edited + self.rejected

    @property
    def agreement(self) -> Interval:
        """Share accepted or edited, with its interval (Wilson)."""
        return wilson_interval(self.accepted + self.edited, self.total)

    @property
    def seconds(self) -> float:
        """Mean active seconds of a verdict."""
        return self.active_s / self.total


class QualityPage:
    """Answers at ``/quality``.

    Parameters
    ----------
    desk
        Counts verdicts.
    names, cards, evaluations
        The installed readers, and what is known of each.
    now
        Tells the time.
    """

    def __init__(
        self,
        desk: ReviewDesk,
        names: Callable[[], Sequence[str]],
        cards: Callable[[str], Card | None],
        evaluations: Callable[[str], Mapping[str, Any] | None],
        now: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._names = names
        self._cards = cards
        self._evaluations = evaluations
        self._now = now

    def show(self, asked: Asked) -> Response:
        """Show all readers, each with its headline figures and verdicts."""
        days = _span(asked)
        readers = [self._overview(name, days) for name in self._names()]
        return render(asked.request, "quality.html", {"readers": readers, "days": days, "spans": _SPANS_DAYS})

    def reader(self, asked: Asked) -> Response:
        """Show one reader: card, evaluation, verdicts."""
        name, days = asked.part("name"), _span(asked)
        if name not in self._names():
            raise NotFound("a reader that is not installed", remedy="choose one of the list")
        statistics = self._statistics(name, days)
        context = self._overview(name, days) | {
            "days": days,
            "spans": _SPANS_DAYS,
            "reasons": Counter(_reasons(statistics)).most_common(),
            "tallies": {dimension: _tallies(statistics, dimension) for dimension in _DIMENSIONS},
        }
        return render(asked.request, "quality_reader.html", context)

    def _overview(self, name: str, days: int) -> dict[str, Any]:
        card, evaluation = self._cards(name), self._evaluations(name)
        return {
            "name": name,
            "card": card,
            "measures": measures(evaluation) if evaluation else Measures(),
            "overall": _tally("", self._statistics(name, days)),
        }

    def _statistics(self, name: str, days: int) -> tuple[VerdictStatistic, ...]:
        since = self._now() - timedelta(days=days) if days else None
        return self._desk.verdict_statistics(name, since)


def _span(asked: Asked) -> int:
    days = asked.number("days", 90)
    return days if days in _SPANS_DAYS else 90


def _reasons(statistics: Sequence[VerdictStatistic]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for statistic in statistics:
        if statistic.reason:
            counts[statistic.reason] += statistic.count
    return counts


def _tallies(statistics: Sequence[VerdictStatistic], dimension: str) -> list[Tally]:
    groups = sorted({getattr(statistic, dimension) for statistic in statistics})
    return [
        _tally(group, [statistic for statistic in statistics if getattr(statistic, dimension) == group])
        for group in groups
    ]


def _tally(group: str, statistics: Sequence[VerdictStatistic]) -> Tally:
    counts: Counter[str] = Counter()
    for statistic in statistics:
        counts[statistic.verdict] += statistic.count
    active_s = sum(statistic.active_s for statistic in statistics)
    return Tally(group, counts["accepted"], counts["edited"], counts["rejected"], active_s)
