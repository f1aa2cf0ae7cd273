"""QIDO-RS: searches for studies, series and instances (PS3.18 section 10.6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from coread.archive import SEARCHABLE, Archive, Query
from coread.dicom import facts_json, keyword_of
from coread.domain.identity import check_uid
from coread.errors import BadQuery
from coread.gateways.answers import hidden_studies, service_root
from coread.gateways.dicomweb.attributes import ATTRIBUTES, Level
from coread.gateways.dicomweb.wado import json_offers

_MAX_RESULTS = 5000
_RESERVED = ("fuzzymatching", "includefield", "limit", "offset", "accept", "charset")
_PATH_KEYWORDS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}

# Texts of PS3.18 section 8.3.4.
_NOT_FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_MORE = (
    "The number of results exceeded the maximum supported by the server. Additional results can be requested."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One search, as asked."""

    level: Level
    filters: Mapping[str, str]
    """Keyword to the value to match."""
    returned: tuple[str, ...]
    """Keywords of the attributes to return."""
    limit: int
    offset: int
    warnings: tuple[str, ...] = ()


class Search:
    """Answers searches.

    Parameters
    ----------
    archive
        What is searched.
    public_url
        Address of the service where it differs from the one that requests name.
    max_results
        Results given at once at most.
    """

    def __init__(self, archive: Archive, public_url: str = "", max_results: int = _MAX_RESULTS) -> None:
        self._public_url = public_url
        self._max_results = max_results
        self._finders: dict[Level, Callable[[Query], list[dict[str, str]]]] = {
            Level.STUDY: archive.find_studies,
            Level.SERIES: archive.find_series,
            Level.INSTANCE: archive.find_instances,
        }

    def studies(self, request: Request) -> Response:
        """Search for studies."""
        return self._answer(request, Level.STUDY)

    def series(self, request: Request) -> Response:
        """Search for series, of one study or of all."""
        return self._answer(request, Level.SERIES)

    def instances(self, request: Request) -> Response:
        """Search for instances, of one series, one study or of all."""
        return self._answer(request, Level.INSTANCE)

    def _answer(self, request: Request, level: Level) -> Response:
        offer = json_offers(request)
        asked = parse_search(request.query_params, request.path_params, level, self._max_results)
        hidden = hidden_studies(request)
        found = self._finders[level](Query(asked.filters, asked.limit + 1, asked.offset, hidden))
        warnings = [*asked.warnings, *([_MORE] if len(found) > asked.limit == self._max_results else [])]
        headers = {"Warning": ", ".join(f'299 coread "{text}"' for text in warnings)} if warnings else {}
        if not found:
            return Response(status_code=204, headers=headers)
        root = service_root(request, self._public_url)
        body = _json_array(found[: asked.limit], asked, root)
        return Response(body, headers=headers, media_type=offer.media_type)


def parse_search(query: QueryParams, path: Mapping[str, str], level: Level, max_results: int) -> Asked:
    """Read a search.

    Raises
    ------
    BadQuery
        If a parameter names no DICOM attribute, or limit or offset is no number.
    InvalidUid
        If a part of the path is no UID.
    """
    keywords = {name: _keyword(name) for name in query if name not in _RESERVED}
    ignored = sorted({word for word in keywords.values() if word not in SEARCHABLE[level.name.lower()]})
    filters = {word: "\\".join(query.getlist(name)) for name, word in keywords.items() if word not in ignored}
    filters |= {word: check_uid(path[name], word) for name, word in _PATH_KEYWORDS.items() if name in path}
    warnings = [_NOT_FUZZY] if query.get("fuzzymatching", "").lower() == "true" else []
    warnings += [f"Not matched, for it is not supported here: {', '.join(ignored)}."] if ignored else []
    return Asked(
        level,
        {word: value for word, value in filters.items() if value},
        _returned(query.getlist("includefield"), level, path),
        min(_count(query, "limit", max_results), max_results),
        _count(query, "offset", 0),
        tuple(warnings),
    )


def _keyword(name: str) -> str:
    """Return the attribute's keyword; of an attribute within a sequence, the sequence's."""
    keyword = keyword_of(name.split(".", maxsplit=1)[0])
    if not keyword:
        raise BadQuery(
            "a query parameter that names no DICOM attribute",
            "a keyword or a tag of eight hexadecimal digits",
            "correct the request",
            where="query",
        )
    return keyword if "." not in name else f"{keyword} (within the sequence)"


def _returned(fields: Sequence[str], level: Level, path: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keywords to answer with: what the standard wants, and what was asked besides."""
    asked = {keyword_of(name.strip()) for field in fields for name in field.split(",")}
    wants_all = "all" in fields
    top = _top_level(level, path)
    return tuple(
        item.keyword
        for item in ATTRIBUTES
        if item.level <= level
        and (wants_all or item.keyword in asked or (item.default and item.level >= top))
    )


def _top_level(level: Level, path: Mapping[str, str]) -> Level:
    """A search within a study need not repeat the study's attributes (PS3.18 table 10.6.3-3)."""
    named = Level.INSTANCE if "series" in path else Level.SERIES if "study" in path else Level.STUDY
    return min(named, level)


def _count(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, "") or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadQuery(f"a {name} that is no number", "a number from 0", where=f"query parameter {name}")
    return int(text)


def _json_array(found: Sequence[Mapping[str, str]], asked: Asked, root: str) -> bytes:
    rows = [_row(facts, asked, root) for facts in found]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def _row(facts: Mapping[str, str], asked: Asked, root: str) -> dict[str, object]:
    added = {
        **{keyword: facts[keyword] for keyword in _identifiers(asked.level)},
        "SpecificCharacterSet": "ISO_IR 192",
        "RetrieveURL": _retrieve_url(facts, asked.level, root),
        "InstanceAvailability": "ONLINE",
    }
    return dict(facts_json({keyword: facts.get(keyword, "") for keyword in asked.returned} | added))


def _identifiers(level: Level) -> tuple[str, ...]:
    return ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")[:level]


def _retrieve_url(facts: Mapping[str, str], level: Level, root: str) -> str:
    names = zip(("studies", "series", "instances"), _identifiers(level), strict=False)
    return "/".join([root, *(f"{name}/{facts[keyword]}" for name, keyword in names)])
