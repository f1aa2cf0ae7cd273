"""An auditor that knows nothing of how a folder was de-identified.

It reads the input, writes down every value that may name someone by the attribute's representation and name
alone (no table of the standard, no profile), what the file meta says of machines, and what looks like a name
in values whose form nobody knows. It then searches the output for each: in the decoded texts, in the whole
file's bytes in several encodings (private blocks, file meta, preamble, comments of compressed frames, what
is no DICOM at all), in encapsulated documents, and on request in the texts of pixels and overlays.

    python -m coread.testing.leaks BEFORE AFTER
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.dicom import DicomObject, keyword_of, open_object
from coread.errors import CoReadError
from coread.testing.hidden import (
    binary_values,
    documents,
    meta_words,
    names_in,
    overlay_planes,
    texts_of_document,
)

#: Reads the texts of a frame, uint8 [row, column] or [row, column, 3].
ReadsText = Callable[[npt.NDArray[np.uint8]], Iterable[str]]

_NAMING = re.compile(
    r"(ID|IDs|Number|Numbers|Identifier|Address|Location|Institution\w*|Station\w*|Telephone\w*|Telecom\w*|Residence)$"
)
_NOT_NAMING = re.compile(
    r"^(Series|Instance|Acquisition|Frame|Temporal|Reference|Fraction|Beam|Referenced|Block|Wedge|Stack|Number|ROI"
    r"|Observation|Item|Overlay|Segment|Dose|Smallest|Largest|Patient\w*Group|Event|Context|Template|Tracking|Control"
    r"|Concatenation|InConcatenation|Region|Setup|Echo|Slice|Phase|Cluster|Tool|Image|Curve|Private|Content|Hanging)"
)
_TEXT = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
_CJK = re.compile(r"[\u3400-\u9fff\uac00-\ud7af\u3040-\u30ff]")
_ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
_MIN_LATIN, _MIN_CJK, _MIN_NUMBER = 4, 2, 5
_STANDARD_UID = "1.2.840.10008."
#: Pixel Data in little and big endian; what follows it is searched for longer words only, for among millions
#: of samples any few bytes are met by chance.
_PIXEL_TAGS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
_MIN_BYTES, _MIN_BYTES_OF_PIXELS = 4, 8
#: Words that headers say of nobody; what else stays by a profile's own will shows as a leak, to be judged.
_EMPTY_WORDS = frozenset(
    ("anonymous", "anonymized", "unknown", "removed", "none", "test", "patient", "name", "hospital")
)


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that named someone in the input and stands in the output."""

    file: str
    where: str
    """Keyword, ``bytes``, ``file name``, ``document``, ``overlay`` or ``pixels of frame n``."""
    kind: str
    """``name``, ``number``, ``date``, ``uid``; ``document`` for one that a person must look at."""
    value: str


class Register:
    """Everything that may name someone, from the input."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.dates: set[str] = set()
        self.births: set[str] = set()
        self.uids: set[str] = set()

    def take_file(self, data: bytes, model: dict[str, Any]) -> None:
        """Take in a file: its data set, and what hides beside it.

        Parameters
        ----------
        data
            The file's bytes.
        model
            Its data set in the DICOM JSON model.
        """
        self.take(model)
        for word in meta_words(data):
            if len(word) >= _MIN_NUMBER and word.lower() not in _EMPTY_WORDS:
                self.words.setdefault(word.lower(), "number")
        for _, value in binary_values(model):
            for name in names_in(value):
                self._take_name(name)

    def take(self, model: dict[str, Any]) -> None:
        """Take in one object's data set in the DICOM JSON model."""
        for tag, element in model.items():
            for value in element.get("Value", ()):
                if element["vr"] == "SQ":
                    self.take(value)
                else:
                    self._take_value(keyword_of(tag) or tag, element["vr"], value)

    def _take_value(self, keyword: str, vr: str, value: Any) -> None:
        if vr == "PN":
            for text in value.values():
                self._take_name(text)
        elif vr in ("DA", "DT"):
            self._take_date(keyword, str(value))
        elif vr == "UI" and keyword.endswith("UID") and "Class" not in keyword and "Syntax" not in keyword:
            if not str(value).startswith(_STANDARD_UID) and len(str(value)) > 12:
                self.uids.add(str(value))
        elif vr in _TEXT and _NAMING.search(keyword) and not _NOT_NAMING.search(keyword):
            text = str(value).strip()
            if len(text) >= _MIN_NUMBER and text.lower() not in _EMPTY_WORDS:
                self.words[text.lower()] = "number"

    def _take_date(self, keyword: str, value: str) -> None:
        if re.match(r"(18|19|20)\d{6}", value):
            self.dates.add(value[:8])
            if "Birth" in keyword:
                self.births.add(value[:8])

    def _take_name(self, text: str) -> None:
        pieces = [piece for piece in re.split(r"[\s^=,.]+", text) if piece]
        if any(_CJK.search(piece) for piece in pieces):
            whole = "".join(pieces[:2])
            if len(whole) >= _MIN_CJK:
                self.words[whole] = "name"
        for piece in pieces:
            if len(piece) >= _MIN_LATIN and piece.lower() not in _EMPTY_WORDS and not piece.isdecimal():
                self.words[piece.lower()] = "name"


