"""Drafts of reports, made of templates and accepted findings, every line with its origin."""

from coread.review.drafting.composing import Occasion, compose
from coread.review.drafting.provenance import draft_faults, traced
from coread.review.drafting.sentences import sentence
from coread.review.drafting.templates import (
    LANGUAGES,
    Template,
    check_language,
    suggested,
    template_named,
    templates,
)

__all__ = [
    "LANGUAGES",
    "Occasion",
    "Template",
    "check_language",
    "compose",
    "draft_faults",
    "sentence",
    "suggested",
    "template_named",
    "templates",
    "traced",
]
