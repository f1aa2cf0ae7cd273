"""Counting a site's cases so that no small number, and nothing that gives one away, is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coread.learning.federated.task import COUNTS

#: Smallest number that is shown (CMS Cell Size Suppression Policy: no cell of 1 to 10; zero may be shown).
LEAST_SHOWN = 11


def suppressed(counts: Mapping[str, int], least: int = LEAST_SHOWN) -> dict[str, str]:
    """Write counts for others to see.

    Where exactly one count is hidden, the smallest of the others is hidden too, because the hidden one
    would follow from a total.

    Examples
    --------
    >>> suppressed({"pneumonia": 4, "normal": 80, "other": 30})
    {'pneumonia': '<11', 'normal': '80', 'other': '11 or more'}
    >>> suppressed({"normal": 80, "other": 0})
    {'normal': '80', 'other': '0'}
    """
    small = {name for name, count in counts.items() if 0 < count < least}
    shown = sorted((count, name) for name, count in counts.items() if count >= least)
    also = {shown[0][1]} if len(small) == 1 and shown else set()
    return {
        name: f"<{least}" if name in small else f"{least} or more" if name in also else str(count)
        for name, count in counts.items()
    }


def without_small_counts(metrics: Mapping[str, Any], least: int = LEAST_SHOWN) -> dict[str, Any]:
    """Leave out every count of an evaluation where one of them, or the count of negatives, is small.

    Examples
    --------
    >>> without_small_counts({"auc": 0.8, "cases": 40.0, "positives": 20.0})
    {'auc': 0.8, 'cases': 40.0, 'positives': 20.0}
    >>> without_small_counts({"auc": 0.8, "cases": 40.0, "positives": 35.0})
    {'auc': 0.8}
    """
    counts = [float(value) for name, value in metrics.items() if name in COUNTS]
    if {"cases", "positives"} <= metrics.keys():
        counts.append(float(metrics["cases"]) - float(metrics["positives"]))
    is_small = any(0 < count < least for count in counts)
    return {name: value for name, value in metrics.items() if not (is_small and name in COUNTS)}
