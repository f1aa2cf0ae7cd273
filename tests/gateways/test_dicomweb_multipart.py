"""The multipart parser: any cut, any damage, bounded memory."""

from __future__ import annotations

import contextlib
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.errors import BadQuery, CoReadError, TruncatedObject
from coread.gateways.dicomweb.multipart import (
    MultipartLimits,
    MultipartParser,
    PartBegun,
    PartData,
    PartEnded,
    encode_parts,
)

BOUNDARY = "b0undary"
DELIMITER = b"\r\n--b0undary"

# Pieces that come close to a delimiter without being one.
near_misses = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"-",
        b"--",
        DELIMITER[:-1],
        DELIMITER + b"x",
        DELIMITER + b"-x",
        b"\r\n\r\n",
        b"\0",
    ]
)
contents = st.lists(st.one_of(near_misses, st.binary(max_size=40)), max_size=6).map(b"".join)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


def parse(pieces, boundary=BOUNDARY, limits=None):
    """Return (headers, content, is complete) of each part."""
    parser = MultipartParser(boundary, limits)
    parts = []
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, PartBegun):
                parts.append([event.headers, b"", False])
            elif isinstance(event, PartData):
                parts[-1][1] += bytes(event.data)
            else:
                assert isinstance(event, PartEnded)
                parts[-1][2] = True
    parser.close()
    return parts


def has_delimiter(content: bytes) -> bool:
    """Whether the content holds what RFC 2046 forbids it to hold."""
    tail = (content + b"\r\n").split(DELIMITER)[1:]
    return any(
        t.startswith(b"--") or t.lstrip(b" \t").startswith((b"\r\n", b"\r", b"-")) or t == b"" for t in tail
    )


@given(
    st.lists(contents.filter(lambda c: not has_delimiter(c)), max_size=5), st.lists(st.integers(0, 10_000))
)
def test_any_cut_gives_the_same_parts(parts, places):
    body = b"".join(encode_parts(BOUNDARY, "application/dicom", parts))
    found = parse(cut(body, places))
    assert [content for _, content, _ in found] == parts
    assert all(
        complete and headers == {"content-type": "application/dicom"} for headers, _, complete in found
    )


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_noise_is_refused_in_our_own_words(noise, places):
    with pytest.raises(CoReadError):
        parse(cut(noise.replace(b"b0undary", b""), places))


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=3), st.integers(0, 500))
def test_a_body_cut_short_is_never_taken_for_whole(parts, place):
    body = b"".join(encode_parts(BOUNDARY, "application/dicom", parts))
    end = body.index(b"--b0undary--") + len(b"--b0undary--")
    with pytest.raises((TruncatedObject, BadQuery)):
        parse([body[: place % end]])


@given(st.binary(max_size=400), st.binary(max_size=400), st.lists(st.integers(0, 900)))
def test_mutated_messages_end_in_parts_or_in_our_errors(before, after, places):
    body = b"".join(encode_parts(BOUNDARY, "application/dicom", [before, after]))
    for place in places:
        body = body[: place % len(body)] + bytes([place % 256]) + body[place % len(body) + 1 :]
    with contextlib.suppress(CoReadError):
        parse(cut(body, places))


def test_preamble_padding_and_epilogue_are_passed_over():
    body = b"hello\r\n--b0undary \t\r\nA: 1\r\n\r\nx\r\n--b0undary--\r\nbye\r\n--b0undary\r\n"
    assert parse([body]) == [[{"a": "1"}, b"x", True]]


def test_a_part_may_have_no_headers():
    assert parse([b"--b0undary\r\n\r\nx\r\n--b0undary--"]) == [[{}, b"x", True]]


def test_a_nested_message_is_plain_content():
    inner = b"".join(encode_parts("inner", "application/dicom", [b"1", b"2"]))
    outer = b"".join(encode_parts(BOUNDARY, 'multipart/related; boundary="inner"', [inner]))
    assert [content for _, content, _ in parse([outer])] == [inner]


def test_a_wrong_boundary_gives_no_part():
    body = b"".join(encode_parts("other", "application/dicom", [b"1"]))
    with pytest.raises(TruncatedObject):
        parse([body])


@pytest.mark.parametrize("boundary", ["", "x" * 201, "gr\u00fcn"])
def test_a_boundary_that_cannot_be_one_is_refused(boundary):
    with pytest.raises(BadQuery, match="boundary"):
        MultipartParser(boundary)


def test_huge_headers_are_refused_before_they_are_held():
    parser = MultipartParser(BOUNDARY)
    list(parser.feed(b"--b0undary\r\nX: "))
    for _ in range(16):
        assert list(parser.feed(b"a" * 1000)) == []
    with pytest.raises(BadQuery, match="16384"):
        list(parser.feed(b"a" * 1000))


def test_headers_over_the_limit_in_one_piece_are_refused():
    with pytest.raises(BadQuery, match="headers of more than"):
        parse([b"--b0undary\r\nX: " + b"a" * 20_000 + b"\r\n\r\nx\r\n--b0undary--"])


def test_a_header_without_colon_is_refused():
    with pytest.raises(BadQuery, match="colon"):
        parse([b"--b0undary\r\nnonsense\r\n\r\nx\r\n--b0undary--"])


def test_too_many_parts_are_refused():
    body = b"".join(encode_parts(BOUNDARY, "a/b", [b""] * 4))
    assert len(parse([body], limits=MultipartLimits(max_parts=4))) == 4
    with pytest.raises(BadQuery, match="more than 3 parts"):
        parse([body], limits=MultipartLimits(max_parts=3))


def test_memory_stays_bounded():
    parser = MultipartParser(BOUNDARY)
    chunk = bytes(1 << 18)
    list(parser.feed(b"--b0undary\r\n\r\n"))
    tracemalloc.start()
    for _ in range(100):
        for event in parser.feed(chunk):
            del event
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
