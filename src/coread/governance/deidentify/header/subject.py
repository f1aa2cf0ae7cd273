"""Who an object is about: the pseudonym, how far the dates move, how old."""

from __future__ import annotations

import re
from dataclasses import dataclass

from coread.governance.deidentify.replacing import Pseudonyms
from coread.governance.deidentify.rules import Profile
from coread.governance.deidentify.stream import Item
from coread.governance.deidentify.texts import decoded, encodings_of

AGE_VR = b"AS"

_AGE = re.compile(rb"(\d{3})([DWMY])")
_CHARACTER_SET, _PATIENT_ID, _STUDY_UID = 0x00080005, 0x00100020, 0x0020000D


@dataclass(frozen=True, slots=True)
class Subject:
    """One person, as the pseudonyms know them."""

    original_id: str
    """Patient ID (0010,0020), or the Study Instance UID where there is none."""
    pseudonym: str
    shift_days: int


def subject_of(elements: Item, profile: Profile, pseudonyms: Pseudonyms) -> Subject:
    """Return whom a data set is about.

    Persons are told apart by Patient ID alone; two hospitals that number alike are to be given two domains.
    """
    values = {e.tag: e.value for e in elements if e.tag in (_CHARACTER_SET, _PATIENT_ID, _STUDY_UID)}
    encodings = encodings_of(bytes(values.get(_CHARACTER_SET, b"")))
    number = decoded(values.get(_PATIENT_ID, b""), encodings).strip(" \0")
    original = number or decoded(values.get(_STUDY_UID, b"")).strip(" \0")
    dates = profile.dates
    days = pseudonyms.shift_days(original, dates.min_days, dates.max_days, whole_weeks=dates.keep_weekday)
    return Subject(original, pseudonyms.patient(original), days)


def told_age(value: bytes, cap_years: int | None, bin_years: int) -> bytes:
    """Return an age (VR AS) as it may be told: above the cap as one more, else rounded down to its bin.

    Examples
    --------
    >>> told_age(b"093Y", 89, 1), told_age(b"047Y", 89, 5), told_age(b"009M", 89, 5)
    (b'090Y', b'045Y', b'009M')
    """
    match = _AGE.fullmatch(value.strip(b" \0"))
    if match is None:
        return b""
    number, unit = int(match[1]), match[2]
    years = number if unit == b"Y" else 0
    if cap_years is not None and years > cap_years:
        return b"%03dY" % (cap_years + 1)
    if unit != b"Y":
        return match[0]
    return b"%03dY" % (years - years % bin_years)
