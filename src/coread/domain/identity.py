"""Identifiers: DICOM UIDs, and UIDs that are functions of what they name."""

from __future__ import annotations

import hashlib
import re
import uuid

from coread.errors import InvalidUid

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_MAX_LENGTH = 64


def is_uid(text: str) -> bool:
    """Tell whether `text` is a UID by PS3.5 section 9.1.

    Examples
    --------
    >>> is_uid("1.2.840.10008.1.1"), is_uid("1.02.3"), is_uid("../../etc")
    (True, False, False)
    """
    return len(text) <= _MAX_LENGTH and _UID.fullmatch(text) is not None


def check_uid(text: str, keyword: str) -> str:
    """Return `text` if it is a UID.

    Parameters
    ----------
    text
        The UID without padding.
    keyword
        The DICOM keyword of the element that holds it, for the message.

    Raises
    ------
    InvalidUid
        If the text breaks PS3.5 section 9.1.
    """
    if not is_uid(text):
        raise InvalidUid(
            found=f"a value of {len(text)} characters that is no UID",
            expected="components of digits without leading zeros, joined by dots, 64 characters at most",
            remedy="correct the object at its source and send it again",
            where=keyword,
        )
    return text


def derive_uid(*parts: str) -> str:
    """Make a UID that is a function of `parts` (PS3.5 section B.2, UUID-derived).

    The same parts give the same UID, on every machine and for ever: a step that
    is done twice makes one object, not two.

    Examples
    --------
    >>> derive_uid("a", "b") == derive_uid("a", "b")
    True
    >>> derive_uid("a", "b") == derive_uid("ab")
    False
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"
