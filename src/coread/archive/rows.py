"""Between headers and table rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

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

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def study_row(header: Header) -> dict[str, Any]:
    """Return the searched columns and facts of a study, as its first instance states them."""
    facts = header.facts
    alphabetic, ideographic, phonetic = name_groups(facts.get("PatientName", ""))
    date, time = _date(facts.get("StudyDate", "")), _time(facts.get("StudyTime", ""))
    return {
        "study_instance_uid": header.ref.study_instance_uid,
        "patient_id": facts.get("PatientID", ""),
        "patient_name": alphabetic,
        "patient_name_ideographic": ideographic,
        "patient_name_phonetic": phonetic,
        "patient_birth_date": _date(facts.get("PatientBirthDate", "")),
        "patient_sex": facts.get("PatientSex", ""),
        "study_date": date,
        "study_time": time,
        "study_moment": moment(date, time),
        "accession_number": facts.get("AccessionNumber", ""),
        "study_id": facts.get("StudyID", ""),
        "study_description": facts.get("StudyDescription", ""),
        "referring_physician_name": name_groups(facts.get("ReferringPhysicianName", ""))[0],
        "facts": encode({word: facts[word] for word in _STUDY_FACTS if word in facts}),
    }


def series_row(header: Header) -> dict[str, Any]:
    """Return the searched columns and facts of a series, as its first instance states them."""
    facts = header.facts
    return {
        "study_instance_uid": header.ref.study_instance_uid,
        "series_instance_uid": header.ref.series_instance_uid,
        "modality": facts.get("Modality", ""),
        "series_number": integer_text(facts.get("SeriesNumber", "")),
        "series_description": facts.get("SeriesDescription", ""),
        "series_date": _date(facts.get("SeriesDate", "")),
        "body_part_examined": facts.get("BodyPartExamined", ""),
        "pps_start_date": _date(facts.get("PerformedProcedureStepStartDate", "")),
        "facts": encode({word: facts[word] for word in _SERIES_FACTS if word in facts}),
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
        "facts": encode(dict(header.facts)),
    }


def instance_of(row: RowMapping) -> Instance:
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
