"""A de-identification profile: options of the standard, dates, ages, pixels, and the law that it serves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

from pydicom.datadict import tag_for_keyword

from coread.errors import RuleFault
from coread.governance.deidentify.rules.table import Action, Option

#: Options of PS3.15 Annex E without a column of their own.
CLEAN_PIXELS = "clean_pixels"
CLEAN_FACES = "clean_faces"
SAFE_PRIVATE = "safe_private"

#: Code of each option in CID 7050 (PS3.16), and its meaning.
METHOD_CODES: Mapping[str, tuple[str, str]] = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    CLEAN_PIXELS: ("113101", "Clean Pixel Data Option"),
    CLEAN_FACES: ("113102", "Clean Recognizable Visual Features Option"),
    Option.GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.STRUCTURED: ("113104", "Clean Structured Content Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.PATIENT: ("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.UIDS: ("113110", "Retain UIDs Option"),
    SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}

_OWN = "profiles"
_KEYS = {"name", "title", "legal_source", "as_of", "confidence", "status", "options", "dates", "ages",
         "pseudonyms", "texts", "pixels", "faces", "overrides", "beyond_this_program"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dates:
    """How far dates are moved where they are kept in modified form."""

    min_days: int = 182
    max_days: int = 3650
    keep_weekday: bool = True


@dataclass(frozen=True, slots=True)
class Pixels:
    """How burned-in text is looked for."""

    look_at: Literal["suspicious", "all", "never"] = "suspicious"
    """``suspicious``: the kinds of image that bear text in practice; see ``pixels/suspicion.toml``."""
    keep_harmless_words: bool = True
    """Whether text that is surely a measure or a side (``R``, ``5 cm``) stays."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What may stay in descriptions and free texts."""

    keep: Literal["what names nobody", "words of reports"] = "what names nobody"
    """``what names nobody``: what is known, labelled or written of as a person goes; ``words of reports``: of
    the rest only words of a fixed list stay (``texts/persons/vocabulary_*.txt``)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A whole profile. Made by `load_profile`."""

    name: str
    title: str
    legal_source: tuple[str, ...]
    as_of: str
    confidence: str
    status: str
    """What the law calls the result, e.g. ``pseudonymised: still personal data``."""
    options: frozenset[str]
    dates: Dates = field(default_factory=Dates)
    age_cap_years: int | None = None
    """Ages above are told as this plus one (45 CFR 164.514(b)(2)(i)(C): "90 or older")."""
    age_bin_years: int = 1
    """Ages are rounded down to multiples of this."""
    reversible: bool = True
    """Whether pseudonyms may be kept in a vault."""
    texts: Texts = field(default_factory=Texts)
    pixels: Pixels = field(default_factory=Pixels)
    faces: Literal["flag", "refuse"] = "flag"
    overrides: Mapping[int, Action] = field(default_factory=dict)
    """Attributes that this profile treats otherwise than the table, by tag."""
    beyond_this_program: tuple[str, ...] = ()
    """What the law wants besides and no program can do."""

    @property
    def table_options(self) -> frozenset[Option]:
        """The options that have a column in the table."""
        return frozenset(Option(name) for name in self.options if name in set(Option))

    @property
    def methods(self) -> tuple[tuple[str, str], ...]:
        """(code, meaning) of CID 7050 for the profile and its options, in the order of the codes."""
        return tuple(sorted(METHOD_CODES[name] for name in ("basic", *self.options)))


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with CoRead."""
    folder = files(__package__).joinpath(_OWN)
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_profile(name: str | Path) -> Profile:
    """Return a profile by its name, or from a TOML file of your own.

    Raises
    ------
    RuleFault
        If there is no such profile, or it contradicts itself; all faults are told at once.
    """
    return _profile(_text(name), str(name))


def _text(name: str | Path) -> str:
    if str(name) in profile_names():
        return files(__package__).joinpath(_OWN, f"{name}.toml").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise RuleFault(
            "no such de-identification profile",
            f"a TOML file or one of {', '.join(profile_names())}",
            where=str(name),
        ) from None


def _profile(text: str, where: str) -> Profile:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise RuleFault(f"no TOML: {fault}", where=where) from None
    faults = _faults(data)
    if faults:
        raise RuleFault("; ".join(faults), "a profile as in docs/deidentification.md", where=where)
    ages, pixels = data.get("ages", {}), data.get("pixels", {})
    return Profile(
        name=data["name"],
        title=data["title"],
        legal_source=tuple(data["legal_source"]),
        as_of=data["as_of"],
        confidence=data["confidence"],
        status=data["status"],
        options=frozenset(data["options"]),
        dates=Dates(**data.get("dates", {})),
        age_cap_years=ages.get("cap_years"),
        age_bin_years=ages.get("bin_years", 1),
        reversible=data.get("pseudonyms", {}).get("reversible", True),
        texts=Texts(**data.get("texts", {})),
        pixels=Pixels(**pixels),
        faces=data.get("faces", {}).get("policy", "flag"),
        overrides={_tag(row["keyword"]): Action(row["action"]) for row in data.get("overrides", [])},
        beyond_this_program=tuple(data.get("beyond_this_program", ())),
    )


def _tag(keyword: str) -> int:
    return cast(int, tag_for_keyword(keyword))


def _faults(data: Mapping[str, Any]) -> list[str]:
    wanted = ("name", "title", "legal_source", "as_of", "confidence", "status", "options")
    faults = [f"{key}: missing" for key in wanted if not data.get(key)]
    faults += [f"{key}: unknown" for key in sorted(data.keys() - _KEYS)]
    options = data.get("options", [])
    faults += [f"options: unknown {name}" for name in options if name not in METHOD_CODES or name == "basic"]
    if {Option.FULL_DATES, Option.MODIFIED_DATES} <= set(options):
        faults.append("options: full_dates and modified_dates exclude each other (PS3.15 E.3.6)")
    for row in data.get("overrides", []):
        if tag_for_keyword(row.get("keyword", "")) is None:
            faults.append(f"overrides: unknown keyword {row.get('keyword')}")
        if row.get("action") not in set(Action):
            faults.append(f"overrides: unknown action {row.get('action')}")
    return faults + _part_faults(data)


def _part_faults(data: Mapping[str, Any]) -> list[str]:
    dates, pixels, texts = data.get("dates", {}), data.get("pixels", {}), data.get("texts", {})
    faults = [f"texts: unknown {key}" for key in texts.keys() - set(Texts.__slots__)]
    if texts.get("keep", "what names nobody") not in {"what names nobody", "words of reports"}:
        faults.append("texts.keep: 'what names nobody' or 'words of reports'")
    faults += [f"dates: unknown {key}" for key in dates.keys() - set(Dates.__slots__)]
    faults += [f"pixels: unknown {key}" for key in pixels.keys() - set(Pixels.__slots__)]
    if not 0 < dates.get("min_days", 182) <= dates.get("max_days", 3650) - 7:
        faults.append("dates: min_days must be positive and a week below max_days")
    if pixels.get("look_at", "all") not in {"suspicious", "all", "never"}:
        faults.append("pixels.look_at: one of suspicious, all, never")
    if data.get("faces", {}).get("policy", "flag") not in {"flag", "refuse"}:
        faults.append("faces.policy: flag or refuse")
    return faults
