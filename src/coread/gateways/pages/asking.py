"""What a page or an address of the interface is asked: who asks, with which words, form or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from coread.domain.identity import is_uid
from coread.domain.person import Person
from coread.errors import BadQuery, LoginRequired, NotFound, ObjectTooLarge
from coread.gateways.pages.languages import Words, language_of, words
from coread.governance import ANONYMOUS, Caller

#: Largest body of a form or a JSON request; a report of a hundred pages has a tenth of it.
MAX_BODY_BYTES: Final = 2 << 20
_MAX_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, its body read."""

    request: Request
    body: bytes = b""

    @property
    def caller(self) -> Caller:
        """Who asks, as the middleware of identity found out."""
        caller = getattr(self.request.state, "caller", None)
        return caller if isinstance(caller, Caller) else ANONYMOUS

    @property
    def person(self) -> Person:
        """Return the person who asks.

        Raises
        ------
        LoginRequired
            If nobody is logged in.
        """
        if self.caller.person is None:
            raise LoginRequired("nobody logged in", "a session", "log in")
        return self.caller.person

    @property
    def language(self) -> str:
        """Language of the answer."""
        return language_of(self.request)

    @property
    def words(self) -> Words:
        """Words of the answer."""
        return words(self.language)

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def uid(self, name: str) -> str:
        """Return a part of the path that is a UID.

        Raises
        ------
        NotFound
            If it is none; nothing of it can be kept.
        """
        value = self.part(name)
        if not is_uid(value):
            raise NotFound("an address whose UID is none", "a valid UID", "go back to the reading list")
        return value

    def query(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        return self.request.query_params.get(name, default)

    def number(self, name: str, default: int, most: int = 1_000_000_000) -> int:
        """Return a whole number of the query, from 0 to `most`; anything else is the default."""
        text = self.query(name)
        is_number = text.isascii() and text.isdecimal() and len(text) < 12
        return min(int(text), most) if is_number else default

    def form(self) -> Mapping[str, str]:
        """Read the body as a form; the last value of each field.

        Raises
        ------
        BadQuery
            If it is none.
        """
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
        except ValueError:
            raise _bad_body("a form") from None

    def json(self) -> Mapping[str, Any]:
        """Read the body as a JSON object.

        Raises
        ------
        BadQuery
            If it is none, or is not said to be JSON.
        """
        if self.request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise _bad_body("JSON, and a Content-Type that says so")
        try:
            value = json.loads(self.body, parse_constant=_no_number)
            json.dumps(value, ensure_ascii=False).encode()  # fails on half a surrogate pair, which is no text
        except (ValueError, RecursionError):
            raise _bad_body("a JSON object") from None
        if not isinstance(value, dict):
            raise _bad_body("a JSON object")
        return value


async def asked(request: Request) -> Asked:
    """Read a request's body.

    Raises
    ------
    ObjectTooLarge
        If it is larger than any form of ours.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ObjectTooLarge("a form or JSON body beyond the limit", f"at most {MAX_BODY_BYTES} bytes")
    return Asked(request, body)


def _no_number(name: str) -> None:
    """Refuse NaN and infinities, which JSON does not have (RFC 8259 section 6)."""
    raise ValueError(name)


def _bad_body(expected: str) -> BadQuery:
    return BadQuery("a body that cannot be read", expected, "load the page anew", where="request body")
