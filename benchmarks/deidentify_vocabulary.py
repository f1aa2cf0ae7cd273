"""Makes the list of Latin words that may stay in the strictest profiles' free texts.

    python benchmarks/deidentify_vocabulary.py

From the standard's own words, as pydicom (MIT) carries them: names of attributes (PS3.6) and meanings of coded
concepts (PS3.16), and the ordinary words below, written for CoRead. Frequent names that are no words are left out.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from provenance import ROOT
from pydicom._dicom_dict import DicomDictionary
from pydicom.sr._concepts_dict import concepts

from coread.governance.deidentify.texts.persons.words import latin_words

PLACE = ROOT / "src/coread/governance/deidentify/texts/persons/vocabulary_latin.txt"
ORDINARY = (Path(__file__).with_suffix(".txt")).read_text(encoding="utf-8")
#: Frequent names that reports use as words; `words.is_word` takes them for words in lower case only.
ALSO_WORDS = """
brown white black green gray long short young king wright walker hill hall moore rose grace may mark bill frank will price
cook wood brooks foster ward cruz ramos song hope faith joy dawn amber ruby jack art ray gene stone cooper baker carter
turner parker miller reed cox gore crystal dean rich drew chase guy harry
"""
_WORD = re.compile(r"[^\W\d_]{2,}")


def standard_words() -> set[str]:
    """Return every word of the standard's attribute names and code meanings, in lower case."""
    texts = [entry[2] for entry in DicomDictionary.values()]
    texts += [
        meaning for scheme in concepts.values() for codes in scheme.values() for meaning, _ in codes.values()
    ]
    return {word.lower() for text in texts for word in _WORD.findall(text)}


def main() -> None:
    """Write the list."""
    names = latin_words()
    words = standard_words() | {word.lower() for word in _WORD.findall(ORDINARY)}
    words -= (names.surnames | names.given) - set(ALSO_WORDS.split())
    head = (
        "# Words that may stay in free texts of the strictest profiles, made by benchmarks/deidentify_vocabulary.py from the\n"
        "# names and code meanings of DICOM PS3.6 and PS3.16 as pydicom (MIT) carries them, and ordinary words. Do not edit.\n"
    )
    PLACE.write_text(head + textwrap.fill(" ".join(sorted(words)), 160) + "\n", encoding="utf-8")
    print(len(words), PLACE.stat().st_size)


if __name__ == "__main__":
    main()
