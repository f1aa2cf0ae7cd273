"""A draft made of a template and the findings of the report; every line knows where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coread.domain.review import Decision, Draft, Line, Origin, Section
from coread.review.drafting.sentences import part, sentence
from coread.review.drafting.templates import Template, TemplateLine, TemplateSection, check_language

_FILM_VIEWS = frozenset({"AP", "PA", "LL", "RL", "LATERAL"})


@dataclass(frozen=True, slots=True)
class Occasion:
    """What of a study a template may speak of; names nobody."""

    modality: str = ""
    view: str = ""
    images: str = ""
    prior_date: str = ""
    """Of the latest earlier study; empty if there is none."""


def compose(template: Template, language: str, decisions: Sequence[Decision], occasion: Occasion) -> Draft:
    """Make a draft: the template's lines, and one sentence for each finding that stands in the report.

    Parameters
    ----------
    template, language
        Which words.
    decisions
        That stand. Rejected findings make no line.
    occasion
        Fills the template's gaps.

    Raises
    ------
    DecisionRefused
        If there are no templates in this language.
    """
    check_language(language)
    found = tuple(_findings(decisions, language))
    sections = tuple(_section(section, language, found, occasion) for section in template.sections)
    return Draft(template.name, language, sections)


def _section(section: TemplateSection, language: str, found: tuple[Line, ...], occasion: Occasion) -> Section:
    chosen = (line for line in section.lines if _fits(line, found, occasion))
    lines = tuple(Line(_filled(line, language, occasion), Origin.TEMPLATE) for line in chosen)
    return Section(section.name, lines + (found if section.holds_findings else ()))


def _findings(decisions: Sequence[Decision], language: str) -> Iterator[Line]:
    for decision in decisions:
        if decision.statement is not None:
            yield Line(sentence(decision.statement, language), Origin.FINDING, decision.finding_uid)


def _fits(line: TemplateLine, found: Sequence[Line], occasion: Occasion) -> bool:
    holds: Mapping[str, bool] = {
        "": True,
        "with-prior": bool(occasion.prior_date),
        "without-prior": not occasion.prior_date,
        "no-finding": not found,
        "some-finding": bool(found),
    }
    return holds[line.when]


def _filled(line: TemplateLine, language: str, occasion: Occasion) -> str:
    view = part("view", language, view=occasion.view) if occasion.view in _FILM_VIEWS else ""
    words = {"modality": occasion.modality, "images": occasion.images, "prior_date": occasion.prior_date}
    return line.texts[language].format_map(words | {"view": view})
