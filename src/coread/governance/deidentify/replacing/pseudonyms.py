"""Pseudonyms by key: the same input gives the same output, nobody without the key can go back or try out.

A plain hash of a UID or a patient's number can be undone by hashing all candidates; a keyed one cannot.
Every pseudonym carries a second keyed hash over its first part. With the key one sees that a value is a
pseudonym already and leaves it alone, so that de-identifying twice is the same as once; without the key
nobody can make a value that passes as one.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid

#: UIDs that the standard itself assigns (PS3.6 annex A); they name no patient and are never replaced.
WELL_KNOWN = "1.2.840.10008."

_UUID_ROOT = "2.25."
# A UUID of version 8 (RFC 9562 section 5.8) leaves 122 bits: 74 for the hash (a collision among 10^9 UIDs has
# a chance of 3e-5 in all), 48 for the check (a stranger's UID is taken for ours once in 10^14).
_HASH_BITS, _CHECK_BITS = 74, 48
_PATIENT = re.compile(r"P[A-Z2-7]{20}")
_MIN_KEY_BYTES = 16


class Pseudonyms:
    """UIDs, patients' numbers and date shifts of one domain.

    Parameters
    ----------
    key
        Secret, at least 16 bytes; kept apart from what it made.
    domain
        Name of the use (a project, a receiver): the same person has another pseudonym in each, so that two
        receivers cannot join their data (EDPB Guidelines 01/2025, "pseudonymisation domain").
    """

    def __init__(self, key: bytes, domain: str) -> None:
        if len(key) < _MIN_KEY_BYTES:
            raise ValueError("A key of at least 16 bytes is needed.")
        self.domain = domain
        self._keys = {use: _digest(key, f"{use}\0{domain}") for use in ("uid", "check", "patient", "days")}
        self._uids: dict[str, str] = {}

    def uid(self, original: str) -> str:
        """Return the UID that stands for `original`; its own UIDs and the standard's stay as they are."""
        made = self._uids.get(original)
        if made is None:
            kept = not original or original.startswith(WELL_KNOWN) or self.is_own_uid(original)
            made = self._uids[original] = original if kept else self._new_uid(original)
        return made

    def _new_uid(self, original: str) -> str:
        part = int.from_bytes(_digest(self._keys["uid"], original), "big") >> (256 - _HASH_BITS)
        return _UUID_ROOT + str(_uuid8(part << _CHECK_BITS | self._check(part)))

    def is_own_uid(self, uid: str) -> bool:
        """Tell whether a UID was made here with this key."""
        number = uid.removeprefix(_UUID_ROOT)
        if number == uid or not number.isdecimal() or int(number) >= 1 << 128:
            return False
        free = _free_bits(int(number))
        if free is None:
            return False
        part, check = free >> _CHECK_BITS, free & ((1 << _CHECK_BITS) - 1)
        return check == self._check(part)

    def _check(self, part: int) -> int:
        digest = _digest(self._keys["check"], str(part))
        return int.from_bytes(digest, "big") >> (256 - _CHECK_BITS)

    def patient(self, patient_id: str) -> str:
        """Return the pseudonym of a patient's number: ``P`` and 20 letters or digits."""
        if self.is_own_patient(patient_id):
            return patient_id
        part = _letters(_digest(self._keys["patient"], patient_id), 12)
        return f"P{part}{self._patient_check(part)}"

    def is_own_patient(self, patient_id: str) -> bool:
        """Tell whether a patient's number is a pseudonym made here with this key."""
        return bool(_PATIENT.fullmatch(patient_id)) and patient_id[13:] == self._patient_check(
            patient_id[1:13]
        )

    def _patient_check(self, part: str) -> str:
        return _letters(_digest(self._keys["check"], part), 8)

    def shift_days(self, patient_id: str, min_days: int, max_days: int, *, whole_weeks: bool) -> int:
        """Return by how many days this patient's dates are moved (into the past); 0 for a pseudonym.

        Whoever bears a pseudonym already has had the dates moved.
        """
        if self.is_own_patient(patient_id):
            return 0
        drawn = int.from_bytes(_digest(self._keys["days"], patient_id)[:8], "big")
        step = 7 if whole_weeks else 1
        first, last = -(-min_days // step), max_days // step
        return -step * (first + drawn % (last - first + 1))

    def short(self, text: str) -> str:
        """Return eight letters or digits for a file or folder's name (PS3.10 section 8.5), by key."""
        return _letters(_digest(self._keys["uid"], f"name\0{text}"), 8)


def _digest(key: bytes, text: str) -> bytes:
    """Keyed BLAKE2b of 32 bytes (RFC 7693 section 2.9)."""
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), key=key[:64], digest_size=32).digest()


def _letters(digest: bytes, count: int) -> str:
    return base64.b32encode(digest).decode()[:count]


def _uuid8(free: int) -> int:
    """Put 122 free bits around the version (8) and variant (10) of RFC 9562."""
    high, mid, low = free >> 74, free >> 62 & 0xFFF, free & ((1 << 62) - 1)
    return high << 80 | 8 << 76 | mid << 64 | 0b10 << 62 | low


def _free_bits(number: int) -> int | None:
    made = uuid.UUID(int=number)
    if made.version != 8 or made.variant != uuid.RFC_4122:
        return None
    return number >> 80 << 74 | (number >> 64 & 0xFFF) << 62 | number & ((1 << 62) - 1)
