"""Labels of a file beside a source's own: matched to images, held to the code book, annotators kept apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from coread.learning.cohorts.codebook import CodeBook
from coread.learning.cohorts.form import Label, LeftOut
from coread.learning.cohorts.taking import Found, Source


@dataclass(frozen=True)
class Imported:
    """A source with further labels.

    Attributes
    ----------
    source
        Gives the images.
    book
        Words of the source and of the labels.
    more
        Further labels by image: its name, its file's name, or that without suffix.
    """

    source: Source
    book: CodeBook
    more: Mapping[str, Sequence[Label]]
    _met: set[str] = field(default_factory=set, compare=False)

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name

    @property
    def traps(self) -> tuple[str, ...]:
        """Traps of the source."""
        return self.source.traps

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Found | LeftOut]:
        for found in self.source:
            if isinstance(found, LeftOut):
                yield found
            else:
                labels, left_out = self._of(found)
                yield replace(found, labels=(*found.labels, *labels))
                yield from left_out
        for file in self.more.keys() - self._met:
            yield LeftOut(
                file, "unknown-image", f"{len(self.more[file])} labels of an image that is not here"
            )

    def _of(self, found: Found) -> tuple[list[Label], list[LeftOut]]:
        file = Path(found.image.source.split("#")[0]).name
        keys = dict.fromkeys((found.image.image, file, Path(file).stem))
        labels: list[Label] = []
        left_out: list[LeftOut] = []
        for key in keys:
            self._met.add(key)
            for label in self.more.get(key, ()):
                kept = _in_the_words_of(self.book, replace(label, image=found.image.image))
                if isinstance(kept, LeftOut):
                    left_out.append(kept)
                else:
                    labels.append(kept)
        return labels, left_out


def with_annotations(source: Source, book: CodeBook, labels: Sequence[Label]) -> Imported:
    """Give a source with further labels; those outside the code book are listed and left out.

    Parameters
    ----------
    source, book
        The images, and all words that labels may use.
    labels
        From `read_coco`, `read_voc` or `read_csv`.
    """
    more: dict[str, list[Label]] = {}
    for label in labels:
        more.setdefault(label.image, []).append(label)
    return Imported(source, book, more)


def _in_the_words_of(book: CodeBook, label: Label) -> Label | LeftOut:
    concept = book.find(label.name)
    if concept is None:
        return LeftOut(f"{label.image}: {label.name}", "unknown-label", "not in the code book")
    if not concept.low <= label.value <= concept.high:
        bounds = f"outside {concept.low:g} to {concept.high:g}"
        return LeftOut(f"{label.image}: {label.name} {label.value:g}", "value-out-of-range", bounds)
    return replace(label, name=concept.name)
