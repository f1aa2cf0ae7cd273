"""What the client accepts and what it is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.errors import BadQuery, NotAcceptable
from coread.gateways.dicomweb import media
from coread.gateways.dicomweb.media import MediaRange, Offer, choose, parse_accept, split_parameters

JPEG_LS = "1.2.840.10008.1.2.4.80"
OFFERS = [
    *media.both_ways(media.OCTETS, media.EXPLICIT_VR_LITTLE_ENDIAN, stored=False),
    *media.both_ways("image/jls", JPEG_LS),
    *media.both_ways(media.OCTETS, JPEG_LS),
]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", OFFERS[0]),
        ("*/*", OFFERS[0]),
        ("multipart/related", OFFERS[0]),
        ('multipart/related; type="application/octet-stream"', OFFERS[0]),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", OFFERS[4]),
        (f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}', OFFERS[2]),
        ("multipart/related; type=image/*", OFFERS[2]),
        ("image/jls", OFFERS[3]),
        ("application/octet-stream;q=0.3, image/jls;q=0.9", OFFERS[3]),
        ("image/png, multipart/related;type=image/jls;q=0.1", OFFERS[2]),
        ("image/jls;q=0, application/octet-stream", OFFERS[1]),
    ],
)
def test_the_best_match_is_given(accept, expected):
    assert choose(parse_accept(accept), OFFERS) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "text/html",
        f"image/jls; transfer-syntax={JPEG_LS}1",
        "*/*;q=0",
        "multipart/related; type=video/mpeg",
    ],
)
def test_what_is_not_served_is_refused_with_what_is(accept):
    with pytest.raises(NotAcceptable, match=r"image/jls; transfer-syntax=1\.2\.840\.10008\.1\.2\.4\.80"):
        choose(parse_accept(accept), OFFERS)


def test_quotes_hide_separators():
    assert split_parameters('a/b; x="1;2,\\"3"; Y = z') == ("a/b", {"x": '1;2,"3', "y": "z"})
    assert len(parse_accept('a/b; x="1,2", c/d')) == 2


def test_an_endless_accept_is_refused():
    with pytest.raises(BadQuery, match="9000"):
        parse_accept("a" * 9000)


def test_a_quality_that_is_no_number_is_refused():
    with pytest.raises(BadQuery, match="q parameter"):
        parse_accept("a/b;q=high")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        ranges = parse_accept(text)
    except BadQuery:
        return
    assert all(isinstance(item, MediaRange) and item.quality > 0 for item in ranges)


def test_an_offer_names_its_content():
    assert Offer("multipart/related", "image/png").content == "image/png"
    assert Offer("image/png").content == "image/png"
