"""Questions to the index, matched as QIDO-RS and C-FIND match (PS3.4 section C.2.2.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    true,
)

from coread.archive.rows import integer, integer_text, name_groups
from coread.archive.tables import INSTANCES, SERIES, STUDIES
from coread.domain.identity import is_uid
from coread.errors import BadQuery

Condition = ColumnElement[bool]
Facts = dict[str, str]

_MAX_LIMIT = 100_000
_MAX_VALUES = 1000
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?")
_LATEST_TIME = "235959.999999"
_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    Examples
    --------
    >>> Query({"PatientName": "wang*", "StudyDate": "20260101-"}, limit=20).limit
    20
    """

    matches: Mapping[str, str] = field(default_factory=dict)
    """Keyword to value: single value, UID list (``\\`` or ``,``), wildcards ``*`` and ``?``, or a range
    ``from-to`` of dates or times. An empty value matches everything. `SEARCHABLE` names the keywords."""
    limit: int = 100
    offset: int = 0
    hidden: frozenset[str] = frozenset()
    """Study Instance UIDs of studies that whoever asks may not see."""

    def __post_init__(self) -> None:
        if not (0 <= self.limit <= _MAX_LIMIT and self.offset >= 0):
            raise BadQuery(
                f"limit {self.limit} and offset {self.offset}",
                f"a limit of 0 to {_MAX_LIMIT}, and an offset of at least 0",
                where="limit, offset",
            )
        object.__setattr__(self, "matches", MappingProxyType(dict(self.matches)))


_UIDS: Mapping[str, tuple[Column[Any], ...]] = {
    "StudyInstanceUID": (
        STUDIES.c.study_instance_uid,
        SERIES.c.study_instance_uid,
        INSTANCES.c.study_instance_uid,
    ),
    "SeriesInstanceUID": (SERIES.c.series_instance_uid, INSTANCES.c.series_instance_uid),
    "SOPInstanceUID": (INSTANCES.c.sop_instance_uid,),
    "SOPClassUID": (INSTANCES.c.sop_class_uid,),
}
_TEXTS: Mapping[str, Column[Any]] = {
    "PatientID": STUDIES.c.patient_id,
    "PatientSex": STUDIES.c.patient_sex,
    "AccessionNumber": STUDIES.c.accession_number,
    "StudyID": STUDIES.c.study_id,
    "StudyDescription": STUDIES.c.study_description,
    "Modality": SERIES.c.modality,
    "SeriesDescription": SERIES.c.series_description,
    "BodyPartExamined": SERIES.c.body_part_examined,
}
_DATES: Mapping[str, Column[Any]] = {
    "StudyDate": STUDIES.c.study_date,
    "PatientBirthDate": STUDIES.c.patient_birth_date,
    "SeriesDate": SERIES.c.series_date,
    "PerformedProcedureStepStartDate": SERIES.c.pps_start_date,
}
_STUDY_KEYS = frozenset(
    {
        "StudyInstanceUID",
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "StudyDescription",
        "ReferringPhysicianName",
        "ModalitiesInStudy",
    }
)
_SERIES_KEYS = frozenset(
    {
        "SeriesInstanceUID",
        "Modality",
        "SeriesNumber",
        "SeriesDescription",
        "SeriesDate",
        "BodyPartExamined",
        "PerformedProcedureStepStartDate",
    }
)
_INSTANCE_KEYS = frozenset({"SOPInstanceUID", "SOPClassUID", "InstanceNumber"})

#: The keywords that may be asked at each level; each is answered from an index.
SEARCHABLE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "study": _STUDY_KEYS,
        "series": _STUDY_KEYS | _SERIES_KEYS,
        "instance": _STUDY_KEYS | _SERIES_KEYS | _INSTANCE_KEYS,
    }
)


