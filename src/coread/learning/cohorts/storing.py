"""A cohort on disk: ``cohort.json``, three tables (images, labels, what was left out) and the images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coread.domain.consent import Use, passes
from coread.errors import CohortRefused
from coread.learning.cohorts.codebook import CodeBook
from coread.learning.cohorts.form import Cohort, CohortImage, Label, LeftOut
from coread.learning.runs.files import replace_file, write_json

FORMAT = 1

CONSENT = "consent"
"""Among a cohort's facts: when patients' consent was last asked for; absent in cohorts of published sets."""

CONSENT_HOLDS_H = 24.0
"""Hours for which a check of consent holds: who withdraws today is not learnt from tomorrow. A house rule."""

FACTS, MANIFEST, LABELS, LEFT_OUT = "cohort.json", "manifest.parquet", "labels.parquet", "left_out.parquet"

_TYPES: Mapping[str, pa.DataType] = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "float | None": pa.float64(),
    "int | None": pa.int64(),
    "Kind": pa.string(),
    "tuple[float, ...]": pa.list_(pa.float64()),
    "tuple[float, float] | None": pa.list_(pa.float64()),
}


def write_cohort(cohort: Cohort) -> None:
    """Write the tables of a cohort; its images lie in its folder already. ``cohort.json`` comes last."""
    folder = cohort.folder
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / MANIFEST, CohortImage, cohort.images)
    _write_table(folder / LABELS, Label, cohort.labels)
    _write_table(folder / LEFT_OUT, LeftOut, cohort.left_out)
    facts = {"format": FORMAT, "name": cohort.name, "code_book": cohort.book.to_json(), **cohort.facts}
    write_json(folder / FACTS, facts)


@passes(Use.LEARNING)
def open_cohort(folder: Path, now: datetime | None = None) -> Cohort:
    """Open a cohort for a use.

    Parameters
    ----------
    folder
        Of the cohort.
    now
        Time zone aware; the machine's time if left out.

    Raises
    ------
    CohortRefused
        If it is incomplete, cannot be read, has another format, or was taken from patients of whom nobody
        has asked for a day whether they still agree.
    """
    cohort = read_cohort(folder)
    if CONSENT in cohort.facts:
        _check_consent(cohort.facts[CONSENT], folder, now or datetime.now(UTC))
    return cohort


def _check_consent(said: Mapping[str, str], folder: Path, now: datetime) -> None:
    age_h = (now - datetime.fromisoformat(said["checked_at"])).total_seconds() / 3600
    if not 0 <= age_h <= CONSENT_HOLDS_H:
        raise CohortRefused(
            f"a cohort of patients whose consent was asked for {age_h:.0f} hours ago",
            f"at most {CONSENT_HOLDS_H:.0f}",
            "run coread-lab consents on it, which takes out who no longer agrees",
            folder.name,
        )


def read_cohort(folder: Path) -> Cohort:
    """Read a cohort without asking whether it may be used: for checks, not for learning.

    Raises
    ------
    CohortRefused
        If it is incomplete, cannot be read, or has another format.
    """
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        _check_format(facts.pop("format"))
        book = CodeBook.from_json(facts.pop("code_book"))
        name = facts.pop("name")
        images = tuple(CohortImage(**_paired(row)) for row in _rows(folder / MANIFEST))
        labels = tuple(Label(**{**row, "region": tuple(row["region"])}) for row in _rows(folder / LABELS))
        left_out = tuple(LeftOut(**row) for row in _rows(folder / LEFT_OUT))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as fault:
        found = f"a folder that cannot be read as a cohort ({type(fault).__name__}: {fault})"
        raise CohortRefused(found, "what coread-lab cohort wrote", "build it anew", folder.name) from fault
    return Cohort(name, folder, images, labels, book, left_out, facts)


def _check_format(number: object) -> None:
    if number != FORMAT:
        raise ValueError(f"format {number}, where {FORMAT} is read")


def _paired(row: dict[str, Any]) -> dict[str, Any]:
    spacing = row["spacing_mm"]
    return {**row, "spacing_mm": None if spacing is None else (spacing[0], spacing[1])}


def _schema(kind: type) -> pa.Schema:
    return pa.schema([(field.name, _TYPES[str(field.type)]) for field in fields(kind)])


def _write_table(path: Path, kind: type, rows: Sequence[Any]) -> None:
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_schema(kind))
    replace_file(path, lambda file: pq.write_table(table, file, compression="zstd"))


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows
