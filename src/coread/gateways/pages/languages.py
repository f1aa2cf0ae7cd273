"""The words of the pages, in English and Chinese; which language a request is answered in.

A catalogue is a TOML file ``i18n/<language>.toml`` of nested tables. A key is the path through the tables,
joined by dots: ``list.title``. Values may hold ``{name}`` placeholders. A table of ``one`` and ``other`` is
one key whose form depends on a count. Templates and scripts ask in three ways, and a test looks for them:

``t("list.title")``
    One text.
``tn("list.images", 3)``
    One text by count; the placeholder ``{count}`` is filled in.
``w("verdict", finding.verdict)``
    The word for a value out of a group; the value itself where the catalogue has none.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

LANGUAGES: Final = ("en", "zh")
LANGUAGE_COOKIE: Final = "language"

_GATEWAYS = Path(__file__).resolve().parent.parent
#: Folders that may hold a part of the catalogue.
HOMES: Final = (_GATEWAYS / "pages", _GATEWAYS / "identity")

#: Tables that scripts may use; they are served as JSON.
SCRIPT_TABLES: Final = (
    "script", "keys", "live", "column", "section", "rule", "change", "hurdle", "draft_fault", "withheld",
    "sure", "verdict", "reject", "presence", "likelihood", "outcome", "mode", "case_state", "grade",
    "delivery", "origin", "origin_mark", "dimension", "group", "ledger_fault", "asked_state", "composition",
    "risk", "not_applicable",
)  # fmt: skip

Tree = Mapping[str, Any]


class Words:
    """The catalogue of one language.

    Parameters
    ----------
    language
        ``en`` or ``zh``.
    tree
        Nested tables of texts.
    """

    def __init__(self, language: str, tree: Tree) -> None:
        self.language = language
        self._tree = tree
        self.texts: Mapping[str, str] = dict(_flat(tree))

    def t(self, key: str, **values: object) -> str:
        """Say one text; a key that is not there says itself."""
        return _filled(self.texts.get(key, key), values)

    def tn(self, key: str, count: int, **values: object) -> str:
        """Say one text by count."""
        form = f"{key}.one" if count == 1 and f"{key}.one" in self.texts else f"{key}.other"
        return _filled(self.texts.get(form, key), values | {"count": count})

    def w(self, group: str, value: object, **values: object) -> str:
        """Say the word for a value of a group, or the value itself where there is none."""
        return _filled(self.texts.get(f"{group}.{value}", str(value)), values)

    def knows(self, key: str) -> bool:
        """Tell whether there is a text of this key."""
        return key in self.texts

    def for_scripts(self) -> bytes:
        """Write the tables that scripts may use as JSON."""
        chosen = {name: self._tree[name] for name in SCRIPT_TABLES if name in self._tree}
        texts = {"language": self.language, "texts": dict(_flat(chosen))}
        return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def words(language: str) -> Words:
    """Give the catalogue of a language, loaded once."""
    tree: dict[str, Any] = {}
    for home in HOMES:
        path = home / "i18n" / f"{language}.toml"
        if path.is_file():
            _merge(tree, tomllib.loads(path.read_text(encoding="utf-8")))
    return Words(language, tree)


def language_of(request: Request) -> str:
    """Choose the language of the answer: the cookie's, else the account's, else what the browser asks for."""
    caller = getattr(request.state, "caller", None)
    person = getattr(caller, "person", None)
    told = (request.cookies.get(LANGUAGE_COOKIE, ""), getattr(person, "language", ""))
    chosen = next((language for language in told if language in LANGUAGES), None)
    return chosen or asked_language(request.headers.get("accept-language", ""))


def asked_language(header: str) -> str:
    """Choose by an Accept-Language header (RFC 9110 section 12.5.4); English if it asks for neither.

    Examples
    --------
    >>> asked_language("fr, zh-CN;q=0.8, en;q=0.5"), asked_language("en-GB,zh;q=0.9"), asked_language("")
    ('zh', 'en', 'en')
    """
    wishes = sorted(_wishes(header), key=lambda wish: -wish[1])
    return next((language for language, weight in wishes if language in LANGUAGES and weight > 0), "en")


def _wishes(header: str) -> Iterator[tuple[str, float]]:
    for part in header[:1000].split(","):
        name, _, parameter = part.strip().partition(";")
        yield name.partition("-")[0].lower(), _weight(parameter)


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _flat(tree: Tree, path: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*path, name))
        else:
            yield ".".join((*path, name)), str(value)


def _merge(tree: dict[str, Any], more: Tree) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(tree.get(name), dict):
            _merge(tree[name], value)
        else:
            tree[name] = value


def _filled(text: str, values: Mapping[str, object]) -> str:
    """Fill placeholders without str.format, whose fields could reach into objects."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
