"""Values that say nothing and are valid for their representation (PS3.5 table 6.2-1)."""

from __future__ import annotations

#: The word that stands where a text was; also what a reviewer searches for.
REMOVED = b"REMOVED"

_DUMMIES = {
    **dict.fromkeys((b"AE", b"CS", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"), REMOVED),
    b"AS": b"000Y",
    b"DA": b"19000101",
    b"DT": b"19000101000000",
    b"TM": b"000000",
    b"DS": b"0",
    b"IS": b"0",
    b"UR": b"urn:removed",
}
_SIZES = {b"AT": 4, b"FL": 4, b"FD": 8, b"SL": 4, b"SS": 2, b"SV": 8, b"UL": 4, b"US": 2, b"UV": 8}


def dummy_of(vr: bytes) -> bytes:
    """Return a dummy for a value representation; two zero bytes for binary ones."""
    text = _DUMMIES.get(vr)
    return text if text is not None else b"\0" * _SIZES.get(vr, 2)
