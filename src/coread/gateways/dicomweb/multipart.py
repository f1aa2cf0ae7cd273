"""``multipart/related``, read and written as a stream: no body is ever held whole.

Source: RFC 2046 section 5.1, RFC 2387; PS3.18 section 8.6.1.2.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coread.errors import BadQuery, TruncatedObject

#: RFC 2046 section 5.1.1 allows 70 characters; Orthanc sends 73.
_MAX_BOUNDARY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class PartBegun:
    """A part's headers have been read; its content follows."""

    headers: dict[str, str]
    """By lower case name."""

    @property
    def content_type(self) -> str:
        """The Content-Type header, or nothing."""
        return self.headers.get("content-type", "")


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the current part."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The current part is complete."""


PartEvent = PartBegun | PartData | PartEnded


@dataclass(frozen=True, slots=True)
class MultipartLimits:
    """How much a message may ask of the parser."""

    max_parts: int = 20_000
    max_header_bytes: int = 16_384


class _State(enum.Enum):
    PREAMBLE = enum.auto()
    HEADERS = enum.auto()
    CONTENT = enum.auto()
    EPILOGUE = enum.auto()


class MultipartParser:
    """A push parser: feed it bytes, take events; it keeps at most one header block of them.

    Parameters
    ----------
    boundary
        The boundary parameter of the Content-Type, without its dashes.
    limits
        Bounds on the number of parts and the size of a part's headers.

    Raises
    ------
    BadQuery
        If the boundary is empty, too long or not ASCII.
    """

    def __init__(self, boundary: str, limits: MultipartLimits | None = None) -> None:
        if not 0 < len(boundary) <= _MAX_BOUNDARY_LENGTH or not boundary.isascii():
            raise _malformed("a boundary that is missing, too long or not ASCII")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._limits = limits or MultipartLimits()
        self._state = _State.PREAMBLE
        # The first delimiter may open the message without a line break before it.
        self._bytes = b"\r\n"
        self._at = 0
        self._parts = 0
        self._steps: dict[_State, Callable[[], Iterator[PartEvent]]] = {
            _State.PREAMBLE: self._preamble,
            _State.HEADERS: self._headers,
            _State.CONTENT: self._content,
            _State.EPILOGUE: self._epilogue,
        }

    def feed(self, data: bytes) -> Iterator[PartEvent]:
        """Take some bytes and give the events that they complete.

        Raises
        ------
        BadQuery
            If the message breaks the form or a limit.
        """
        self._bytes = self._bytes[self._at :] + data
        self._at = 0
        before = None
        # A step that neither changes the state nor moves on waits for more bytes.
        while self._at < len(self._bytes) and before != (self._state, self._at):
            before = (self._state, self._at)
            yield from self._steps[self._state]()

    def close(self) -> None:
        """Say that no more bytes come.

        Raises
        ------
        TruncatedObject
            If the closing delimiter has not been seen.
        """
        if self._state is not _State.EPILOGUE:
            raise TruncatedObject(
                "a multipart body that ends before its closing boundary",
                "the boundary followed by two dashes",
                "send the request again",
            )

    def _preamble(self) -> Iterator[PartEvent]:
        delimiter = self._find_delimiter()
        self._at = self._safe_end() if delimiter is None else delimiter.position
        if delimiter is not None and delimiter.length:
            self._pass(delimiter)
        yield from ()

    def _content(self) -> Iterator[PartEvent]:
        delimiter = self._find_delimiter()
        end = self._safe_end() if delimiter is None else delimiter.position
        if end > self._at:
            yield PartData(memoryview(self._bytes)[self._at : end])
            self._at = end
        if delimiter is not None and delimiter.length:
            self._pass(delimiter)
            yield PartEnded()

    def _headers(self) -> Iterator[PartEvent]:
        bare = self._bytes.startswith(b"\r\n", self._at)
        end = self._at - 2 if bare else self._bytes.find(b"\r\n\r\n", self._at)
        size = (end if end >= 0 or bare else len(self._bytes)) - self._at
        if size > self._limits.max_header_bytes:
            raise _malformed(f"part headers of more than {self._limits.max_header_bytes} bytes")
        if end >= 0 or bare:
            block = self._bytes[self._at : max(end, self._at)]
            self._at = end + 4
            self._state = _State.CONTENT
            yield PartBegun(_parse_headers(block))

    def _epilogue(self) -> Iterator[PartEvent]:
        self._at = len(self._bytes)
        yield from ()

    def _find_delimiter(self) -> _Delimiter | None:
        start = self._at
        while (position := self._bytes.find(self._delimiter, start)) >= 0:
            found = self._delimiter_at(position)
            if found is not None:
                return found
            start = position + 1
        return None

    def _delimiter_at(self, position: int) -> _Delimiter | None:
        """Judge a candidate: a delimiter, text that only looks like one, or too few bytes to tell."""
        after = position + len(self._delimiter)
        tail = self._bytes[after : after + _MAX_PADDING + 2]
        if tail.startswith(b"--"):
            return _Delimiter(position, len(self._delimiter) + 2, closing=True)
        padding = len(tail) - len(tail.lstrip(b" \t"))
        line_end = tail[padding : padding + 2]
        if line_end == b"\r\n":
            return _Delimiter(position, len(self._delimiter) + padding + 2, closing=False)
        undecided = len(tail) < _MAX_PADDING + 2 and (line_end in (b"", b"\r") or tail == b"-")
        return _Delimiter(position, 0, closing=False) if undecided else None

    def _pass(self, delimiter: _Delimiter) -> None:
        self._at = delimiter.position + delimiter.length
        self._state = _State.EPILOGUE if delimiter.closing else _State.HEADERS
        self._parts += not delimiter.closing
        if self._parts > self._limits.max_parts:
            raise _malformed(f"more than {self._limits.max_parts} parts")

    def _safe_end(self) -> int:
        """Where the bytes begin that may be the first ones of a delimiter."""
        return max(self._at, len(self._bytes) - len(self._delimiter) + 1)


_MAX_PADDING = 16  # white space that a peer may put after a delimiter


@dataclass(frozen=True, slots=True)
class _Delimiter:
    position: int
    length: int
    """0 where more bytes are needed to tell whether this is a delimiter."""
    closing: bool


def part_head(boundary: str, content_type: str) -> bytes:
    """Write what stands before a part's content."""
    return f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode("ascii")


def closing(boundary: str) -> bytes:
    """Write what stands after the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")


def encode_parts(boundary: str, content_type: str, contents: Sequence[bytes]) -> Iterator[bytes]:
    """Write a whole message, part by part."""
    for content in contents:
        yield part_head(boundary, content_type)
        yield content
    yield closing(boundary)


def _parse_headers(block: bytes) -> dict[str, str]:
    lines = block.decode("latin-1").split("\r\n") if block else []
    if any(":" not in line for line in lines):
        raise _malformed("a part header without a colon")
    pairs = (line.split(":", 1) for line in lines)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _malformed(found: str) -> BadQuery:
    return BadQuery(found, "a multipart/related body by RFC 2046", "correct the sender of the request")
