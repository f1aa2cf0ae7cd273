"""A finding of the report as one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from coread.domain.codes import Code
from coread.domain.finding import Measurement
from coread.domain.review import Statement, Trait
from coread.review.drafting.templates import table

_NOT_MEASURED = frozenset({"122157", "130404"})
"""Probability and saliency (PS3.16) are the reader's, not the patient's."""


def sentence(statement: Statement, language: str) -> str:
    """Say a statement in one line of the report's language.

    Examples
    --------
    >>> from coread.domain import codes
    >>> from coread.domain.finding import Presence
    >>> sentence(Statement(codes.LUNG_OPACITY, Presence.PRESENT, site=codes.LUNG), "en")
    'Opacity (Lung).'
    """
    finding = meaning(statement.code, language)
    measured = (m for m in statement.measurements if m.quantity.value not in _NOT_MEASURED)
    comment = " ".join(statement.comment.split())
    return _pattern(str(statement.presence), language).format_map(
        {
            "finding": finding,
            "finding_lower": finding[:1].lower() + finding[1:],
            "site": _site(statement, finding, language),
            "measures": "".join(
                (
                    *(_trait(trait, language) for trait in statement.traits),
                    *(_measure(measurement, language) for measurement in measured),
                )
            ),
            "comment": part("comment", language, comment=comment) if comment else "",
        }
    )


def _site(statement: Statement, finding: str, language: str) -> str:
    """Say where, unless the finding's name says it already."""
    site = meaning(statement.site, language) if statement.site else ""
    return part("site", language, site=site) if site and site not in finding else ""


def meaning(code: Code, language: str) -> str:
    """Return a code's meaning in a language; English where there is no other."""
    return (code.meaning_zh if language == "zh" else "") or code.meaning


def part(name: str, language: str, **words: str) -> str:
    """Fill in a small part of a sentence."""
    return _pattern(name, language).format_map(words)


def _trait(trait: Trait, language: str) -> str:
    concept, value = meaning(trait.concept, language), meaning(trait.value, language)
    words = {"concept": concept, "value": value}
    words |= {f"{name}_lower": word.lower() for name, word in words.items()}
    return part("trait", language, **words)


def _measure(measurement: Measurement, language: str) -> str:
    return part(
        "measures",
        language,
        quantity=meaning(measurement.quantity, language),
        value=f"{measurement.value:g}",
        unit=meaning(measurement.unit, language),
    )


def _pattern(name: str, language: str) -> str:
    patterns: Mapping[str, Mapping[str, str]] = table("sentences")
    return patterns[name][language]
