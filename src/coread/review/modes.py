"""When a doctor gets to see what a reader said. Decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from coread.casebook import Case, Record
from coread.domain.review import Mode

_OPENNESS = (Mode.TRIAGE_ONLY, Mode.BLIND_FIRST, Mode.SECOND_READER, Mode.CONCURRENT)


def reveal_by(mode: Mode, person_id: str, case: Case, record: Record) -> str:
    """Return what would reveal a reader's answer to a person: empty if it may be seen now.

    Parameters
    ----------
    mode
        In which this person reads with this reader here.
    person_id, case, record
        Who, and what has been done with the study.

    Returns
    -------
    str
        Empty, ``impression``, ``draft`` or ``never``. Once the report is signed there is nothing left to
        bias: only triage-only readers stay silent.
    """
    if mode is Mode.TRIAGE_ONLY:
        return "never"
    if mode is Mode.CONCURRENT or case.state.is_signed:
        return ""
    if mode is Mode.BLIND_FIRST:
        return "" if person_id in record.impressions else "impression"
    return "" if person_id in record.drafted_by else "draft"


def most_open(modes: Iterable[Mode], default: Mode) -> Mode:
    """Return the mode that stands in the report: the one in which the doctor saw the most.

    Examples
    --------
    >>> most_open([Mode.BLIND_FIRST, Mode.SECOND_READER], Mode.CONCURRENT)
    <Mode.SECOND_READER: 'second-reader'>
    """
    return max(modes, key=_OPENNESS.index, default=default)
