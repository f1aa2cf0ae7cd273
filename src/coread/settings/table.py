"""The settings as a table for people: on the screen and in the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from coread import settings as face
from coread.settings.sections import TABLES, Settings

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table that ``coread settings`` prints."""

    key: str
    value: str
    default: str
    sentence: str
    unit: str


def describe(settings: Settings) -> tuple[Setting, ...]:
    """List every setting with its value, default and sentence; secrets are hidden."""
    rows = list(_rows("", settings))
    for table in TABLES:
        rows += [row for n, each in enumerate(_at(settings, table)) for row in _rows(f"{table}[{n}].", each)]
    return tuple(rows)


def markdown() -> str:
    """Write the page ``docs/settings.md`` from the fields themselves."""
    rows = [*_rows("", Settings()), *_fields_of_tables()]
    lines = [f"| `{r.key}` | `{r.default or '(empty)'}` | {r.unit} | {r.sentence} |" for r in rows]
    head = [
        "# Settings",
        "",
        (face.__doc__ or "").strip(),
        "",
        "| setting | default | unit | meaning |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *lines, ""])


def secrets() -> frozenset[str]:
    """Return the keys of settings whose value is never shown."""
    return frozenset(key for key, _, extra in _leaves("", Settings) if extra.get("secret"))


def _leaves(prefix: str, section: type[BaseModel]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(f"{prefix}{name}.", kind)
        else:
            extra = field.json_schema_extra
            yield f"{prefix}{name}", field, extra if isinstance(extra, dict) else {}


def _rows(prefix: str, section: BaseModel) -> Iterator[Setting]:
    for key, field, extra in _leaves("", type(section)):
        default = "" if field.default is PydanticUndefined else field.default
        value = _at(section, key)
        if f"{prefix}{key}" in TABLES:
            value = f"{len(value)} of them" if value else ""
        masked = _without_password(value) if extra.get("secret") == "url" else _text(value)
        yield Setting(f"{prefix}{key}", masked, _text(default), field.description or "", _unit(key))


def _fields_of_tables() -> Iterator[Setting]:
    for table, kind in TABLES.items():
        for key, field, _ in _leaves(f"{table}[].", kind):
            default = "(required)" if field.default is PydanticUndefined else _text(field.default)
            yield Setting(key, "", default, field.description or "", _unit(key))


def _at(section: BaseModel, key: str) -> Any:
    value: Any = section
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if not parts.password:
        return url
    netloc = parts.netloc.replace(f":{parts.password}@", f":{HIDDEN}@")
    return urlunsplit(parts._replace(netloc=netloc))


def _unit(key: str) -> str:
    suffix = key.rpartition("_")[2]
    return {"s": "s", "h": "h", "mb": "MB", "bytes": "bytes", "days": "days"}.get(suffix, "")
