"""From a TOML file and the environment to settings, all faults told at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coread.errors import SettingsFault
from coread.settings.sections import Settings
from coread.settings.table import HIDDEN, secrets

PREFIX = "COREAD_"

#: Variables of this prefix that are no settings: the file's place, and what the tests ask for.
NOT_SETTINGS = frozenset(
    {
        "COREAD_SETTINGS",
        "COREAD_SHARED_DATA",
        "COREAD_REQUIRE_PEERS",
        "COREAD_KILLS",
        "COREAD_FUZZ",
        "COREAD_FUZZ_S",
        "COREAD_NEW_PICTURES",
    }
)


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings from a file and the environment.

    Parameters
    ----------
    path
        The TOML file; none: defaults and environment only. Relative paths in it are
        relative to its own folder.
    environ
        The environment; variables without the prefix are not looked at.

    Raises
    ------
    SettingsFault
        If anything is wrong; `found` lists every fault.
    """
    tree = _read(path) if path else {}
    problems = _overlay(tree, environ)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems += [_told(detail) for detail in error.errors(include_url=False)]
    if problems:
        raise _fault(problems, path)
    return _anchored(settings, path.parent) if path else settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _fault([f"{path.name}: found {error.strerror}, expected a readable TOML file"], path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _fault([f"{path.name}: found {error}, expected TOML"], path) from error


def _overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put the environment's settings over the file's; return what cannot be."""
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            path = name.removeprefix(PREFIX).lower().split("__")
            if not _put(tree, path, _value(environ[name])):
                problems.append(f"{name}: found a section that is a value in the file, expected a table")
    return problems


def _put(tree: dict[str, Any], path: list[str], value: Any) -> bool:
    *sections, last = path
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            return False
    tree[last] = value
    return True


def _value(text: str) -> Any:
    """Read a list or table as JSON; leave all else as text, which pydantic converts."""
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _told(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "settings"
    if detail["type"] == "extra_forbidden":
        return f"{key}: found an unknown name, expected one that `coread settings` lists"
    if detail["type"] == "missing":
        return f"{key}: found nothing, expected a value"
    expected = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{key}: found {_shown(key, detail['input'])}, expected {expected}"


def _shown(key: str, value: Any) -> str:
    if key in secrets():
        return HIDDEN
    return "what is there" if isinstance(value, dict | BaseModel) else repr(value)


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Make relative paths of the file relative to the file's own folder."""
    anchored: Settings = _with_paths(settings, folder)
    return anchored


def _with_paths(value: Any, folder: Path) -> Any:
    if isinstance(value, BaseModel):
        changed = {name: _with_paths(getattr(value, name), folder) for name in type(value).model_fields}
        return value.model_copy(update=changed)
    if isinstance(value, tuple):
        return tuple(_with_paths(each, folder) for each in value)
    return folder / value if isinstance(value, Path) else value


def _fault(problems: list[str], path: Path | None) -> SettingsFault:
    return SettingsFault(
        found="; ".join(problems),
        expected="settings as `coread settings` lists them",
        remedy="correct every fault named, then start again",
        where=path.name if path else "environment",
    )
