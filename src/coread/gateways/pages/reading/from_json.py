"""What the study page sends, read into values; whatever is not as it must be is told, never guessed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeVar

from coread.domain.codes import Code
from coread.domain.finding import Box, Measurement, Presence
from coread.domain.identity import is_uid
from coread.domain.review import Statement, Trait
from coread.domain.study import InstanceRef
from coread.errors import BadQuery

Body = Mapping[str, Any]
Kind = TypeVar("Kind", bound=Enum)

#: Coding Scheme Designator of words that a doctor typed (PS3.16 section 8.2: 99 begins a private one).
PRIVATE_SCHEME: Final = "99COREAD"
_MOST_TEXT: Final = 20_000
_MOST_ITEMS: Final = 200
_MOST_POINTS: Final = 5_000
_MOST_BOXES: Final = 5_000
_KEY_CHARACTERS: Final = 128


def text(body: Body, name: str, default: str | None = None, most: int = _MOST_TEXT) -> str:
    """Read a text; required where there is no default.

    Raises
    ------
    BadQuery
        If it is none, or too long; as for all readers of this file.
    """
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise bad(name, f"a text of at most {most} characters")
    return value


def number(body: Body, name: str, low: float, high: float, default: float | None = None) -> float:
    """Read a finite number from `low` to `high`."""
    value = body.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise bad(name, f"a number from {low} to {high}")
    return float(value)


def whole(body: Body, name: str, low: int, high: int, default: int | None = None) -> int:
    """Read a whole number from `low` to `high`."""
    value = number(body, name, low, high, default)
    if value != int(value):
        raise bad(name, "a whole number")
    return int(value)


def flag(body: Body, name: str) -> bool:
    """Read true or false."""
    value = body.get(name)
    if not isinstance(value, bool):
        raise bad(name, "true or false")
    return value


def choice(body: Body, name: str, kind: type[Kind]) -> Kind:
    """Read a member of an enumeration."""
    try:
        return kind(body.get(name))
    except ValueError:
        raise bad(name, f"one of {', '.join(str(member.value) for member in kind)}") from None


def texts(body: Body, name: str) -> tuple[str, ...]:
    """Read a list of short texts; none where it is left out."""
    return tuple(text({name: item}, name, most=200) for item in _list(body, name))


def revision(body: Body) -> int:
    """Read the revision that the page saw."""
    return whole(body, "revision", 0, 2**53)


def key(body: Body) -> str:
    """Read the key that names this act for ever."""
    value = text(body, "key", most=_KEY_CHARACTERS)
    if not value.isascii() or not value.isprintable() or len(value) < 8:
        raise bad("key", "a text of 8 to 128 plain characters that names this act alone")
    return value


def statement(body: Body, find: Callable[[str], InstanceRef]) -> Statement:
    """Read a finding as the doctor states it.

    Parameters
    ----------
    body
        With ``code``, ``presence``, ``sop_instance_uid`` and what else a statement has.
    find
        Gives the image of a SOP Instance UID, and raises NotFound if it is none of this study.
    """
    uid = text(body, "sop_instance_uid", "", 64)
    if uid and not is_uid(uid):
        raise bad("sop_instance_uid", "a UID, or nothing")
    return Statement(
        code=_code(_object(body, "code")),
        presence=choice(body, "presence", Presence),
        image=find(uid) if uid else None,
        frame=whole(body, "frame", 1, 100_000, 1),
        site=_code(_object(body, "site")) if body.get("site") else None,
        boxes=tuple(_box(item) for item in _list(body, "boxes", _MOST_BOXES)),
        outline=_outline(body),
        measurements=tuple(_measurement(item) for item in _list(body, "measurements")),
        comment=text(body, "comment", "").strip(),
        traits=traits(body),
    )


def traits(body: Body) -> tuple[Trait, ...]:
    """Read how a finding looks, as (concept, value)."""
    return tuple(
        Trait(_code(part(item, "concept")), _code(part(item, "value"))) for item in items(body, "traits")
    )


def place(body: Body) -> tuple[tuple[float, float] | None, Box | None]:
    """Read a point or a box, one of the two."""
    if (body.get("point") is None) == (body.get("box") is None):
        raise bad("point", "a point or a box")
    if body.get("box") is not None:
        return None, _box(body["box"])
    return _pair(body["point"], "point"), None


def items(body: Body, name: str) -> Sequence[Body]:
    """Read a list of objects."""
    return [item if isinstance(item, dict) else {} for item in _list(body, name)]


def part(body: Body, name: str) -> Body:
    """Read an object."""
    return _object(body, name)


def sections(body: Body) -> tuple[tuple[str, str], ...]:
    """Read the sections of a report as (name, text)."""
    return tuple((text(item, "name", most=64), text(item, "text")) for item in _list(body, "sections"))


def bad(name: str, expected: str) -> BadQuery:
    """Say that a member of the body is not as it must be."""
    return BadQuery("a member of the request that cannot be used", expected, "load the page anew", where=name)


def _list(body: Body, name: str, most: int = _MOST_ITEMS) -> Sequence[Any]:
    value = body.get(name) or []
    if not isinstance(value, list) or len(value) > most:
        raise bad(name, f"a list of at most {most}")
    return value


def _object(body: Body, name: str) -> Body:
    value = body.get(name)
    if not isinstance(value, dict):
        raise bad(name, "an object")
    return value


def _code(body: Body) -> Code:
    """Read a code; a meaning alone is the doctor's own word and becomes a private code."""
    value, scheme, meaning, chinese = (
        text(body, name, "", 200).strip() for name in ("value", "scheme", "meaning", "meaning_zh")
    )
    if meaning and not value:
        value, scheme = hashlib.sha256(meaning.encode()).hexdigest()[:16], PRIVATE_SCHEME
    if not (value and scheme and meaning):
        raise bad("code", "value, scheme and meaning")
    return Code(value, scheme, meaning, chinese)


def _box(item: Any) -> Box:
    body = item if isinstance(item, dict) else {}
    left, top = (number(body, name, -1e6, 1e6) for name in ("left_px", "top_px"))
    width, height = (number(body, name, 1e-6, 1e6) for name in ("width_px", "height_px"))
    label = _code(part(body, "label")) if body.get("label") else None
    probability = number(body, "probability", 0, 1) if body.get("probability") is not None else None
    return Box(left, top, width, height, label, probability)


def _pair(value: Any, name: str) -> tuple[float, float]:
    pair = value if isinstance(value, list) and len(value) == 2 else [None, None]
    named = dict(zip("xy", pair, strict=True))
    if not all(isinstance(item, int | float) for item in pair):
        raise bad(name, "a pair of numbers")
    return number(named, "x", -1e6, 1e6), number(named, "y", -1e6, 1e6)


def _outline(body: Body) -> tuple[tuple[float, float], ...]:
    points = [_pair(item, "outline") for item in _list(body, "outline", _MOST_POINTS)]
    if 0 < len(points) < 3:
        raise bad("outline", "at least three points, or none")
    return tuple(points)


def _measurement(item: Any) -> Measurement:
    body = item if isinstance(item, dict) else {}
    quantity, unit = _code(_object(body, "quantity")), _code(_object(body, "unit"))
    value = number(body, "value", -1e9, 1e9)
    if body.get("lower") is None or body.get("upper") is None:
        return Measurement(quantity, value, unit)
    lower, upper = number(body, "lower", -1e9, value), number(body, "upper", value, 1e9)
    return Measurement(quantity, value, unit, lower, upper, number(body, "level", 0, 1, 0.95))
