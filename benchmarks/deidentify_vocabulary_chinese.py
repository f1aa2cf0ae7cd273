"""Makes the list of ordinary Chinese words that may stay in the strictest profiles' free texts.

    pip download --no-deps --no-binary :all: jieba==0.42.1    # and unpack it
    python benchmarks/deidentify_vocabulary_chinese.py jieba-0.42.1/jieba/dict.txt

From the dictionary of jieba 0.42.1 (MIT): words of two to four characters with the frequency of each in its corpus
and its kind. Names of persons, places and firms are left out by kind; what could be a given name is left out by its
characters: those that stand often in the given names of the same dictionary. Rarer words stay if reports use all
their characters and one is no name's; of reports' characters those stay alone that no name has. Choosing:
`deidentify_persons.py`.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from provenance import ROOT

from coread.governance.deidentify.texts.persons.words import chinese_vocabulary, chinese_words

PLACE = ROOT / "src/coread/governance/deidentify/texts/persons/vocabulary_chinese_wide.txt"
# All chosen on the development sentences.
#: Rarer words are not worth their place; made of reports' characters they are, down to the second.
LEAST_FREQUENCY, LEAST_IN_REPORTS = 100, 10
#: A character that so many given names of the dictionary hold may be one of a patient's.
IN_GIVEN_NAMES = 30
#: One that fewer hold tells a word of reports, and one that still fewer hold may stand alone.
SELDOM, HARDLY = 20, 3
#: Kinds of jieba's that are no names: nouns, verbs, adjectives, adverbs, idioms, places and times in general.
KINDS = frozenset({*"nvadbilztsfcrpmqj", "vn", "ad", "an", "vg", "ng", "zg"})
_CJK = re.compile(r"[\u3400-\u9fff]{2,4}")
HEAD = """\
# Ordinary Chinese words that may stay in free texts of the strictest profiles, beside those of reports; made by
# benchmarks/deidentify_vocabulary_chinese.py from the dictionary of jieba 0.42.1, whose licence is MIT:
# Copyright (c) 2013 Sun Junyi. Permission is hereby granted, free of charge, to any person obtaining a copy of this software
# and associated documentation files, to deal in it without restriction, subject to this notice being included. It is
# provided "as is", without warranty of any kind. Do not edit.
"""


class Entry(NamedTuple):
    """A line of the dictionary."""

    word: str
    frequency: int
    kind: str


def entries(path: Path) -> list[Entry]:
    """Read the dictionary's words of two to four Chinese characters."""
    parts = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [Entry(p[0], int(p[1]), p[2]) for p in parts if len(p) == 3 and _CJK.fullmatch(p[0])]


def in_given_names(dictionary: Iterable[Entry]) -> Counter[str]:
    """Count in how many names of a frequent surname and two characters each character is given."""
    surnames = chinese_words().surnames
    names = (e.word for e in dictionary if e.kind.startswith("nr") and len(e.word) == 3)
    return Counter(letter for name in names if name[0] in surnames for letter in name[1:])


def ordinary(dictionary: list[Entry]) -> list[str]:
    """Return the words, and characters alone, that name nobody."""
    given, known, cues = in_given_names(dictionary), chinese_vocabulary(), chinese_words()
    reports = {letter for word in known for letter in word if _CJK.fullmatch(letter * 2)}

    def is_frequent(entry: Entry) -> bool:
        if entry.kind in KINDS and entry.frequency >= LEAST_FREQUENCY:
            return True
        is_of_reports = reports.issuperset(entry.word) and any(given[x] < SELDOM for x in entry.word)
        return entry.kind in KINDS | {"nz"} and entry.frequency >= LEAST_IN_REPORTS and is_of_reports

    def is_like_a_name(word: str) -> bool:
        # Two characters may be a given name, three a surname and one.
        return len(word) <= 3 and all(given[letter] >= IN_GIVEN_NAMES for letter in word[-2:])

    words = {e.word for e in dictionary if is_frequent(e) and not is_like_a_name(e.word)}
    alone = {letter for letter in reports if given[letter] < HARDLY} - cues.surnames - cues.more
    return sorted((words | alone) - known)


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dictionary", type=Path)
    words = ordinary(entries(parser.parse_args().dictionary))
    PLACE.write_text(HEAD + textwrap.fill(" ".join(words), 160) + "\n", encoding="utf-8")
    print(len(words), PLACE.stat().st_size)


if __name__ == "__main__":
    main()
