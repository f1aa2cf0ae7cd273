"""Media types: what the client accepts, what is offered, which one is given.

Source: PS3.18 sections 8.7.3 (DICOM media types) and 8.7.5 (Accept); RFC 9110 section 12.5.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from coread.errors import BadQuery, NotAcceptable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
OCTETS = "application/octet-stream"
RELATED = "multipart/related"

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

#: Media type of one compressed frame, by transfer syntax (PS3.18 tables 8.7.3-4 and 8.7.3-5).
FRAME_MEDIA_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}

_MAX_ACCEPT_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One alternative of an Accept header."""

    media_type: str
    """Lower case, may hold wildcards: ``*/*``, ``image/*``."""
    part_type: str = ""
    """The ``type`` parameter of ``multipart/related``."""
    transfer_syntax: str = ""
    """Empty where the client names none, ``*`` for the stored form."""
    quality: float = 1.0


@dataclass(frozen=True, slots=True)
class Offer:
    """One form in which the server can give a resource."""

    media_type: str
    part_type: str = ""
    transfer_syntax: str = ""
    stored: bool = True
    """Whether this is the form in which the bytes are kept."""

    @property
    def content(self) -> str:
        """Media type of the content itself, out of any multipart wrapping."""
        return self.part_type or self.media_type


def split_parameters(text: str) -> tuple[str, dict[str, str]]:
    """Split a Content-Type or Accept value into its type and its parameters.

    Examples
    --------
    >>> split_parameters('multipart/related; type="application/dicom"; boundary=x')
    ('multipart/related', {'type': 'application/dicom', 'boundary': 'x'})
    """
    media_type, *rest = _split_unquoted(text, ";")
    pairs = (piece.partition("=") for piece in rest)
    return media_type.lower(), {name.strip().lower(): _unquote(value.strip()) for name, _, value in pairs}


def parse_accept(text: str) -> tuple[MediaRange, ...]:
    """Read an Accept value, best quality first.

    Raises
    ------
    BadQuery
        If the value is longer than 8192 characters or a quality is no number.
    """
    if len(text) > _MAX_ACCEPT_LENGTH:
        raise BadQuery(f"an Accept value of {len(text)} characters", f"at most {_MAX_ACCEPT_LENGTH}")
    ranges = [_media_range(piece) for piece in _split_unquoted(text, ",") if piece]
    acceptable = [item for item in ranges if item.quality > 0]
    return tuple(sorted(acceptable, key=lambda item: -item.quality)) if ranges else (MediaRange("*/*"),)


def choose(ranges: Iterable[MediaRange], offers: Sequence[Offer]) -> Offer:
    """Return the first offer that the client likes best.

    Raises
    ------
    NotAcceptable
        If no offer matches.
    """
    for wanted in ranges:
        for offer in offers:
            if _matches(wanted, offer):
                return offer
    raise NotAcceptable(
        found="an Accept value that names none of the forms served here",
        expected=" or ".join(dict.fromkeys(map(_spell, offers))) or "no form at all",
        remedy="ask for one of these; transfer-syntax=* takes the stored form",
    )


def both_ways(content: str, transfer_syntax: str = "", *, stored: bool = True) -> tuple[Offer, Offer]:
    """Offer one content type in ``multipart/related`` (preferred) and bare."""
    return Offer(RELATED, content, transfer_syntax, stored), Offer(content, "", transfer_syntax, stored)


def _matches(wanted: MediaRange, offer: Offer) -> bool:
    return (
        _covers(wanted.media_type, offer.media_type)
        and (not wanted.part_type or _covers(wanted.part_type, offer.part_type))
        and _takes(wanted.transfer_syntax, offer)
    )


def _covers(pattern: str, media_type: str) -> bool:
    kind, _, subtype = pattern.partition("/")
    own_kind, _, own_subtype = media_type.partition("/")
    return kind in ("*", own_kind) and subtype in ("*", own_subtype)


def _takes(transfer_syntax: str, offer: Offer) -> bool:
    if transfer_syntax == "*":
        return offer.stored
    return transfer_syntax in ("", offer.transfer_syntax)


def _spell(offer: Offer) -> str:
    syntax = f"; transfer-syntax={offer.transfer_syntax}" if offer.transfer_syntax else ""
    kind = f'; type="{offer.part_type}"' if offer.part_type else ""
    return f"{offer.media_type}{kind}{syntax}"


def _media_range(text: str) -> MediaRange:
    media_type, parameters = split_parameters(text)
    return MediaRange(
        media_type,
        parameters.get("type", "").lower(),
        parameters.get("transfer-syntax", ""),
        _quality(parameters.get("q", "1")),
    )


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        raise BadQuery("a q parameter that is no number", "a number from 0 to 1", where="Accept") from None


def _split_unquoted(text: str, separator: str) -> list[str]:
    cuts = [-1, *_unquoted_positions(text, separator), len(text)]
    return [text[start + 1 : end].strip() for start, end in pairwise(cuts)]


def _unquoted_positions(text: str, separator: str) -> Iterator[int]:
    quoted = escaped = False
    for position, letter in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == separator and not quoted:
            yield position


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value
