"""How doctors judge a reader: counts for the quality officer, without names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from coread.casebook import Casebook


@dataclass(frozen=True, slots=True)
class VerdictStatistic:
    """How often doctors judged alike under the same circumstances."""

    reader_version: str
    code: str
    """Meaning of the finding's code."""
    verdict: str
    reason: str
    """Empty unless rejected."""
    doctor: str
    """A digest that stands for the doctor: the same doctor, the same digest."""
    site: str
    modality: str
    age_band: str
    sex: str
    count: int
    active_s: float
    """Seconds of active work, summed."""


def verdict_statistics(
    casebook: Casebook, reader: str, since: datetime | None = None
) -> tuple[VerdictStatistic, ...]:
    """Count the verdicts that stand on a reader's findings."""
    return tuple(
        VerdictStatistic(
            reader_version=counted.reader_version,
            code=counted.code,
            verdict=counted.verdict,
            reason=counted.reason,
            doctor=_pseudonym(counted.person_id),
            site=counted.site,
            modality=counted.modality,
            age_band=counted.age_band,
            sex=counted.sex,
            count=counted.count,
            active_s=counted.active_s,
        )
        for counted in casebook.verdicts(reader, since)
    )


def _pseudonym(person_id: str) -> str:
    return hashlib.sha256(f"doctor\x1f{person_id}".encode()).hexdigest()[:12]
