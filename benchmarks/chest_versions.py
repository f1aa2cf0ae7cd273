"""Two versions of the chest reader on the same test patients: areas, the gap of the views, and what changed.

``python benchmarks/chest_versions.py RUN FORMER --name chest_nine_fields`` reads the tables of answers that
``coread-lab evaluate chest-radiograph`` kept in the folders of two runs. Nothing is fitted and nothing chosen here.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from provenance import keep, provenance

from coread.evaluation import Interval
from coread.learning.chest.sites.gaps import Areas, areas_by, difference

Answers = dict[str, dict[str, str]]

SOURCES = ("nih", "paediatric")


def main() -> None:
    """Compare and keep."""
    asked = argparse.ArgumentParser(description="Two versions of the chest reader on the same test patients.")
    asked.add_argument("run", type=Path, help="folder of the run of the new version")
    asked.add_argument("former", type=Path, help="folder of the run of the version before")
    asked.add_argument("--name", required=True, help="of the result")
    given = asked.parse_args()
    new, old = (answers(folder / "answers.csv") for folder in (given.run, given.former))
    compared = {source: compare(new, old, source) for source in SOURCES}
    keep(given.name, {**provenance("numpy"), "evidence_grade": "retrospective", "sources": compared})
    for source, found in compared.items():
        print(source, {name: held["value"] for name, held in found["difference"].items()})


def answers(path: Path) -> Answers:
    """Rows by case."""
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["case"]: row for row in csv.DictReader(lines)}


def compare(new: Answers, old: Answers, source: str) -> dict[str, Any]:
    """Areas of both versions on one source, and new less former with the draws of the bootstrap shared."""
    cases = [case for case, row in new.items() if row["site"] == source]
    if missing := [case for case in cases if case not in old]:
        raise ValueError(f"expected the same cases in both runs, {len(missing)} are missing from the former")
    first, second = (areas(version, cases) for version in (new, old))
    names = ("whole", "gap") if len(first.by_part) > 1 else ("whole",)
    return {
        "new": said(first, names, len(cases)),
        "former": said(second, names, len(cases)),
        "difference": {
            name: figure(difference(getattr(first, name), getattr(second, name)), len(cases))
            for name in names
        },
    }


def areas(version: Answers, cases: list[str]) -> Areas:
    """Areas by view; all in one where the source gives none."""
    rows = [version[case] for case in cases]
    score = np.array([float(row["score"]) for row in rows])
    views, patients = [row["view"] or "all" for row in rows], [row["patient"] for row in rows]
    return areas_by([int(row["truth"]) for row in rows], score, views, patients)


def said(held: Areas, names: tuple[str, ...], count: int) -> dict[str, Any]:
    """The figures of one version."""
    parts = {name: figure(part, count) for name, part in held.parts().items()}
    return {**{name: figure(held.interval(name), count) for name in names}, "by_view": parts}


def figure(interval: Interval, count: int) -> dict[str, float | int]:
    """A figure with its 95 % interval and the number of images."""
    ends = {name: round(float(getattr(interval, name)), 6) for name in ("value", "lower", "upper")}
    return {**ends, "n": count}


if __name__ == "__main__":
    main()
