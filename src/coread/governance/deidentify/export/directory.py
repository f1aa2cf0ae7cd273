"""The directory of media (DICOMDIR, PS3.3 annex F) written anew for what went out."""

from __future__ import annotations

import struct
from pathlib import Path

from coread.dicom import part10_prefix, read_meta
from coread.errors import InputFault
from coread.governance.deidentify.deidentifier import Deidentifier, Refused
from coread.governance.deidentify.header import HeaderCleaner, plan_for
from coread.governance.deidentify.header.subject import Subject
from coread.governance.deidentify.stream import Element, Item, encoding_of, read_elements, write_elements
from coread.governance.deidentify.texts import collect

_RECORDS, _NEXT, _IN_USE, _LOWER = 0x00041220, 0x00041400, 0x00041410, 0x00041420
_ROOTS = (0x00041200, 0x00041202)
_FILE_SET_ID, _DESCRIPTOR, _FILE_ID, _TYPE = 0x00041130, 0x00041141, 0x00041500, 0x00041430
_PATIENT_ID, _PATIENT_NAME = 0x00100020, 0x00100010
_SOP_CLASS = "1.2.840.10008.1.3.10"


def rewrite_directory(path: Path, deidentifier: Deidentifier, places: dict[Path, Path]) -> bytes | Refused:
    """Return a directory whose records say what went out.

    Each record is cleaned like an object, under its own patient's pseudonym. Records of files that stayed are
    set out of use (Record In-use Flag 0000H). Offsets are set to where the records now begin.

    Parameters
    ----------
    path
        The old DICOMDIR.
    deidentifier
        Profile and pseudonyms.
    places
        Old file to new file, relative to the output folder.
    """
    data = path.read_bytes()
    try:
        meta = read_meta(data)
        elements = read_elements(data, meta.data_set_offset, encoding_of(meta.transfer_syntax_uid))
    except InputFault as fault:
        return Refused(f"cannot be read whole: {fault.sentence} [{fault.number}]")
    records = next((e for e in elements if e.tag == _RECORDS), None)
    if records is None or records.items is None:
        return Refused("a directory without records")
    old_offsets = [item.offset for item in records.items]
    files = {path.parent.joinpath(*_parts(item)).resolve(): item for item in records.items if _parts(item)}
    for old, item in files.items():
        _point(item, places.get(old))
    _clean(elements, records, deidentifier)
    return _with_offsets(elements, records, old_offsets, meta.sop_instance_uid, deidentifier)


def _parts(item: Item) -> list[str]:
    value = next((bytes(e.value) for e in item if e.tag == _FILE_ID), b"")
    return [part for part in value.decode("latin-1").strip(" \0").split("\\") if part]


def _point(item: Item, place: Path | None) -> None:
    for element in item:
        if element.tag == _FILE_ID:
            element.value = "\\".join(place.parts).encode() if place is not None else b""
        elif element.tag == _IN_USE and place is None:
            element.value = b"\0\0"


def _clean(elements: Item, records: Element, deidentifier: Deidentifier) -> None:
    plan, pseudonyms = plan_for(deidentifier.profile), deidentifier.pseudonyms
    known = collect(elements, plan.kept, pseudonyms.is_own_patient)
    dates = deidentifier.profile.dates
    number = ""
    cleaned: list[Item] = []
    for item in records.items or ():
        own = next((bytes(e.value).decode("latin-1").strip(" \0") for e in item if e.tag == _PATIENT_ID), "")
        number = own or number
        days = pseudonyms.shift_days(number, dates.min_days, dates.max_days, whole_weeks=dates.keep_weekday)
        subject = Subject(number, pseudonyms.patient(number), days)
        cleaned.append(HeaderCleaner(plan, pseudonyms, subject, known).clean(item))
    records.items = cleaned
    elements[:] = [e for e in elements if e.tag not in (_FILE_SET_ID, _DESCRIPTOR)]


def _with_offsets(
    elements: Item, records: Element, old: list[int], instance_uid: str, deidentifier: Deidentifier
) -> bytes:
    prefix = part10_prefix(_SOP_CLASS, deidentifier.pseudonyms.uid(instance_uid), "1.2.840.10008.1.2.1")
    encoding = encoding_of("1.2.840.10008.1.2.1")
    first = prefix + write_elements(elements, encoding)
    placed = read_elements(first, len(prefix), encoding)
    new = [item.offset for e in placed if e.tag == _RECORDS for item in e.items or ()]
    moved = dict(zip(old, new, strict=True)) | {0: 0}
    for element in elements:
        if element.tag in _ROOTS:
            element.value = _moved(element, moved)
    for item in records.items or ():
        for element in item:
            if element.tag in (_NEXT, _LOWER):
                element.value = _moved(element, moved)
    return prefix + write_elements(elements, encoding)


def _moved(element: Element, moved: dict[int, int]) -> bytes:
    old = struct.unpack("<L", bytes(element.value))[0]
    return struct.pack("<L", moved.get(old, 0))
