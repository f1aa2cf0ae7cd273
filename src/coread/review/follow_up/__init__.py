"""Rules for what is done about a nodule next: pure functions with their sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from coread.errors import DecisionRefused
from coread.review.drafting.templates import check_language, table
from coread.review.follow_up import c_lung_rads as c_rads
from coread.review.follow_up import fleischner, lung_rads
from coread.review.follow_up.c_lung_rads import c_lung_rads
from coread.review.follow_up.fleischner import fleischner_2017
from coread.review.follow_up.lung_rads import lung_rads_1_1, lung_rads_2022
from coread.review.follow_up.nodules import Advice, Composition, Context, Course, Nodule, is_growing

Rule: TypeAlias = Callable[[Sequence[Nodule], Context], Advice]

RULES: Mapping[str, Rule] = {
    fleischner.RULE: fleischner_2017,
    lung_rads.RULE_2022: lung_rads_2022,
    lung_rads.RULE_1_1: lung_rads_1_1,
    c_rads.RULE: c_lung_rads,
}
"""Every rule by its stable name."""


def advise(rule: str, nodules: Sequence[Nodule], patient: Context) -> Advice:
    """Ask a rule by its name.

    Raises
    ------
    DecisionRefused
        If there is no such rule.
    """
    if rule not in RULES:
        raise DecisionRefused("a rule that is not here", f"one of {', '.join(RULES)}", where="rule")
    return RULES[rule](nodules, patient)


def sentences(advice: Advice, language: str) -> tuple[str, ...]:
    """Say an advice in the lines that go into a report."""
    check_language(language)
    texts = table("follow_up")[advice.rule]
    return tuple(texts[code][language] for code in advice.codes)


def catalogue(language: str) -> frozenset[str]:
    """Return every sentence that the rules can say in a language."""
    rules = table("follow_up").values()
    return frozenset(texts[language] for rule in rules for texts in rule.values())


__all__ = [
    "RULES",
    "Advice",
    "Composition",
    "Context",
    "Course",
    "Nodule",
    "Rule",
    "advise",
    "c_lung_rads",
    "catalogue",
    "fleischner_2017",
    "is_growing",
    "lung_rads_1_1",
    "lung_rads_2022",
    "sentences",
]
