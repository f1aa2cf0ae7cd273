"""What a de-identified object says of itself (PS3.15 E.1.1 step 3, PS3.3 C.7.1.1 and C.12.1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from coread.governance.deidentify.rules import Option, Profile
from coread.governance.deidentify.rules.profile import CLEAN_PIXELS
from coread.governance.deidentify.stream import Element, Item

_BURNED_IN, _VISUAL_FEATURES, _TEMPORAL = 0x00280301, 0x00280302, 0x00280303
_IDENTITY_REMOVED, _METHOD, _METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
_CODE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
_SCHEME_NAME = b"DCM"
_MAX_LO_BYTES = 64


def mark(elements: Item, profile: Profile, *, looked_at: bool, has_pixels: bool, face: bool) -> Item:
    """Add what says how an object was de-identified; said twice it is the same.

    Parameters
    ----------
    elements
        The de-identified data set; changed in place and returned, sorted.
    looked_at
        Whether text was searched for in the pixels.
    has_pixels
        Whether there are any.
    face
        Whether a face may be drawn from them.
    """
    codes = [m for m in profile.methods if m[0] != "113101" or looked_at or not has_pixels]
    by_tag = {element.tag: element for element in elements}
    new = [
        Element(_IDENTITY_REMOVED, b"CS", b"YES"),
        _method(by_tag.get(_METHOD), profile),
        _codes(by_tag.get(_METHOD_CODES), codes),
        Element(_TEMPORAL, b"CS", _temporal(profile)),
    ]
    if looked_at and CLEAN_PIXELS in profile.options:
        new.append(Element(_BURNED_IN, b"CS", b"NO"))
    if face:
        new.append(Element(_VISUAL_FEATURES, b"CS", b"YES"))
    by_tag.update((element.tag, element) for element in new)
    elements[:] = [by_tag[tag] for tag in sorted(by_tag)]
    return elements


def _temporal(profile: Profile) -> bytes:
    if Option.FULL_DATES in profile.options:
        return b"UNMODIFIED"
    return b"MODIFIED" if Option.MODIFIED_DATES in profile.options else b"REMOVED"


def _method(former: Element | None, profile: Profile) -> Element:
    ours = f"CoRead {profile.name}, PS3.15 Annex E 2026c".encode()[:_MAX_LO_BYTES]
    before = [part.strip(b" ") for part in bytes(former.value).split(b"\\")] if former is not None else []
    return Element(_METHOD, b"LO", b"\\".join([*(part for part in before if part and part != ours), ours]))


def _codes(former: Element | None, codes: Iterable[tuple[str, str]]) -> Element:
    ours = {code.encode(): _code_item(code, meaning) for code, meaning in codes}
    others = [
        item for item in (former.items or () if former is not None else ()) if _code_of(item) not in ours
    ]
    return Element(_METHOD_CODES, b"SQ", items=[*others, *ours.values()])


def _code_of(item: Item) -> bytes:
    return next((bytes(e.value).strip(b" \0") for e in item if e.tag == _CODE), b"")


@cache
def _code_item(code: str, meaning: str) -> Item:
    item = Item()
    item += [
        Element(_CODE, b"SH", code.encode()),
        Element(_SCHEME, b"SH", _SCHEME_NAME),
        Element(_MEANING, b"LO", meaning.encode()[:_MAX_LO_BYTES]),
    ]
    return item
