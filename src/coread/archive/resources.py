"""FHIR resources as kept: JSON text under type and id, found by a few of their terms."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from coread.archive.clock import to_us
from coread.archive.database import Database
from coread.archive.tables import RESOURCE_TERMS, RESOURCES
from coread.errors import BadQuery, NotFound

#: Search parameters of FHIR R4 that are answered, of any resource type.
SEARCH_PARAMETERS = frozenset(
    {"_id", "study", "identifier", "status", "code", "subject", "patient", "based-on", "result", "target"}
)
_REFERENCES = {"subject": "subject", "basedOn": "based-on", "result": "result", "target": "target"}
_MAX_TERM = 500


class Resources:
    """The newest version of each FHIR resource."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, resource_type: str, id: str, study_instance_uid: str, json_text: str, at: datetime) -> None:
        """Keep a resource; the same text again changes nothing, another text is the next version."""
        self.put_all(study_instance_uid, [(resource_type, id, json_text)], at)

    def put_all(
        self, study_instance_uid: str, resources: Iterable[tuple[str, str, str]], at: datetime
    ) -> None:
        """Keep resources, each (type, id, JSON text), in one transaction: all of them or none."""
        with self._database.write() as connection:
            for resource_type, id, json_text in resources:
                row: dict[str, Any] = {"resource_type": resource_type, "id": id}
                row |= {"study_instance_uid": study_instance_uid}
                row |= {"version": 1, "updated_us": to_us(at), "json": json_text}
                self._put(connection, row)

    def _put(self, connection: Connection, row: Mapping[str, Any]) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(RESOURCES).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=["resource_type", "id"],
            set_={
                "version": RESOURCES.c.version + 1,
                "json": statement.excluded.json,
                "updated_us": statement.excluded.updated_us,
            },
            where=RESOURCES.c.json != statement.excluded.json,
        )
        if connection.execute(statement).rowcount:
            kind, id = row["resource_type"], row["id"]
            is_it = (RESOURCE_TERMS.c.resource_type == kind) & (RESOURCE_TERMS.c.id == id)
            connection.execute(delete(RESOURCE_TERMS).where(is_it))
            if terms := _term_rows(kind, id, row["json"]):
                connection.execute(insert(RESOURCE_TERMS), terms)

    def get(self, resource_type: str, id: str) -> str:
        """Return a resource's JSON text.

        Raises
        ------
        NotFound
            If there is none.
        """
        statement = select(RESOURCES.c.json).where(
            RESOURCES.c.resource_type == resource_type, RESOURCES.c.id == id
        )
        with self._database.read() as connection:
            text = connection.execute(statement).scalar()
        if text is None:
            raise NotFound(f"no {resource_type} of this id", remedy="search for it by study")
        return str(text)

    def of_study(self, study_instance_uid: str) -> list[str]:
        """Return the JSON texts of all resources of a study."""
        statement = (
            select(RESOURCES.c.json)
            .where(RESOURCES.c.study_instance_uid == study_instance_uid)
            .order_by(RESOURCES.c.resource_type, RESOURCES.c.id)
        )
        with self._database.read() as connection:
            return list(connection.execute(statement).scalars())

    def study_of(self, resource_type: str, id: str) -> str:
        """Return the Study Instance UID that a resource belongs to; empty where there is no such resource."""
        statement = select(RESOURCES.c.study_instance_uid).where(
            RESOURCES.c.resource_type == resource_type, RESOURCES.c.id == id
        )
        with self._database.read() as connection:
            return str(connection.execute(statement).scalar() or "")

    def search(
        self,
        resource_type: str,
        params: Mapping[str, str],
        limit: int = 100,
        offset: int = 0,
        hidden: Collection[str] = (),
    ) -> list[str]:
        """Return the JSON texts of matching resources, the newest first.

        Parameters
        ----------
        resource_type
            E.g. ``DiagnosticReport``.
        params
            Of `SEARCH_PARAMETERS`; tokens as ``code`` or ``system|code``, references as
            ``Patient/1``. ``study`` is a Study Instance UID (ours, not of FHIR).
        limit, offset
            Page.
        hidden
            Study Instance UIDs of studies that whoever asks may not see.

        Raises
        ------
        BadQuery
            If a parameter is not one of them.
        """
        if unknown := sorted(params.keys() - SEARCH_PARAMETERS):
            raise BadQuery(
                f"parameter {', '.join(unknown)}", f"some of {', '.join(sorted(SEARCH_PARAMETERS))}"
            )
        statement = select(RESOURCES.c.json).where(RESOURCES.c.resource_type == resource_type)
        if hidden:
            statement = statement.where(RESOURCES.c.study_instance_uid.not_in(hidden))
        for name, value in params.items():
            statement = statement.where(_has(resource_type, name, value))
        statement = statement.order_by(RESOURCES.c.updated_us.desc(), RESOURCES.c.id)
        with self._database.read() as connection:
            return list(connection.execute(statement.limit(limit).offset(offset)).scalars())


def _has(resource_type: str, name: str, value: str) -> Any:
    values = value.split(",")
    if name == "_id":
        return RESOURCES.c.id.in_(values)
    if name == "study":
        return RESOURCES.c.study_instance_uid.in_(values)
    if name == "patient":
        name, values = "subject", [v if "/" in v else f"Patient/{v}" for v in values]
    return RESOURCES.c.id.in_(
        select(RESOURCE_TERMS.c.id).where(
            RESOURCE_TERMS.c.resource_type == resource_type,
            RESOURCE_TERMS.c.name == name,
            RESOURCE_TERMS.c.term.in_(values),
        )
    )


def _term_rows(resource_type: str, id: str, json_text: str) -> list[dict[str, str]]:
    terms = sorted(set(_terms(json.loads(json_text))))
    return [
        {"resource_type": resource_type, "id": id, "name": name, "term": term}
        for name, term in terms
        if len(term) <= _MAX_TERM
    ]


def _terms(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give (search parameter, term) for what a resource may be found by."""
    if isinstance(resource.get("status"), str):
        yield "status", resource["status"]
    for identifier in _several(resource.get("identifier")):
        yield from _tokens("identifier", identifier.get("system"), identifier.get("value"))
    for coding in _several((resource.get("code") or {}).get("coding")):
        yield from _tokens("code", coding.get("system"), coding.get("code"))
    for element, name in _REFERENCES.items():
        for reference in _several(resource.get(element)):
            if "reference" in reference:
                yield name, reference["reference"]


def _several(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _tokens(name: str, system: str | None, code: str | None) -> Iterator[tuple[str, str]]:
    if code:
        yield name, code
        yield name, f"{system or ''}|{code}"