class Searcher:
    """Searches texts and bytes for what a register holds."""

    def __init__(self, register: Register) -> None:
        self.register = register
        self._word = _any(register.words, str)
        days = {form for day in register.dates for form in _spelled(day)}
        self._day = _any(days, str)
        words = {w.encode(e, "ignore") for w in register.words for e in _ENCODINGS}
        uids = {uid.encode(e) for uid in register.uids for e in _ENCODINGS}
        self._bytes = (
            _any({form for form in words if len(form) >= _MIN_BYTES}, bytes, b"[A-Za-z0-9]"),
            _any(uids, bytes, b"[0-9.]"),
        )
        long_ones = {form for form in words if len(form) >= _MIN_BYTES_OF_PIXELS}
        self._long = (_any(long_ones, bytes, b"[A-Za-z0-9]"), self._bytes[1])

    def in_text(self, text: str) -> Iterator[tuple[str, str]]:
        """Give (kind, value) of all that is found in a text."""
        lowered = text.lower()
        for found in self._word.findall(lowered) if self._word else ():
            yield self.register.words[found], found
        for found in self._day.findall(text) if self._day else ():
            yield "date", found

    def in_bytes(self, data: bytes, *, of_pixels: bool = False) -> Iterator[tuple[str, str]]:
        """Give (kind, value) of all that is found in bytes; among those of pixels longer words only."""
        patterns = self._long if of_pixels else self._bytes
        for found in {each for pattern in patterns if pattern for each in pattern.findall(data)}:
            text = next(
                (t for e in _ENCODINGS if (t := found.decode(e, "ignore").lower()) in self.register.words), ""
            )
            yield (self.register.words[text], text) if text else ("uid", found.decode("latin-1"))


def _any(words: Iterable[Any], kind: type, border: bytes = b"") -> re.Pattern[Any] | None:
    ordered = sorted(words, key=lambda word: (-len(word), word))
    if not ordered:
        return None
    if kind is bytes:
        any_of = b"|".join(map(re.escape, ordered))
        return re.compile(b"(?<!%s)(?:%s)(?!%s)" % (border, any_of, border), re.IGNORECASE)
    # Ideographs have no borders of words.
    return re.compile(
        "|".join(re.escape(w) if _CJK.search(w) else rf"(?<![^\W_]){re.escape(w)}(?![^\W_])" for w in ordered)
    )


def _spelled(day: str) -> Iterator[str]:
    year, month, date = day[:4], day[4:6], day[6:]
    yield day
    for mark in "-/.":
        yield from (
            mark.join((year, month, date)),
            mark.join((date, month, year)),
            mark.join((month, date, year)),
        )
    yield f"{year}年{int(month)}月{int(date)}日"


def find_leaks(before: Path, after: Path, reads: ReadsText | None = None) -> Iterator[tuple[int, list[Leak]]]:
    """Give, for each file of the output, how many were searched and what was found in it.

    Parameters
    ----------
    before, after
        Folders.
    reads
        Reads text in frames; None leaves pixels and overlays out.
    """
    yield from find_leaks_of(((str(path), path.read_bytes()) for path in _files(before)), after, reads)


