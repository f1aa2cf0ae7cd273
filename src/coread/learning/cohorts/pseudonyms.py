"""Names that lead nobody to a person, and the same name for the same person while the key is kept."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

OLDEST_TOLD_YEARS = 90.0
"""Ages above 89 are told as 90: 45 CFR 164.514(b)(2)(i)(C)."""


class Pseudonyms:
    """Keyed hashes (HMAC-SHA-256) of identifiers.

    Parameters
    ----------
    key
        At least 16 bytes. Who holds it can link a cohort to its patients; without it nobody can. A random key
        that is thrown away if left out.
    """

    def __init__(self, key: bytes = b"") -> None:
        if key and len(key) < 16:
            raise ValueError("a key of pseudonyms has at least 16 bytes")
        self._key = key or secrets.token_bytes(32)

    @classmethod
    def kept_in(cls, path: Path) -> Pseudonyms:
        """With the key of a file, which is made (readable by its owner only) if it is not there."""
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(32))
        return cls(path.read_bytes())

    def of(self, kind: str, *values: str) -> str:
        """Pseudonym of an identifier, e.g. ``patient-3f9a...``; 16 hexadecimal digits."""
        text = "\x00".join((kind, *values))
        return f"{kind}-{hmac.new(self._key, text.encode(), 'sha256').hexdigest()[:16]}"


def age_years(age: str, birth_date: str = "", study_date: str = "") -> float | None:
    """Age of a DICOM age string (PS3.5 VR AS), else of two dates; None where unknown.

    Examples
    --------
    >>> age_years("006M"), age_years("094Y"), age_years("", "19800615", "20200614")
    (0.5, 90.0, 39.0)
    """
    per_year = {"Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.2425}
    if len(age) == 4 and age[:3].isdigit() and age[3] in per_year:
        return min(int(age[:3]) / per_year[age[3]], OLDEST_TOLD_YEARS)
    if len(birth_date) == len(study_date) == 8 and (birth_date + study_date).isdigit():
        years = int(study_date[:4]) - int(birth_date[:4]) - (study_date[4:] < birth_date[4:])
        return min(float(years), OLDEST_TOLD_YEARS) if years >= 0 else None
    return None
