"""How a reader does on people like this one, out of its own evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coread.domain.codes import Code
from coread.review.study_review import Measured, Performance, PerformanceRow

Facts = Mapping[str, str]
Json = Mapping[str, Any]

_AGE = re.compile(r"(\d{3})([DWMY])")
_UNITS_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}
_UNDER = re.compile(r"under (\d+)")
_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
_OVER = re.compile(r"(\d+) (?:and over|or older)|(\d+)\+")
_DIGITS_OF_A_DATE = 8


@dataclass(frozen=True, slots=True)
class Who:
    """What of a patient and an image an evaluation may be divided by; empty where it is not known."""

    age_years: float | None
    sex: str
    """``F``, ``M`` or ``O``."""
    view: str
    """View Position (0018,5101)."""


def who(study: Facts, image: Facts) -> Who:
    """Read age, sex and view from the facts of a study and of one of its images."""
    sex = (study.get("PatientSex") or image.get("PatientSex") or "").strip().upper()
    view = (image.get("ViewPosition") or "").strip().upper()
    return Who(age_years(study), sex if sex in ("F", "M", "O") else "", view)


def age_years(study: Facts) -> float | None:
    """Return the patient's age at the study: Patient's Age (0010,1010), else from birth and study date.

    Examples
    --------
    >>> age_years({"PatientAge": "018M"})
    1.5
    >>> age_years({"PatientBirthDate": "19800301", "StudyDate": "20260228"})
    45.0
    """
    if match := _AGE.fullmatch(study.get("PatientAge", "").strip().upper()):
        return int(match[1]) / _UNITS_PER_YEAR[match[2]]
    born, seen = study.get("PatientBirthDate", ""), study.get("StudyDate", "")
    if not all(len(date) == _DIGITS_OF_A_DATE and date.isdigit() for date in (born, seen)) or born > seen:
        return None
    return float(int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:]))


def age_band(age: float | None) -> str:
    """Return the band that statistics count by.

    Examples
    --------
    >>> age_band(17.9), age_band(40), age_band(None)
    ('under 18', '40-64', '')
    """
    if age is None:
        return ""
    bands = ((18, "under 18"), (40, "18-39"), (65, "40-64"))
    return next((name for end, name in bands if age < end), "65 and over")


def performance(evaluation: Json | None, person: Who, evidence_grade: str = "") -> Performance:
    """Pick out of an evaluation what was measured on such people.

    Parameters
    ----------
    evaluation
        As in a bundle's ``evaluation.json``: ``sites`` and ``subgroups`` of sources, each a figure or a
        mapping of dimension and group to figures. What is missing is left out.
    person
        Of the study at hand.
    evidence_grade
        Of the reader's card.

    Returns
    -------
    Performance
        Every source as a whole, each group that the person belongs to, and the dimensions in which nobody
        like this person was tested.
    """
    if not evaluation:
        return Performance((), (), evidence_grade)
    rows = [_row(source, "all", "", figures) for source, figures in _members(evaluation, "sites")]
    subgroups = list(_members(evaluation, "subgroups"))
    found = [row for source, groups in subgroups for row in _like(source, groups, person)]
    covered = {row.dimension for row in found}
    asked = {"age_years": _shown_age(person.age_years), "sex": person.sex, "view": person.view}
    divided = {name for _, groups in subgroups for name in groups}
    untested = tuple(
        (name, value) for name, value in asked.items() if value and name in divided and name not in covered
    )
    return Performance((*rows, *found), untested, evidence_grade)


def of_finding(evaluation: Json | None, code: Code, main: Code | None) -> Json | None:
    """Return the part of an evaluation that speaks of one finding.

    Parameters
    ----------
    evaluation
        Of a reader; one of several findings holds ``sites`` and ``subgroups`` of each under ``findings``, by
        code value. What stands at its top is of the main finding.
    code, main
        The finding, and the reader's main one; None where the reader is not installed any more.

    Returns
    -------
    Mapping or None
        None where nothing was measured of this finding: another's figures would mislead.
    """
    held = evaluation.get("findings") if evaluation else None
    own = held.get(code.value) if isinstance(held, Mapping) else None
    if isinstance(own, Mapping) and ("sites" in own or "subgroups" in own):
        return own
    is_main = main is None or (main.scheme, main.value) == (code.scheme, code.value)
    return evaluation if is_main else None


def _members(evaluation: Json, name: str) -> Iterator[tuple[str, Json]]:
    held = evaluation.get(name)
    for source, member in held.items() if isinstance(held, Mapping) else ():
        if isinstance(member, Mapping):
            yield str(source), member


def _like(source: str, dimensions: Json, person: Who) -> Iterator[PerformanceRow]:
    for dimension, groups in dimensions.items():
        for group, figures in groups.items() if isinstance(groups, Mapping) else ():
            if isinstance(figures, Mapping) and _belongs(person, dimension, str(group)):
                yield _row(source, dimension, str(group), figures)


def _belongs(person: Who, dimension: str, group: str) -> bool:
    if dimension == "age_years":
        return person.age_years is not None and _in_band(person.age_years, group)
    value = {"sex": person.sex, "view": person.view}.get(dimension, "")
    return bool(value) and value == group.upper()


def _in_band(age: float, group: str) -> bool:
    if match := _UNDER.fullmatch(group):
        return age < int(match[1])
    if match := _RANGE.fullmatch(group):
        return int(match[1]) <= age < int(match[2]) + 1
    match = _OVER.fullmatch(group)
    return match is not None and age >= int(match[1] or match[2])


def _row(source: str, dimension: str, group: str, figures: Json) -> PerformanceRow:
    return PerformanceRow(
        source=source,
        dimension=dimension,
        group=group,
        images=int(figures.get("images", 0)),
        patients=int(figures.get("patients", 0)),
        positives=int(figures.get("positives", 0)),
        is_enough=figures.get("enough_cases") is True,
        auc=_measured(figures.get("auc")),
        sensitivity=_measured(figures.get("sensitivity")),
        specificity=_measured(figures.get("specificity")),
    )


def _measured(figure: object) -> Measured | None:
    if not isinstance(figure, Mapping):
        return None
    values = [figure.get(name) for name in ("value", "lower", "upper", "level")]
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    return Measured(*numbers) if len(numbers) == len(values) else None


def _shown_age(age: float | None) -> str:
    return "" if age is None else f"{age:g}"
