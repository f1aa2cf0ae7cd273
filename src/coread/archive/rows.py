"""Between headers and table rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from coread.archive.clock import from_us
from coread.domain.study import Header, Instance, InstanceRef

Facts = Mapping[str, str]

_STUDY_FACTS = (
    "SpecificCharacterSet",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "TimezoneOffsetFromUTC",
    "InstitutionName",
)
_SERIES_FACTS = (
    "SpecificCharacterSet",
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "SeriesDate",
    "SeriesTime",
    "BodyPartExamined",
    "Laterality",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "Manufacturer",
    "ManufacturerModelName",
    "StationName",
    "ProtocolName",
    "TimezoneOffsetFromUTC",
    "InstitutionName",
)
_LEADING_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,15})")
_DIGITS = re.compile(r"[0-9]")

#: Longest text that is searched: an index entry of PostgreSQL holds 2,700 bytes.
_MAX_SEARCHED = 256
#: Longest fact that is kept in the index. The file itself is kept as it came.
_MAX_FACT = 1024

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def study_row(header: Header) -> dict[str, Any]:
    """Return the searched columns and facts of a study, as its first instance states them."""
    facts = header.facts
    alphabetic, ideographic, phonetic = name_groups(_searched(facts, "PatientName"))
    date, time = _date(facts.get("StudyDate", "")), _time(facts.get("StudyTime", ""))
    return {
        "study_instance_uid": header.ref.study_instance_uid,
        "patient_id": _searched(facts, "PatientID"),
        "patient_name": alphabetic,
        "patient_name_ideographic": ideographic,
        "patient_name_phonetic": phonetic,
        "patient_birth_date": _date(facts.get("PatientBirthDate", "")),
        "patient_sex": _searched(facts, "PatientSex"),
        "study_date": date,
        "study_time": time,
        "study_moment": moment(date, time),
        "accession_number": _searched(facts, "AccessionNumber"),
        "study_id": _searched(facts, "StudyID"),
        "study_description": _searched(facts, "StudyDescription"),
        "referring_physician_name": name_groups(_searched(facts, "ReferringPhysicianName"))[0],
        "facts": _kept(facts, _STUDY_FACTS),
    }


def series_row(header: Header) -> dict[str, Any]:
    """Return the searched columns and facts of a series, as its first instance states them."""
    facts = header.facts
    return {
        "study_instance_uid": header.ref.study_instance_uid,
        "series_instance_uid": header.ref.series_instance_uid,
        "modality": _searched(facts, "Modality"),
        "series_number": integer_text(_searched(facts, "SeriesNumber")),
        "series_description": _searched(facts, "SeriesDescription"),
        "series_date": _date(facts.get("SeriesDate", "")),
        "body_part_examined": _searched(facts, "BodyPartExamined"),
        "pps_start_date": _date(facts.get("PerformedProcedureStepStartDate", "")),
        "facts": _kept(facts, _SERIES_FACTS),
    }


def header_row(header: Header) -> dict[str, Any]:
    """Return the columns that name an instance, with all its facts."""
    ref = header.ref
    return {
        "sop_instance_uid": ref.sop_instance_uid,
        "study_instance_uid": ref.study_instance_uid,
        "series_instance_uid": ref.series_instance_uid,
        "sop_class_uid": ref.sop_class_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "facts": _kept(header.facts, header.facts),
    }


def instance_of(row: Mapping[Any, Any]) -> Instance:
    """Return the instance that a row of `instances` or `conflicts` holds."""
    ref = InstanceRef(
        row["study_instance_uid"],
        row["series_instance_uid"],
        row["sop_instance_uid"],
        row["sop_class_uid"],
    )
    return Instance(
        header=Header(ref, row["transfer_syntax_uid"], json.loads(row["facts"])),
        object_key=row["object_key"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        received_at=from_us(row["received_us"]),
        source=row["source"],
    )


def _searched(facts: Facts, keyword: str) -> str:
    """Return a fact as both database systems can keep and index it: PostgreSQL's text holds no NUL."""
    return _plain(facts.get(keyword, ""))[:_MAX_SEARCHED].replace("\0", "")


def _kept(facts: Facts, keywords: Iterable[str]) -> str:
    return encode({word: _plain(facts[word])[:_MAX_FACT] for word in keywords if word in facts})


def _plain(text: str) -> str:
    """Return `text` without what is no character in UTF-8 (lone surrogates of a wrong charset)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def name_groups(name: str) -> tuple[str, str, str]:
    """Return the three component groups of a person's name, folded for search (PS3.5 section 6.2.1).

    Examples
    --------
    >>> name_groups("Wang^XiaoDong^^=王^小东=")
    ('wang^xiaodong', '王^小东', '')
    """
    groups = [group.rstrip("^ ").casefold() for group in name.split("=")[:3]]
    alphabetic, ideographic, phonetic = (*groups, "", "", "")[:3]
    return alphabetic, ideographic, phonetic


def integer(text: str) -> int | None:
    """Return the integer of an IS value, or None where it has none."""
    match = _LEADING_INTEGER.match(text)
    return int(match[1]) if match else None


def integer_text(text: str) -> str:
    """Return an IS value without padding zeros or blanks, so that ``01`` equals ``1``."""
    value = integer(text)
    return text if value is None else str(value)


def moment(date: str, time: str) -> str:
    """Return date and time as one text that sorts, or nothing without a date."""
    return date + time if date else ""


def _date(text: str) -> str:
    """Return a DA value as eight digits; the old form ``2001.02.03`` is understood (PS3.5 table 6.2-1)."""
    digits = "".join(_DIGITS.findall(text))
    return digits if len(digits) == 8 else ""


def _time(text: str) -> str:
    """Return a TM value as ``HHMMSS.FFFFFF``, cut parts filled with zeros."""
    whole, _, fraction = text.strip().replace(":", "").partition(".")
    if not whole.isdigit() or len(whole) > 6:
        return ""
    return f"{whole.ljust(6, '0')}.{fraction[:6].ljust(6, '0')}"
