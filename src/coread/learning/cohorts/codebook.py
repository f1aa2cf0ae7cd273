"""The code book: which words a label may use, and which coded concept each of them means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from coread.domain.codes import Code


@dataclass(frozen=True, slots=True)
class Concept:
    """One word of the code book.

    Attributes
    ----------
    name
        The word as labels use it.
    code
        What it means.
    low, high
        Least and greatest value that a label may give: 0 and 1 for absent and present, a grade's ends, a
        quantity's bounds.
    unit
        UCUM unit of a quantity; empty for presence and grades.
    aliases
        Other spellings that imports may meet, e.g. a category's name in a COCO file.
    """

    name: str
    code: Code
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"{self.name}: the least value {self.low} is not below the greatest {self.high}")

    @property
    def is_binary(self) -> bool:
        """Whether it is only absent (0) or present (1)."""
        return (self.low, self.high, self.unit) == (0.0, 1.0, "")


@dataclass(frozen=True)
class CodeBook:
    """The words of one cohort.

    Examples
    --------
    >>> book = CodeBook([Concept("nodule", Code("27925004", "SCT", "Nodule"), aliases=("Nodule 1",))])
    >>> book.find("NODULE 1").name, book.find("27925004").name, book.find("mass")
    ('nodule', 'nodule', None)
    """

    concepts: tuple[Concept, ...]
    _words: Mapping[str, Concept] = field(init=False, repr=False, compare=False)

    def __init__(self, concepts: Iterable[Concept]) -> None:
        object.__setattr__(self, "concepts", tuple(dict.fromkeys(concepts)))
        words: dict[str, Concept] = {}
        for concept in self.concepts:
            for word in {concept.name, concept.code.value, *concept.aliases}:
                if words.setdefault(_folded(word), concept) is not concept:
                    raise ValueError(f"the code book uses {word!r} for two concepts")
        object.__setattr__(self, "_words", words)

    def find(self, word: str) -> Concept | None:
        """Give the concept of a name, alias or code value, spelt in upper or lower case; None if unknown."""
        return self._words.get(_folded(word))

    def __iter__(self) -> Iterator[Concept]:
        return iter(self.concepts)

    def __contains__(self, name: object) -> bool:
        return any(concept.name == name for concept in self.concepts)

    def to_json(self) -> list[dict[str, Any]]:
        """As JSON types."""
        return [asdict(concept) for concept in self.concepts]

    @classmethod
    def from_json(cls, held: Iterable[Mapping[str, Any]]) -> CodeBook:
        """From what `to_json` gave."""
        return cls(
            Concept(**{**entry, "code": Code(**entry["code"]), "aliases": tuple(entry["aliases"])})
            for entry in held
        )


def _folded(word: str) -> str:
    return " ".join(word.replace("_", " ").casefold().split())
