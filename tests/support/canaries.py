"""Canaries: names that stand for a patient's, and a search for them in whatever spelling they got out."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

#: DICOM keyword to a value that no other text of the house holds.
FACTS = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Quillfeather^Marguerite=钱^慕瑶",
    "PatientID": "MRN77889912",
    "PatientBirthDate": "19470613",
    "PatientAddress": "Larkspur Lane 17, 柳荫街十七号",
    "ReferringPhysicianName": "Thornbury^Ezekiel=褚^砚秋",
    "AccessionNumber": "ACC55443322",
    "StudyDescription": "Chest of Quillfeather",
    "PatientComments": "Neighbour of Wisteria, 隔壁是紫藤居",
}
PASSWORD = "violet harbour ninety-seven owls"
COMMENT = "Her brother Bartholomew noticed it, 其兄柏舟发现"

#: What is looked for: parts that name somebody even when they stand alone.
PATIENT = (
    "Quillfeather", "Marguerite", "钱慕瑶", "钱^慕瑶", "慕瑶", "MRN77889912", "19470613", "1947-06-13",
    "Larkspur", "柳荫街", "Thornbury", "Ezekiel", "砚秋", "ACC55443322", "Wisteria", "紫藤居",
)  # fmt: skip
WRITTEN = ("Bartholomew", "柏舟")
SECRET = ("violet harbour", "ninety-seven owls")
ALL = (*PATIENT, *WRITTEN, *SECRET)


def spellings(word: str) -> Iterator[str]:
    """Give a word as logs, addresses, JSON, headers and dumps spell it; all in lower case but base64."""
    yield word.lower()
    yield word.replace("^", " ").lower()
    yield quote(word, safe="").lower()
    yield quote_plus(word).lower()
    yield json.dumps(word)[1:-1].lower()
    yield word.encode().hex()
    yield repr(word.encode())[2:-1].lower()


def encoded(word: str) -> Iterator[str]:
    """Give the middle of a word's base64 at each of its three alignments (RFC 4648)."""
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + word.encode()).decode().rstrip("=")
        middle = whole[shift + 2 : -2] if shift else whole[:-2]
        if len(middle) >= 8:
            yield middle


def found_in(text: str, words: Iterable[str] = ALL) -> list[str]:
    """Return the canaries that stand in a text in any spelling."""
    lowered = text.lower()
    return [
        word
        for word in words
        if any(form in lowered for form in spellings(word)) or any(form in text for form in encoded(word))
    ]


def leaks(channels: Mapping[str, str], words: Iterable[str] = ALL) -> dict[str, list[str]]:
    """Return what got out, by channel."""
    chosen = tuple(words)
    return {name: found for name, text in channels.items() if (found := found_in(text, chosen))}
