"""Collecting the parts of evidence from the files of a reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coread.learning.evidence.catalogue import Item, Part, Place, Source, items
from coread.learning.evidence.grades import Grade, grade_of, weakest

JSON = dict[str, Any]

FILES: Mapping[Source, str] = {
    "evaluation": "evaluation.json",
    "card": "card.json",
    "calibration": "calibration.json",
}
"""What lies in a bundle."""


@dataclass(frozen=True)
class Found:
    """One value that was found.

    Attributes
    ----------
    source
        Which file.
    pointer
        Where in it (RFC 6901).
    value
        As it stands there.
    """

    source: Source
    pointer: str
    value: Any


@dataclass(frozen=True)
class Evidence:
    """One item with what was found for it.

    Attributes
    ----------
    item
        Of the catalogue.
    status
        ``present``, ``partial``, ``absent``; ``human_needed`` if all that a machine can add is there.
    grade
        Of the weakest file that it was made from; None if nothing was found.
    found
        By name of the part.
    missing
        Names of the parts that no file had and that a machine could make.
    by_people
        Names of the parts that people must add.
    """

    item: Item
    status: str
    grade: Grade | None
    found: Mapping[str, tuple[Found, ...]]
    missing: tuple[str, ...]
    by_people: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """The files that evidence is made from.

    Attributes
    ----------
    content
        By source.
    hashes
        SHA-256 of each file, by source and name.
    grades
        By source; a file that states none has that of the evaluation.
    """

    content: Mapping[Source, JSON]
    hashes: Mapping[str, str] = field(default_factory=dict)
    grades: Mapping[Source, Grade] = field(default_factory=dict)


def open_sources(bundle: Path, others: Mapping[Source, Path], studies: Sequence[Path] = ()) -> Sources:
    """Read a bundle and what lies beside it.

    Parameters
    ----------
    bundle
        Folder with evaluation, card and calibration.
    others
        Further JSON files by source: data card, run, predictions report, reader study.
    studies
        Results of the lab's studies; each is found by its file name.

    Raises
    ------
    ValueError
        If the bundle has no evaluation, or a file is no JSON object.
    """
    paths = {source: bundle / name for source, name in FILES.items() if (bundle / name).is_file()}
    if "evaluation" not in paths:
        raise ValueError(f"{bundle.name} holds no evaluation.json: evaluate the reader first")
    paths |= dict(others)
    content: dict[Source, JSON] = {source: _object(path) for source, path in paths.items()}
    if studies:
        content["studies"] = {path.stem: _object(path) for path in studies}
    hashes = {f"{source}/{path.name}": _sha256(path) for source, path in paths.items()}
    hashes |= {f"studies/{path.name}": _sha256(path) for path in studies}
    own = grade_of(content["evaluation"].get("evidence_grade", "retrospective"))
    grades = {source: grade_of(held.get("evidence_grade", own)) for source, held in content.items()}
    if studies:
        grades["studies"] = weakest(
            *(grade_of(h.get("evidence_grade", own)) for h in content["studies"].values())
        )
    return Sources(content, hashes, grades)


def gather(sources: Sources) -> tuple[Evidence, ...]:
    """Make every item of the catalogue; none is left out, absent ones say so."""
    return tuple(_evidence(item, sources) for item in items())


def _evidence(item: Item, sources: Sources) -> Evidence:
    found = {part.name: tuple(_looked_for(part, sources)) for part in item.parts if not part.by_people}
    missing = tuple(name for name, values in found.items() if not values)
    by_people = tuple(part.name for part in item.parts if part.by_people)
    used = {f.source for values in found.values() for f in values}
    grade = weakest(*(sources.grades.get(source, "synthetic") for source in used)) if used else None
    held = {name: values for name, values in found.items() if values}
    return Evidence(item, _status(len(held), missing, by_people), grade, held, missing, by_people)


def _status(held: int, missing: Sequence[str], by_people: Sequence[str]) -> str:
    if not held:
        return "absent"
    if missing:
        return "partial"
    return "human_needed" if by_people else "present"


def _looked_for(part: Part, sources: Sources) -> Iterator[Found]:
    for place in part.places:
        if place.source in sources.content:
            yield from _at(place, sources.content[place.source])


def _at(place: Place, content: JSON) -> Iterator[Found]:
    """The first of the keys that is anywhere in the file, at every highest place where it stands.

    An empty list in a data card says that nothing was found; elsewhere, that nothing was measured.
    """
    for key in place.keys:
        empty: tuple[Any, ...] = (None,) if place.source == "data_card" else (None, {}, [])
        values = [(pointer, held) for pointer, held in _members(content, key, "") if held not in empty]
        if values:
            yield from (Found(place.source, pointer, value) for pointer, value in values)
            return


def _members(value: Any, key: str, pointer: str) -> Iterator[tuple[str, Any]]:
    """Members of this name, wherever they stand; what lies within one is not searched again."""
    if isinstance(value, dict):
        for name, held in value.items():
            place = f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
            if name == key:
                yield place, held
            else:
                yield from _members(held, key, place)
    elif isinstance(value, list):
        for number, held in enumerate(value):
            yield from _members(held, key, f"{pointer}/{number}")


def _object(path: Path) -> JSON:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as fault:
        raise ValueError(f"{path.name} is no JSON: {fault.msg} in line {fault.lineno}") from fault
    if not isinstance(held, dict):
        raise ValueError(f"{path.name} needs a JSON object; found {type(held).__name__}")  # noqa: TRY004
    return held


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
