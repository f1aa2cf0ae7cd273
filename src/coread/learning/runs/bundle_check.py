"""The last look at a bundle before it leaves the lab: it opens, its networks fit, its card claims no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coread.errors import BundleRefused
from coread.readers.bundle import CARD, EVIDENCE_GRADES, Bundle, open_bundle

_FIGURE = re.compile(r"(?<![\w./-])[01]\.\d{2,6}(?![\w/]|\.\d)")
"""A share or an area as people write it: 0 or 1 and at least two decimals; no part of a DOI or version."""

_PROSE = ("title", "intended_use", "not_for", "limits", "limits_zh")
"""Members of the card that people read."""


def check_bundle(folder: Path) -> Bundle:
    """Open a bundle as the clinic does, and hold its card to its evaluation.

    Raises
    ------
    BundleRefused
        If a file is not the one that was packed, a network's inputs are not those declared, the card claims a
        stronger grade of evidence than the evaluation, an explanation that failed a test, or prints a figure
        that the evaluation does not hold.
    """
    bundle = open_bundle(folder)
    for name in bundle.files:
        if name.endswith(".onnx"):
            bundle.session(name)
    facts = json.loads((folder / CARD).read_text(encoding="utf-8"))
    for fault in (
        *_grade_faults(facts, bundle.evaluation),
        *_verdict_faults(bundle),
        *_figure_faults(facts, bundle),
    ):
        remedy = "let the card be made from the evaluation"
        raise BundleRefused(fault, "a card that claims no more than was measured", remedy, CARD)
    return bundle


def _grade_faults(facts: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Iterator[str]:
    said, measured = facts.get("evidence_grade"), evaluation.get("evidence_grade")
    grades = list(EVIDENCE_GRADES)
    if measured is not None and grades.index(str(said)) < grades.index(str(measured)):
        yield f"evidence grade {said} where the evaluation says {measured}"


def _verdict_faults(bundle: Bundle) -> Iterator[str]:
    """A failed verdict of the explanation beside a finding whose explanation is shown."""
    explanation = bundle.evaluation.get("explanation")
    verdicts = explanation.get("verdicts") if isinstance(explanation, Mapping) else None
    if not isinstance(verdicts, Mapping):
        return
    failed = [name for name, passed in verdicts.items() if passed is False]
    shown = [declared for declared in bundle.card.all_findings if declared.explanation_passed]
    if failed and shown and len(bundle.card.all_findings) == len(shown):
        yield f"an explanation that is shown though it failed {', '.join(failed)}"


def _figure_faults(facts: Mapping[str, Any], bundle: Bundle) -> Iterator[str]:
    measured = sorted({abs(number) for number in _numbers(bundle.evaluation)})
    for text in _texts([facts.get(key) for key in _PROSE]):
        for figure in _FIGURE.findall(text):
            half = 0.5 * 10 ** -len(figure.split(".")[1]) + 1e-9
            if not any(abs(float(figure) - number) <= half for number in measured):
                yield f"the figure {figure} in {text[:80]!r}, which the evaluation does not hold"


def _numbers(held: Any) -> Iterator[float]:
    if isinstance(held, Mapping):
        held = list(held.values())
    if isinstance(held, list):
        for value in held:
            yield from _numbers(value)
    elif isinstance(held, int | float) and not isinstance(held, bool):
        yield float(held)


def _texts(held: Any) -> Iterator[str]:
    if isinstance(held, Mapping):
        held = list(held.values())
    if isinstance(held, list | tuple):
        for value in held:
            yield from _texts(value)
    elif isinstance(held, str):
        yield held
