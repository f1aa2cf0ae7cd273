"""Restricted studies in the reading list: that there is one, and nothing of whom or what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from coread.review import Entry, Question, Worklist


def without_restricted(
    found: Worklist, hidden: Collection[str], words: tuple[str, str], is_searched: bool
) -> Worklist:
    """Take from a list what a restricted study tells of its patient.

    Parameters
    ----------
    found
        The list.
    hidden
        Study Instance UIDs that whoever looks may not see.
    words
        Stand where name and description would.
    is_searched
        Whether the list is what a search for a person found: then a restricted study is left out, for that
        it is found would tell whose it is.
    """
    if not hidden:
        return found
    entries = (
        _masked(entry, words) if entry.study_instance_uid in hidden else entry
        for entry in found.entries
        if not (is_searched and entry.study_instance_uid in hidden)
    )
    return replace(found, entries=tuple(entries))


def open_questions(questions: Sequence[Question], hidden: Collection[str]) -> list[Question]:
    """Leave out questions about studies that whoever looks may not see."""
    return [question for question in questions if question.study_instance_uid not in hidden]


def _masked(entry: Entry, words: tuple[str, str]) -> Entry:
    facts = dict(zip(("PatientName", "StudyDescription"), words, strict=True))
    return replace(entry, facts=facts, answers=(), reasons=())
