"""What a doctor states, held against the image and against what a report can carry."""

from __future__ import annotations

import math
from collections.abc import Iterable

from coread.domain.borders import borders
from coread.domain.codes import Code
from coread.domain.finding import Box, Finding, Presence
from coread.domain.review import Statement, Trait
from coread.errors import DecisionRefused
from coread.review.table import Table

_MOST_CHARACTERS = 20_000
_MOST_POINTS = 2_000
_MOST_PLACES = 50
#: As many as a reader may draw (`coread.readers.judging.MOST_BOXES`): the cells of a field.
_MOST_BOXES = 2_000
#: Code Value and Coding Scheme Designator are SH, Code Meaning is LO (PS3.5 table 6.2-1); longer values
#: (Long Code Value) are not written here.
_LENGTHS = {"value": 16, "scheme": 16, "meaning": 64, "meaning_zh": 64}
_WORD = 40


def statement_of(finding: Finding) -> Statement:
    """Return a reader's finding as the doctor states it by accepting."""
    return Statement(
        code=finding.code,
        presence=finding.presence,
        image=finding.image,
        frame=finding.key_frame,
        site=finding.site,
        boxes=finding.boxes,
        outline=_outline(finding),
        measurements=finding.measurements,
        traits=tuple(Trait(item.concept, item.value) for item in finding.characteristics),
    )


def _outline(finding: Finding) -> tuple[tuple[float, float], ...]:
    """Return the largest border of what the finding covers on its own frame; nothing where it is absent."""
    if finding.presence is Presence.ABSENT:
        return ()
    place = (finding.image, finding.key_frame)
    own = next((outline for outline in finding.outlines if (outline.image, outline.frame) == place), None)
    largest = borders(own)[0].tolist() if own else []
    return tuple((x, y) for x, y in largest) if len(largest) <= _MOST_POINTS else ()


def check_statement(table: Table, statement: Statement) -> None:
    """Hold a statement against its image.

    Raises
    ------
    DecisionRefused
        If a code cannot be written, the image is of another study, a place lies outside of it, a number is
        not finite, or a text cannot be kept.
    """
    codes = [statement.code, *(c for m in statement.measurements for c in (m.quantity, m.unit))]
    codes += [code for trait in statement.traits for code in (trait.concept, trait.value)]
    for code in [*codes, *([statement.site] if statement.site else [])]:
        _check_code(code)
    _check_numbers([m.value for m in statement.measurements], "measurements")
    if len({trait.concept for trait in statement.traits}) < len(statement.traits):
        raise _refused("two values of one characteristic", "one of each", "traits")
    if len(statement.measurements) > _MOST_PLACES:
        raise _refused("too many measurements", f"at most {_MOST_PLACES}", "measurements")
    check_text(statement.comment, "comment")
    _check_place(table, statement)


def check_text(text: str, where: str, *, most: int = _MOST_CHARACTERS) -> str:
    """Return typed text if it can be kept and written, else raise DecisionRefused."""
    if len(text) > most:
        raise _refused(f"{len(text)} characters", f"at most {most}", where)
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise _refused("half of a character pair", "text in Unicode", where) from fault
    if any(ord(c) < 32 and c not in "\n\r\t" for c in text) or "\x7f" in text:
        raise _refused("a control character", "text, line breaks and tabs", where)
    return text


def check_seconds(active_s: float) -> float:
    """Return the active seconds if they can be true, else raise DecisionRefused."""
    if not math.isfinite(active_s) or not 0 <= active_s <= 86_400:
        raise _refused("active seconds that cannot be", "0 to 86,400", "active_s")
    return active_s


def check_words(words: Iterable[str], where: str) -> tuple[str, ...]:
    """Return short stable words, e.g. of what was shown, else raise DecisionRefused."""
    kept = tuple(words)
    if len(kept) > _MOST_PLACES or any(not 0 < len(word) <= _WORD for word in kept):
        raise _refused("too many or too long words", f"{_MOST_PLACES} of {_WORD} characters", where)
    for word in kept:
        check_text(word, where)
    return kept


def _check_code(code: Code) -> None:
    for name, most in _LENGTHS.items():
        text = check_text(getattr(code, name), f"code {name}", most=most)
        if "\\" in text or "\n" in text or "\r" in text or text != text.strip():
            raise _refused("a backslash, line break or padding", "one plain text", f"code {name}")


def _check_place(table: Table, statement: Statement) -> None:
    if statement.image is None:
        if statement.boxes or statement.outline:
            raise _refused("a place without an image", "the image that shows it", "image")
        return
    instance = table.image(statement.image.sop_instance_uid)
    if instance is None:
        raise _refused("an image that is not kept", "an image of this study", "image")
    if instance.ref != statement.image or instance.ref.study_instance_uid != table.study_instance_uid:
        raise _refused("an image that is not of this study", "an image of this study", "image")
    facts = instance.header.facts
    frames = _whole(facts.get("NumberOfFrames", "")) or 1
    if not 1 <= statement.frame <= frames:
        raise _refused(f"frame {statement.frame}", f"1 to {frames}", "frame")
    columns, rows = _whole(facts.get("Columns", "")), _whole(facts.get("Rows", ""))
    _check_points(statement, columns or math.inf, rows or math.inf)


def _check_points(statement: Statement, columns: float, rows: float) -> None:
    if len(statement.boxes) > _MOST_BOXES or len(statement.outline) > _MOST_POINTS:
        raise _refused("too many places", f"{_MOST_BOXES} boxes, {_MOST_POINTS} points", "boxes, outline")
    if 0 < len(statement.outline) < 3:
        raise _refused(f"an outline of {len(statement.outline)} points", "at least 3", "outline")
    for box in statement.boxes:
        _check_box(box, columns, rows)
    for x, y in statement.outline:
        _check_numbers([x, y], "outline")
        if not (0 <= x <= columns and 0 <= y <= rows):
            raise _refused("a point outside of the image", f"within {columns} x {rows} pixels", "outline")


def _check_box(box: Box, columns: float, rows: float) -> None:
    _check_numbers([box.left_px, box.top_px, box.width_px, box.height_px], "boxes")
    right, bottom = box.left_px + box.width_px, box.top_px + box.height_px
    is_inside = box.left_px >= 0 and box.top_px >= 0 and right <= columns and bottom <= rows
    if not is_inside or box.width_px <= 0 or box.height_px <= 0:
        raise _refused("a box outside of the image", f"within {columns} x {rows} pixels", "boxes")


def _check_numbers(values: Iterable[float], where: str) -> None:
    if not all(math.isfinite(value) for value in values):
        raise _refused("a number that is not finite", "a number", where)


def _whole(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _refused(found: str, expected: str, where: str) -> DecisionRefused:
    return DecisionRefused(found, expected, "correct it and send it again", where)
