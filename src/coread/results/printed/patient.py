"""A patient's and a study's facts as they stand on paper."""

from __future__ import annotations

from collections.abc import Mapping

from coread.domain import codes
from coread.results.signed.words import is_chinese, named, say
from coread.results.source import legal_date

_FIELDS = (
    *("PatientName", "PatientID", "PatientSex", "PatientBirthDate", "PatientAge", "AccessionNumber"),
    *("StudyDate", "Modality", "BodyPartExamined", "StudyDescription", "ReferringPhysicianName"),
)
_NAMES = ("PatientName", "ReferringPhysicianName")
_HAN_ORDER, _LATIN_ORDER = (1, 0, 2), (0, 1, 2)
_JOINED_FROM = 0x2E80


def shown_facts(facts: Mapping[str, str], language: str) -> list[tuple[str, str]]:
    """Return label and text of each fact; a dash where the images do not tell the patient's own."""
    shown = [(key, _shown(key, facts, language)) for key in _FIELDS]
    must = ("PatientName", "PatientID", "PatientSex", "PatientBirthDate", "AccessionNumber", "StudyDate")
    return [(say(key, language), text or "–") for key, text in shown if text or key in must]


def person(name: str, language: str) -> str:
    """Write a person name (PN) for people: every component group, that of the report's language first.

    Examples
    --------
    >>> person("Wang^XiaoDong=王^小东", "zh"), person("Wang^XiaoDong=王^小东", "en")
    ('王小东 (Wang XiaoDong)', 'Wang XiaoDong (王小东)')
    >>> person("Yamada^Tarou=山田^太郎=やまだ^たろう", "en")
    'Yamada Tarou (山田太郎, やまだたろう)'
    """
    groups = [_group(group) for group in name.split("=")[:3]]
    order = _HAN_ORDER if is_chinese(language) else _LATIN_ORDER
    present = [groups[n] for n in order if n < len(groups) and groups[n]]
    first, *others = list(dict.fromkeys(present)) or [""]
    return f"{first} ({', '.join(others)})" if others else first


def _group(group: str) -> str:
    parts = [part.strip() for part in group.split("^") if part.strip()]
    whole = "".join(parts)
    # Han, kana and Hangul names are written without a gap between family and given name.
    return ("" if whole and min(map(ord, whole)) >= _JOINED_FROM else " ").join(parts)


def _shown(key: str, facts: Mapping[str, str], language: str) -> str:
    text = facts.get(key, "").strip()
    if key in _NAMES:
        return person(text, language)
    if key.endswith("Date"):
        return _date(text)
    if key == "PatientSex":
        return say(text, language) if text in ("M", "F", "O") else text
    if key == "PatientAge":
        return _age(text, facts, language)
    if key == "Modality" and text in codes.MODALITIES:
        return f"{text} ({named(codes.MODALITIES[text], language)})"
    return text


def _date(text: str) -> str:
    date = legal_date(text)
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else text


def _age(text: str, facts: Mapping[str, str], language: str) -> str:
    """Return the age that the images tell, else the full years between birth and study."""
    unit, count = text[-1:], text[:-1]
    if count.isdecimal() and unit in ("Y", "M", "W", "D"):
        return say("month" if unit == "M" else unit, language, n=int(count))
    born, studied = (legal_date(facts.get(key, "")) for key in ("PatientBirthDate", "StudyDate"))
    if not (born and studied) or studied < born:
        return ""
    return say("Y", language, n=int(studied[:4]) - int(born[:4]) - (studied[4:] < born[4:]))
