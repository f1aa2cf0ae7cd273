"""Rows of heads and entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from coread.casebook.case import Case, CaseState, Entry, Holder
from coread.casebook.rows.instants import from_us, time_or_none, to_us
from coread.casebook.tables import CASES, ENTRIES
from coread.ledger import Prepared

_SEPARATOR = "\\"

Row = Mapping[Any, Any]

_HEAD = Prepared(select(CASES).where(CASES.c.study_instance_uid == bindparam("uid")))
_ADD_ENTRY = Prepared(insert(ENTRIES))


def head_row(connection: Connection, study_instance_uid: str) -> Row | None:
    """Return a study's head row, if the casebook knows the study."""
    return _HEAD.run(connection, {"uid": study_instance_uid}).first()


def save_head(connection: Connection, study_instance_uid: str, values: Row) -> None:
    """Change a study's head row."""
    is_study = CASES.c.study_instance_uid == study_instance_uid
    connection.execute(update(CASES).where(is_study).values(dict(values)))


def write_entry(connection: Connection, entry: Entry) -> None:
    """Write one entry; the primary key refuses a second one of the same revision."""
    row = {
        "study_instance_uid": entry.study_instance_uid,
        "revision": entry.revision,
        "kind": str(entry.kind),
        "person_id": entry.person_id,
        "at_us": to_us(entry.at),
        "study_version": entry.study_version,
        "finding_uid": entry.finding_uid,
        "payload": entry.payload,
    }
    _ADD_ENTRY.run(connection, row)


def case_of(row: Row) -> Case:
    """Make a head of its row."""
    return Case(
        study_instance_uid=row["study_instance_uid"],
        revision=row["revision"],
        state=CaseState(row["state"]),
        is_pending=bool(row["is_pending"]),
        is_changed=bool(row["is_changed"]),
        is_gone=bool(row["is_gone"]),
        points=row["points"],
        arrived_at=time_or_none(row["arrived_us"] or None),
        complete_at=time_or_none(row["complete_us"]),
        study_version=row["study_version"],
        reading_uids=parts(row["reading_uids"]),
        modalities=parts(row["modalities"]),
        listing=row["listing"],
        holder=_holder(row),
    )


def joined(values: tuple[str, ...]) -> str:
    r"""Write several values as one text that is searched for one of them: ``\CT\SR\``."""
    return _SEPARATOR + _SEPARATOR.join(values) + _SEPARATOR if values else ""


def parts(text: str) -> tuple[str, ...]:
    """Read what `joined` wrote."""
    return tuple(part for part in text.split(_SEPARATOR) if part)


def _holder(row: Row) -> Holder | None:
    if row["lock_person_id"] is None:
        return None
    return Holder(row["lock_person_id"], from_us(row["locked_us"]), from_us(row["lock_until_us"]))
