"""Templates of reports: TOML files beside this room, each in Chinese and English."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from coread.errors import DecisionRefused

LANGUAGES = ("en", "zh")
_FOLDER = files("coread.review").joinpath("templates")
_NO_REPORTS = ("sentences", "follow_up")

Texts = Mapping[str, str]
"""Language to text."""


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """One line that may stand in a report."""

    texts: Texts
    when: str = ""
    """``with-prior``, ``without-prior``, ``no-finding``, ``some-finding`` or empty for always."""


@dataclass(frozen=True, slots=True)
class TemplateSection:
    """One part of a report."""

    name: str
    titles: Texts
    lines: tuple[TemplateLine, ...]
    holds_findings: bool
    """The sentences of the accepted findings stand here, after the lines."""


@dataclass(frozen=True, slots=True)
class Template:
    """A report to be filled in."""

    name: str
    titles: Texts
    modalities: tuple[str, ...]
    """For which it is suggested."""
    sections: tuple[TemplateSection, ...]


@cache
def templates() -> Mapping[str, Template]:
    """Return every template by name, the generic one last."""
    held = sorted(path.name for path in _FOLDER.iterdir())
    names = [name.removesuffix(".toml") for name in held if name.endswith(".toml")]
    found = {name: _template(name, table(name)) for name in names if name not in _NO_REPORTS}
    return {name: found[name] for name in sorted(found, key=lambda name: (not found[name].modalities, name))}


@cache
def table(name: str) -> Mapping[str, Any]:
    """Return one TOML file of the folder, read once."""
    return tomllib.loads(_FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def template_named(name: str) -> Template:
    """Return a template.

    Raises
    ------
    DecisionRefused
        If there is none of this name.
    """
    if name not in templates():
        known = ", ".join(templates())
        raise DecisionRefused("a template that is not here", f"one of {known}", where="template")
    return templates()[name]


def suggested(modalities: tuple[str, ...]) -> str:
    """Return the name of the template for a study of these modalities."""
    fitting = (t.name for t in templates().values() if set(t.modalities) & set(modalities))
    return next(fitting, "generic")


def check_language(language: str) -> str:
    """Return `language` if reports are written in it, else raise DecisionRefused."""
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise DecisionRefused("a language without templates", f"one of {known}", where="language")
    return language


def _template(name: str, data: Mapping[str, Any]) -> Template:
    return Template(
        name=name,
        titles=_texts(data["title"]),
        modalities=tuple(data.get("modalities", ())),
        sections=tuple(_section(item) for item in data["sections"]),
    )


def _section(data: Mapping[str, Any]) -> TemplateSection:
    return TemplateSection(
        name=data["name"],
        titles=_texts(data["title"]),
        lines=tuple(TemplateLine(_texts(line), line.get("when", "")) for line in data.get("lines", ())),
        holds_findings=data.get("holds_findings", False),
    )


def _texts(data: Mapping[str, str]) -> Texts:
    return {language: data[language] for language in LANGUAGES}