def find_studies(connection: Connection, query: Query) -> list[Facts]:
    """Return the facts of matching studies, the newest first."""
    conditions = _conditions(connection, query, "study")
    statement = select(STUDIES.c.study_instance_uid, STUDIES.c.facts).where(_has_instances(), *conditions)
    statement = statement.order_by(STUDIES.c.study_moment.desc(), STUDIES.c.study_instance_uid)
    rows = connection.execute(_page(statement, query)).all()
    related = _related(connection, [row.study_instance_uid for row in rows])
    return [_facts(row) | related[row.study_instance_uid] for row in rows]


def find_series(connection: Connection, query: Query) -> list[Facts]:
    """Return the facts of matching series, each with those of its study."""
    conditions = _conditions(connection, query, "series")
    on_study = STUDIES.c.study_instance_uid == SERIES.c.study_instance_uid
    statement = (
        select(
            SERIES.c.study_instance_uid,
            SERIES.c.series_instance_uid,
            SERIES.c.instances,
            SERIES.c.facts,
            STUDIES.c.facts.label("study_facts"),
        )
        .join(STUDIES, on_study)
        .where(*conditions)
        .order_by(
            SERIES.c.study_instance_uid,
            func.length(SERIES.c.series_number),
            SERIES.c.series_number,
            SERIES.c.series_instance_uid,
        )
    )
    rows = connection.execute(_page(statement, query)).all()
    related = _related(connection, sorted({row.study_instance_uid for row in rows}))
    return [_series_facts(row) | related[row.study_instance_uid] for row in rows]


def find_instances(connection: Connection, query: Query) -> list[Facts]:
    """Return the facts of matching instances."""
    conditions = _conditions(connection, query, "instance")
    statement = select(INSTANCES)
    if query.matches.keys() & (_STUDY_KEYS - {"StudyInstanceUID"}):
        statement = statement.join(STUDIES, STUDIES.c.study_instance_uid == INSTANCES.c.study_instance_uid)
    if query.matches.keys() & (_SERIES_KEYS - {"SeriesInstanceUID"}):
        statement = statement.join(SERIES, _same_series())
    statement = statement.where(*conditions).order_by(
        INSTANCES.c.study_instance_uid,
        INSTANCES.c.series_instance_uid,
        INSTANCES.c.instance_number,
        INSTANCES.c.sop_instance_uid,
    )
    return [_instance_facts(row) for row in connection.execute(_page(statement, query))]


def _page(statement: Select[Any], query: Query) -> Select[Any]:
    return statement.limit(query.limit).offset(query.offset)


def _has_instances() -> Condition:
    return exists().where(SERIES.c.study_instance_uid == STUDIES.c.study_instance_uid)


def _same_series() -> Condition:
    return and_(
        SERIES.c.study_instance_uid == INSTANCES.c.study_instance_uid,
        SERIES.c.series_instance_uid == INSTANCES.c.series_instance_uid,
    )


def _related(connection: Connection, uids: Sequence[str]) -> dict[str, Facts]:
    """Return counts and modalities of studies, summed over their few series rows."""
    query = select(SERIES.c.study_instance_uid, SERIES.c.modality, SERIES.c.instances)
    series: dict[str, list[tuple[str, int]]] = {uid: [] for uid in uids}
    for row in connection.execute(query.where(SERIES.c.study_instance_uid.in_(uids))):
        series[row.study_instance_uid].append((row.modality, row.instances))
    return {
        uid: {
            "NumberOfStudyRelatedSeries": str(len(group)),
            "NumberOfStudyRelatedInstances": str(sum(count for _, count in group)),
            "ModalitiesInStudy": "\\".join(sorted({modality for modality, _ in group} - {""})),
        }
        for uid, group in series.items()
    }


def _facts(row: Row[Any]) -> Facts:
    facts: Facts = json.loads(row.facts)
    facts["StudyInstanceUID"] = row.study_instance_uid
    return facts


