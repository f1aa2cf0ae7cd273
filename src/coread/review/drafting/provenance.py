"""Where each line of a saved draft comes from, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from coread.casebook import Record
from coread.domain.review import Draft, Line, Origin, Section
from coread.review.study_review import DraftFault


def traced(texts: Mapping[str, str], generated: Draft, catalogue: frozenset[str], version: int) -> Draft:
    """Return what the doctor saved as a draft whose every line knows its origin.

    A line that equals one that the template or a finding makes comes from there, each made line at most once;
    a line of the catalogue of recommendations comes from the template; every other was typed.

    Parameters
    ----------
    texts
        Section name to text, as saved, in order.
    generated
        What `compose` makes of the findings that stand now.
    catalogue
        Sentences that stand in CoRead's own lists.
    version
        Of the saved draft.
    """
    made = [line for section in generated.sections for line in section.lines]
    left = Counter(made)
    sections = tuple(
        Section(name, tuple(_line(text, made, left, catalogue) for text in _lines(body)))
        for name, body in texts.items()
    )
    return Draft(generated.template, generated.language, sections, version)


def _line(text: str, made: Sequence[Line], left: Counter[Line], catalogue: frozenset[str]) -> Line:
    for line in made:
        if line.text == text and left[line]:
            left[line] -= 1
            return line
    return Line(text, Origin.TEMPLATE if text in catalogue else Origin.TYPED)


def _lines(body: str) -> Iterator[str]:
    for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if stripped := line.strip():
            yield stripped


def draft_faults(record: Record, rejected: Mapping[str, str]) -> tuple[DraftFault, ...]:
    """Say what the doctor should know of the saved draft.

    Parameters
    ----------
    record
        With the draft.
    rejected
        Finding UID to the sentence that it would have made, for findings that were rejected.
    """
    if record.draft is None:
        return ()
    lines = [line for section in record.draft.draft.sections for line in section.lines]
    texts = {line.text for line in lines}
    mentioned = {line.finding_uid for line in lines}
    faults = [DraftFault("outdated")] if record.draft.basis != record.basis else []
    faults += [DraftFault("speaks-of-rejected", uid) for uid, said in rejected.items() if said in texts]
    reported = (d.finding_uid for d in record.decisions if d.is_in_report)
    return (*faults, *(DraftFault("unmentioned", uid) for uid in reported if uid not in mentioned))
