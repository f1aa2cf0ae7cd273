"""The reading list: page, rows alone for live updates, JSON, saved views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.responses import JSONResponse, RedirectResponse, Response

from coread.domain.person import Permission
from coread.gateways.answers import hidden_studies
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.reading import from_json
from coread.gateways.pages.reading.as_json import plain
from coread.gateways.pages.reading.restricted import open_questions, without_restricted
from coread.gateways.pages.reading.rows import row
from coread.gateways.pages.rendering import page_of, render
from coread.review import CaseState, Counts, Filter, ReviewDesk, Worklist

_MODALITIES = ("CR", "CT", "DX", "MG", "MR", "NM", "PT", "RF", "US", "XA")
_PAGE = 50
_MOST_TEXT = 100
_MOST_NAME = 100


@dataclass(frozen=True, slots=True)
class View:
    """One tab above the list."""

    name: str
    address: str
    is_current: bool
    count: int | None = None


class ListPage:
    """Answers what concerns the list as a whole.

    Parameters
    ----------
    desk
        The doctor's rules.
    """

    def __init__(self, desk: ReviewDesk) -> None:
        self._desk = desk

    def show(self, asked: Asked) -> Response:
        """Show the list; who has another work is led to its page."""
        if not asked.caller.may(Permission.SEE_WORKLIST):
            return RedirectResponse(page_of(asked.caller.permissions), 303)
        wanted = filter_of(asked)
        found = self._found(asked, wanted)
        context = self._rows(asked, wanted, found) | self._around(asked, wanted, found)
        return render(asked.request, "worklist.html", context)

    def rows(self, asked: Asked) -> Response:
        """Give the counts and rows alone, for the open page."""
        wanted = filter_of(asked)
        found = self._found(asked, wanted)
        return render(asked.request, "worklist_fragment.html", self._rows(asked, wanted, found))

    def data(self, asked: Asked) -> Response:
        """Give the list as JSON."""
        found = self._found(asked, filter_of(asked))
        return JSONResponse(plain(found), headers={"Cache-Control": "no-store"})

    def save_view(self, asked: Asked) -> Response:
        """Save the filter of the body's query under a name."""
        body = asked.json()
        name = from_json.text(body, "name", most=_MOST_NAME).strip()
        if not name:
            raise from_json.bad("name", "a name")
        wanted = _filter(_parameters(from_json.text(body, "query", "", 2000)), 0)
        self._desk.save_view(asked.person, name, wanted)
        return JSONResponse({"address": address_of(wanted, view=name)})

    def delete_view(self, asked: Asked) -> Response:
        """Delete a saved view."""
        self._desk.delete_view(asked.person, from_json.text(asked.json(), "name", most=_MOST_NAME))
        return JSONResponse({"address": "/"})

    def _found(self, asked: Asked, wanted: Filter) -> Worklist:
        found = self._desk.worklist(asked.person, wanted)
        words = asked.words.t("list.restricted"), asked.words.t("list.restricted_how")
        return without_restricted(found, hidden_studies(asked.request), words, bool(wanted.text))

    def _rows(self, asked: Asked, wanted: Filter, found: Worklist) -> dict[str, Any]:
        said = asked.words
        return {
            "rows": [row(entry, said) for entry in found.entries],
            "counts": found.counts,
            "is_filtered": _is_filtered(wanted),
        }

    def _around(self, asked: Asked, wanted: Filter, found: Worklist) -> dict[str, Any]:
        own = {view.name: view.filter for view in self._desk.list_views(asked.person)}
        current = asked.query("view")
        return {
            "filter": wanted,
            "filter_query": _query(wanted),
            "chosen_state": wanted.states[0] if len(wanted.states) == 1 else "",
            "states": list(CaseState),
            "modalities": _MODALITIES,
            "views": _views(asked, wanted, found.counts, own, current),
            "own_view": current if current in own else "",
            "can_save_view": _is_filtered(wanted) and current not in own,
            "questions": open_questions(self._desk.questions_to(asked.person), hidden_studies(asked.request)),
            "rows_address": f"/worklist/rows?{_query(wanted)}",
            "previous_address": _turned(wanted, -_PAGE) if wanted.offset else "",
            "next_address": _turned(wanted, _PAGE) if found.has_more else "",
        }


def filter_of(asked: Asked) -> Filter:
    """Read the filter of a request's query."""
    return _filter(asked.request.query_params, asked.number("from", 0, 1_000_000))


def address_of(wanted: Filter, view: str = "") -> str:
    """Give the address of the list under a filter."""
    query = "&".join(part for part in (_query(wanted), urlencode({"view": view}) if view else "") if part)
    return f"/?{query}" if query else "/"


def _filter(query: Mapping[str, str], offset: int) -> Filter:
    asked_states = [part for part in query.get("state", "").split(",") if part]
    return Filter(
        text=query.get("q", "").strip()[:_MOST_TEXT],
        states=tuple(state for state in CaseState if state in asked_states),
        modality=query.get("modality", "") if query.get("modality", "") in _MODALITIES else "",
        is_unread=query.get("unread") == "1",
        is_mine=query.get("mine") == "1",
        is_teaching=query.get("teaching") == "1",
        limit=_PAGE,
        offset=offset,
    )


def _parameters(query: str) -> Mapping[str, str]:
    return dict(parse_qsl(query, max_num_fields=20))


def _query(wanted: Filter) -> str:
    parts = {
        "q": wanted.text,
        "state": ",".join(wanted.states),
        "modality": wanted.modality,
        "unread": "1" if wanted.is_unread else "",
        "mine": "1" if wanted.is_mine else "",
        "teaching": "1" if wanted.is_teaching else "",
        "from": str(wanted.offset or ""),
    }
    return urlencode({name: value for name, value in parts.items() if value})


def _is_filtered(wanted: Filter) -> bool:
    flags = wanted.is_unread or wanted.is_mine or wanted.is_teaching
    return bool(wanted.text or wanted.states or wanted.modality or flags)


def _turned(wanted: Filter, step: int) -> str:
    return address_of(replace(wanted, offset=max(0, wanted.offset + step)))


def _views(
    asked: Asked, wanted: Filter, counts: Counts, own: Mapping[str, Filter], current: str
) -> Sequence[View]:
    said = asked.words
    signed = (CaseState.SIGNED, CaseState.AMENDED)
    fixed = (
        (said.t("list.to_do"), Filter(limit=_PAGE), counts.pending),
        (said.t("list.view_unread"), Filter(is_unread=True, limit=_PAGE), counts.unread),
        (said.t("list.view_drafts"), Filter(states=(CaseState.DRAFT,), limit=_PAGE), None),
        (said.t("list.view_mine"), Filter(is_mine=True, limit=_PAGE), None),
        (said.t("list.view_signed"), Filter(states=signed, limit=_PAGE), None),
    )
    tabs = [
        View(name, address_of(f), not current and _query(f) == _query(wanted), count)
        for name, f, count in fixed
    ]
    return [*tabs, *(View(name, address_of(f, name), name == current) for name, f in own.items())]