def _series_facts(row: Row[Any]) -> Facts:
    own = {
        "SeriesInstanceUID": row.series_instance_uid,
        "NumberOfSeriesRelatedInstances": str(row.instances),
    }
    study: Facts = json.loads(row.study_facts)
    return study | _facts(row) | own


def _instance_facts(row: Row[Any]) -> Facts:
    own = {
        "SeriesInstanceUID": row.series_instance_uid,
        "SOPInstanceUID": row.sop_instance_uid,
        "SOPClassUID": row.sop_class_uid,
        "AvailableTransferSyntaxUID": row.transfer_syntax_uid,
    }
    return _facts(row) | own


def _conditions(connection: Connection, query: Query, level: str) -> list[Condition]:
    if unknown := sorted(query.matches.keys() - SEARCHABLE[level]):
        raise BadQuery(
            f"a query for {', '.join(unknown)}",
            f"some of {', '.join(sorted(SEARCHABLE[level]))}",
            "leave these keys out",
            where=f"{level} query",
        )
    wanted = {keyword: value for keyword, value in query.matches.items() if value not in ("", "*")}
    is_sqlite = connection.dialect.name == "sqlite"
    conditions = _combined_moment(wanted)
    if query.hidden:
        conditions.append(_column_at(level, "StudyInstanceUID").not_in(query.hidden))
    return conditions + [_condition(level, keyword, wanted[keyword], is_sqlite) for keyword in wanted]


def _condition(level: str, keyword: str, value: str, is_sqlite: bool) -> Condition:
    if keyword in _UIDS:
        return _in_uids(_column_at(level, keyword), value, keyword)
    if keyword in _DATES:
        return _date_range(_DATES[keyword], value, keyword)
    if keyword in _TEXTS:
        return _texts(_TEXTS[keyword], value, is_sqlite)
    return _SPECIAL[keyword](value, is_sqlite)


def _column_at(level: str, keyword: str) -> Column[Any]:
    """Return the column of a UID in the table that the level is asked of."""
    table = {"study": "studies", "series": "series", "instance": "instances"}[level]
    return next(column for column in _UIDS[keyword] if column.table.name == table)


def _in_uids(column: Column[Any], value: str, keyword: str) -> Condition:
    uids = [uid.strip() for uid in value.replace(",", "\\").split("\\")]
    if len(uids) > _MAX_VALUES:
        raise BadQuery(f"{len(uids)} UIDs", f"at most {_MAX_VALUES}", "ask in parts", where=keyword)
    return column.in_([uid for uid in uids if is_uid(uid)])


def _texts(column: Column[Any], value: str, is_sqlite: bool) -> Condition:
    return or_(*(_text(column, part.strip(), is_sqlite) for part in value.split("\\")[:_MAX_VALUES]))


def _text(column: Column[Any], value: str, is_sqlite: bool) -> Condition:
    """Match one value, with wildcards, case and all; its literal beginning is looked up in the index."""
    if "*" not in value and "?" not in value:
        return column == value
    start = re.split(r"[*?]", value, maxsplit=1)[0]
    in_index = and_(column >= start, column < start[:-1] + chr(ord(start[-1]) + 1)) if start else true()
    if is_sqlite:
        return and_(in_index, column.op("GLOB", is_comparison=True)(value.replace("[", "[[]")))
    pattern = re.sub(r"([\\%_])", r"\\\1", value).replace("*", "%").replace("?", "_")
    return and_(in_index, column.like(pattern, escape=_ESCAPE))


def _name(value: str, is_sqlite: bool) -> Condition:
    """Match a person's name, upper and lower case alike, in any of its component groups.

    A query without ``=`` may be written in any script; one with ``=`` names its groups.
    """
    columns = (STUDIES.c.patient_name, STUDIES.c.patient_name_ideographic, STUDIES.c.patient_name_phonetic)
    groups = name_groups(value)
    if "=" not in value:
        return or_(*(_text(column, groups[0], is_sqlite) for column in columns))
    pairs = zip(columns, groups, strict=True)
    return and_(true(), *(_text(column, group, is_sqlite) for column, group in pairs if group))