def find_leaks_of(
    before: Iterable[tuple[str, bytes]], after: Path, reads: ReadsText | None = None
) -> Iterator[tuple[int, list[Leak]]]:
    """Do as `find_leaks` with an input that lies in no folder: name and bytes of each file."""
    register = Register()
    for _, data in before:
        opened = _opened(data)
        if opened is not None:
            register.take_file(data, opened.header_json())
    searcher = Searcher(register)
    for done, path in enumerate(_files(after), 1):
        name, data = str(path.relative_to(after)), path.read_bytes()
        found = set(_in_bytes(searcher, name, data))
        opened = _opened(data)
        if opened is not None:
            found |= {*_in_header(searcher, opened), *_in_documents(searcher, opened)}
            if reads is not None:
                found |= {*_in_pixels(searcher, opened, reads), *_in_overlays(searcher, opened, reads)}
        yield done, [Leak(name, *leak) for leak in sorted(found)]


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _opened(data: bytes) -> DicomObject | None:
    """Return the object, None where it is none, or a directory of media: those are searched as bytes."""
    try:
        return open_object(data)
    except CoReadError:
        return None


def _in_header(searcher: Searcher, opened: DicomObject) -> Iterator[tuple[str, str, str]]:
    for keyword, vr, value in _values(opened.header_json()):
        if vr in _TEXT:
            yield from ((keyword, *found) for found in searcher.in_text(value))
        elif vr in ("DA", "DT") and value[:8] in searcher.register.births:
            yield keyword, "date", value
        elif vr == "UI" and value in searcher.register.uids:
            yield keyword, "uid", value


def _values(model: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for tag, element in model.items():
        for value in element.get("Value", ()):
            if element["vr"] == "SQ":
                yield from _values(value)
            elif isinstance(value, dict):
                yield from ((keyword_of(tag) or tag, element["vr"], text) for text in value.values())
            else:
                yield keyword_of(tag) or tag, element["vr"], str(value)


def _in_bytes(searcher: Searcher, name: str, data: bytes) -> Iterator[tuple[str, str, str]]:
    starts = [at for tag in _PIXEL_TAGS if (at := data.rfind(tag)) > 0]
    end = min(starts, default=len(data))
    yield from (("bytes", *found) for found in searcher.in_bytes(data[:end]))
    yield from (("bytes", *found) for found in searcher.in_bytes(data[end:], of_pixels=True))
    yield from (("file name", *found) for found in searcher.in_bytes(name.encode()))


def _in_documents(searcher: Searcher, opened: DicomObject) -> Iterator[tuple[str, str, str]]:
    """Search what is encapsulated; that it goes out at all is told, for no program reads every kind."""
    for media_type, data in documents(opened):
        yield "document", "document", media_type
        for text in texts_of_document(data):
            yield from (("document", *found) for found in searcher.in_text(text))


def _in_overlays(searcher: Searcher, opened: DicomObject, reads: ReadsText) -> Iterator[tuple[str, str, str]]:
    for _, plane in overlay_planes(opened):
        for text in reads(plane):
            yield from (("overlay", *found) for found in searcher.in_text(text))


def _in_pixels(searcher: Searcher, opened: DicomObject, reads: ReadsText) -> Iterator[tuple[str, str, str]]:
    for frame in range(1, opened.number_of_frames + 1):
        for text in reads(opened.rendered(frame)):
            yield from ((f"pixels of frame {frame}", *found) for found in searcher.in_text(text))


def main(arguments: list[str] | None = None) -> int:
    """Search an output folder for its input's identifiers; the exit code is 1 where something is found."""
    before, after = (Path(a) for a in (arguments or sys.argv[1:])[:2])
    found = [leak for _, leaks in find_leaks(before, after) for leak in leaks]
    for leak in found:
        print(f"{leak.file}: {leak.where}: {leak.kind} {leak.value!r}")
    print(f"{len(found)} leaks")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
