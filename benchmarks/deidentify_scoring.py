"""Marks an examination: ten checks as in MIDI-B, and four that MIDI-B lacks; reads with pydicom alone."""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pydicom
from deidentify_planting import Answer, Planted
from pydicom.dataset import Dataset

STOP_WORDS = {"of", "for", "the", "by", "with", "on", "to", "and"}


@dataclass
class Marks:
    """Checks passed and failed by category."""

    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    checks: Counter[str] = field(default_factory=Counter)

    def note(self, category: str, ok: bool, what: str) -> None:
        """Count one check."""
        (self.passed if ok else self.failed)[category] += 1
        if not ok:
            self.failures.append(f"{category} {what}")

    @property
    def total(self) -> int:
        """Checks in all."""
        return sum(self.passed.values()) + sum(self.failed.values())

    @property
    def score(self) -> float:
        """Share of passed checks."""
        return sum(self.passed.values()) / max(self.total, 1)

    @property
    def hipaa_failures(self) -> int:
        """Failures in the identifiers of 45 CFR 164.514(b)(2)."""
        return sum(count for category, count in self.failed.items() if category.startswith("HIPAA"))


class Examiner:
    """Marks all objects of a run together, because maps must be consistent between them."""

    def __init__(self) -> None:
        self.marks = Marks()
        self._uids: dict[str, set[str]] = defaultdict(set)
        self._patients: dict[str, set[str]] = defaultdict(set)
        self._shifts: dict[str, set[int]] = defaultdict(set)

    def mark(self, planted: Planted, output: bytes | None) -> None:
        """Mark one object; one that did not come out passes removals and fails retentions, as in MIDI-B."""
        after = pydicom.dcmread(io.BytesIO(output), force=True) if output is not None else None
        before = pydicom.dcmread(io.BytesIO(planted.data), force=True)
        for answer in planted.answers:
            ok = self._check(answer, planted, before, after)
            self.marks.checks[answer.check] += 1
            self.marks.note(
                answer.category, ok, f"{planted.name} {answer.check} {_tags(answer.path)} {answer.value}"
            )

    def finish(self) -> None:
        """Mark what holds between objects: MIDI-B checks no shift for consistency, we do."""
        for old, new in self._uids.items():
            self.marks.note("STRICT-uid-map", len(new) == 1, f"{old} -> {new}")
        for old, new in self._patients.items():
            self.marks.note("STRICT-patient-map", len(new) == 1, f"{old} -> {new}")
        for patient, days in self._shifts.items():
            self.marks.note("STRICT-one-shift", len(days) == 1, f"{patient} moved by {days}")

    def _check(self, answer: Answer, planted: Planted, before: Dataset, after: Dataset | None) -> bool:
        if after is None:
            return answer.check in {"text_removed", "date_shifted", "uid_changed", "pixels_hidden"}
        found = _at(after, answer.path)
        text = _text(found)
        if answer.check == "date_shifted":
            self._note_shift(answer, planted, text)
        elif answer.check == "uid_consistent":
            self._uids[answer.value].add(text)
        elif answer.check == "patid_consistent":
            self._patients[answer.value].add(text)
        low, tokens = text.lower(), [t.lower() for t in answer.tokens or (answer.value,)]
        return {
            "tag_retained": lambda: found is not None,
            "text_notnull": lambda: bool(text),
            "text_removed": lambda: not any(t in low for t in tokens if t not in STOP_WORDS),
            "text_retained": lambda: all(t in low for t in tokens),
            "date_shifted": lambda: answer.value not in text,
            "uid_changed": lambda: answer.value not in text,
            "uid_consistent": lambda: bool(text) and text != answer.value,
            "patid_consistent": lambda: bool(text),
            "pixels_retained": lambda: _digest(before) == _digest(after),
        }[answer.check]()

    def _note_shift(self, answer: Answer, planted: Planted, text: str) -> None:
        """Shifts of attributes that Annex E cleans and does not empty or replace."""
        if answer.check != "date_shifted" or not text or text.startswith("19000101"):
            return
        self._shifts[planted.patient_id].add(_days(text) - _days(answer.value))


def _days(value: str) -> int:
    return date(int(value[:4]), int(value[4:6]), int(value[6:8])).toordinal()


def _tags(path: tuple[Any, ...]) -> str:
    return "/".join(f"{p:08X}" if p > 9999 else str(p) for p in path)


def _at(dataset: Dataset, path: tuple[Any, ...]) -> Any:
    here: Any = dataset
    for step in path:
        if isinstance(here, Dataset):
            if step not in here:
                return None
            here = here[step]
        else:
            if here.VR != "SQ" or len(here.value) <= step:
                return None
            here = here.value[step]
    return here


def _text(element: Any) -> str:
    if element is None:
        return ""
    value = element.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace") + value.decode("gb18030", "replace")
    if isinstance(value, pydicom.multival.MultiValue):
        return str(value)
    return "" if value is None else str(value)


def _digest(dataset: Dataset) -> str:
    """Of the decoded pixels; of the stored bytes where pydicom cannot decode them."""
    try:
        pixels = dataset.pixel_array.tobytes()
    except Exception:  # noqa: BLE001 - a file of the corpus with broken pixels
        pixels = dataset.get("PixelData") or b""
    return hashlib.sha256(pixels).hexdigest()