def _modalities(value: str, is_sqlite: bool) -> Condition:
    """Match studies that hold a series of one of the modalities."""
    # A second name of the table, since a query on series already has the first.
    series = SERIES.alias("any_series")
    of_study = select(series.c.study_instance_uid).where(_texts(series.c.modality, value, is_sqlite))
    return STUDIES.c.study_instance_uid.in_(of_study)


def _physician(value: str, is_sqlite: bool) -> Condition:
    return _text(STUDIES.c.referring_physician_name, name_groups(value)[0], is_sqlite)


def _study_time(value: str, _: bool) -> Condition:
    return _time_range(STUDIES.c.study_time, value, "StudyTime")


def _series_number(value: str, _: bool) -> Condition:
    return SERIES.c.series_number == integer_text(value)


def _instance_number(value: str, _: bool) -> Condition:
    number = integer(value)
    return false() if number is None else INSTANCES.c.instance_number == number


_SPECIAL: Mapping[str, Callable[[str, bool], Condition]] = {
    "PatientName": _name,
    "ReferringPhysicianName": _physician,
    "StudyTime": _study_time,
    "ModalitiesInStudy": _modalities,
    "SeriesNumber": _series_number,
    "InstanceNumber": _instance_number,
}


def _date_range(column: Column[Any], value: str, keyword: str) -> Condition:
    return _between(column, *_ends(value, _DATE, keyword))


def _time_range(column: Column[Any], value: str, keyword: str) -> Condition:
    first, last = _ends(value, _TIME, keyword)
    return _between(column, first and _earliest(first), last and _latest(last))


def _combined_moment(wanted: dict[str, str]) -> list[Condition]:
    """Take a range of dates with a range of times as one range from moment to moment.

    PS3.4 section C.2.2.2.5.1 leaves combined matching to agreement; it is what people mean by
    "from Monday 18:00 to Tuesday 06:00".
    """
    date, time = wanted.get("StudyDate", ""), wanted.get("StudyTime", "")
    if "-" not in date or "-" not in time:
        return []
    (first_day, last_day), (first, last) = _ends(date, _DATE, "StudyDate"), _ends(time, _TIME, "StudyTime")
    del wanted["StudyDate"], wanted["StudyTime"]
    start = first_day and first_day + _earliest(first or "00")
    end = last_day and last_day + _latest(last or _LATEST_TIME)
    return [_between(STUDIES.c.study_moment, start, end)]


def _between(column: Column[Any], first: str, last: str) -> Condition:
    """Match a value from first to last, both within; an empty end is open. No value never matches."""
    return and_(column >= first if first else column > "", column <= last if last else true())


def _ends(value: str, form: re.Pattern[str], keyword: str) -> tuple[str, str]:
    """Split ``a-b``, ``a-``, ``-b`` or ``a`` into both ends, checked."""
    plain = value.strip().replace(":", "") if form is _TIME else value.strip()
    first, dash, last = plain.partition("-")
    ends = (first, last if dash else first)
    if not any(ends) or any(end and not form.fullmatch(end) for end in ends):
        raise BadQuery(
            "a value that is no date, time or range of them",
            "YYYYMMDD or HHMMSS, or two of them joined by a hyphen",
            where=keyword,
        )
    return ends


def _earliest(time: str) -> str:
    return _whole(time, "000000", "000000")


def _latest(time: str) -> str:
    return _whole(time, _LATEST_TIME[:6], _LATEST_TIME[7:])


def _whole(time: str, seconds: str, fraction: str) -> str:
    """Fill up a TM value: its missing hours, minutes, seconds and fraction."""
    whole, _, part = time.partition(".")
    return f"{whole + seconds[len(whole) :]}.{part + fraction[len(part) :]}"
