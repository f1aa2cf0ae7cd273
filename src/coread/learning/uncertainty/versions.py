"""Thresholds of a new version, site by site: from a table of both versions' scores to a record."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval
from coread.evaluation.certainty import SiteThreshold, follow_version
from coread.evaluation.certainty.site_threshold import Held

COLUMNS = ("case", "patient", "site", "truth", "old_score", "new_score")

MIN_OF_CLASS = 20
"""Cases of each class below which no threshold is chosen for a site: the old one may not be used either."""


@dataclass(frozen=True, eq=False)
class TwoVersions:
    """Scores of two versions on the same decided cases.

    Attributes
    ----------
    truth, old, new
        [case].
    patient, site
        [case].
    """

    truth: NDArray[np.int64]
    old: NDArray[np.float64]
    new: NDArray[np.float64]
    patient: tuple[str, ...]
    site: tuple[str, ...]


def read_versions(path: Path) -> TwoVersions:
    """Read the table from CSV with the columns `COLUMNS`.

    Raises
    ------
    ValueError
        If a column is missing or a case comes twice.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
        if missing:
            raise ValueError(f"{path.name} lacks the column(s) {', '.join(missing)}")
        rows = list(table)
    names = [row["case"] for row in rows]
    if len(set(names)) < len(names):
        raise ValueError(f"{len(names) - len(set(names))} case(s) come more than once")
    old, new = (np.array([float(row[name]) for row in rows]) for name in ("old_score", "new_score"))
    patient, site = (tuple(row[name] for row in rows) for name in ("patient", "site"))
    return TwoVersions(np.array([int(row["truth"]) for row in rows], dtype=np.int64), old, new, patient, site)


def follow(
    held: TwoVersions, old_threshold: float | Mapping[str, float], keep: Held
) -> dict[str, SiteThreshold | str]:
    """Choose the new threshold of each site.

    Parameters
    ----------
    held
        Cases that neither version learnt from.
    old_threshold
        In use; one for all sites or one for each.
    keep
        The rate that must stay.

    Returns
    -------
    dict
        By site: the threshold, or why none was chosen.
    """
    found: dict[str, SiteThreshold | str] = {}
    for name in sorted(set(held.site)):
        part = np.array([site == name for site in held.site])
        sick = int(held.truth[part].sum())
        few = min(sick, int(part.sum()) - sick)
        if few < MIN_OF_CLASS:
            found[name] = (
                f"only {few} cases of one class; {MIN_OF_CLASS} are needed before the version may be used"
            )
            continue
        threshold = old_threshold[name] if isinstance(old_threshold, Mapping) else old_threshold
        patients = [p for p, chosen in zip(held.patient, part, strict=True) if chosen]
        found[name] = follow_version(
            held.truth[part], held.old[part], held.new[part], threshold, patients, held=keep
        )
    return found


def as_record(found: Mapping[str, SiteThreshold | str], versions: tuple[str, str], at: str) -> dict[str, Any]:
    """The choice as a record: what was chosen, how sure it is, and what must be done before it is used."""
    return {
        "from_version": versions[0],
        "to_version": versions[1],
        "at": at,
        "sites": {
            name: asdict(t) if isinstance(t, SiteThreshold) else {"refused": t} for name, t in found.items()
        },
        "before_use": list(BEFORE_USE),
        "approved_by": None,
    }


BEFORE_USE = (
    "Doctors decided the cases, neither version was trained on any of them, and they are the site's own.",
    "Where the record says that there are not enough cases, more are collected before the change.",
    "The new version runs unseen beside the old one until the held rate's interval is narrow enough.",
    "A named person approves the record; the ledger keeps it with both versions' weights by hash.",
    "The old version and threshold stay installed, and one command goes back to them.",
    "The held rate is looked at again after the first 200 decided cases.",
)
"""The written procedure of a change of version."""

HEAD = (
    "site 机构", "threshold 阈值 (95 %)", "old rate 原指标", "at old threshold 沿用旧阈值",
    "at new threshold 使用新阈值", "cases 病例",
)  # fmt: skip


def markdown(record: Mapping[str, Any]) -> str:
    """The record for people, in English and Chinese."""
    lines = [
        f"# Threshold of version {record['to_version']} · 新版本阈值",
        "",
        f"From 原版本 {record['from_version']}; {record['at']}",
        "",
        f"| {' | '.join(HEAD)} |",
        "|---" * len(HEAD) + "|",
        *(_line(name, held) for name, held in record["sites"].items()),
        "",
        "## Before it is used · 启用之前",
        "",
        *(f"{number}. {text}" for number, text in enumerate(record["before_use"], 1)),
        "",
        "Approved by 批准人: ______________  Date 日期: ______________",
        "",
    ]
    return "\n".join(lines)


def _line(name: str, held: Mapping[str, Any]) -> str:
    if "refused" in held:
        return f"| {name} | none: {held['refused']} | | | | |"
    which = 0 if held["held"] == "sensitivity" else 1
    enough = "" if held["enough"] else f" (too few: {held['wanted']} wanted 不足)"
    old = f"{held['held']} {held['old'][which]:.3f}"
    unchanged = f"{held['unchanged'][which]:.3f}, change {_interval(held['change_if_unchanged'])}"
    return (
        f"| {name} | {_interval(held['threshold'])} | {old} | {unchanged} | "
        f"{held['new'][which]:.3f}, other rate {_interval(held['other_change'])} | {held['cases']}{enough} |"
    )


def _interval(held: Mapping[str, Any] | Interval) -> str:
    values = asdict(held) if isinstance(held, Interval) else held
    return f"{values['value']:.3f} ({values['lower']:.3f} to {values['upper']:.3f})"


def rates(truth: NDArray[np.int64], score: NDArray[np.float64], threshold: float) -> tuple[float, float]:
    """Sensitivity and specificity of a score at a threshold."""
    sick = truth.astype(bool)
    called = score >= threshold
    return float(called[sick].mean()), float((~called[~sick]).mean())


def of_site(held: TwoVersions, name: str) -> TwoVersions:
    """The cases of one site."""
    rows = [i for i, site in enumerate(held.site) if site == name]
    texts: Sequence[tuple[str, ...]] = [tuple(part[i] for i in rows) for part in (held.patient, held.site)]
    return TwoVersions(held.truth[rows], held.old[rows], held.new[rows], texts[0], texts[1])
