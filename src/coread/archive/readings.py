"""Readings as kept: saved once each, read back as they were."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from coread.archive.database import Database
from coread.archive.rows import encode
from coread.archive.tables import READINGS
from coread.domain.codes import Code
from coread.domain.finding import Box, Confidence, Finding, HeatMap, Measurement, Presence
from coread.domain.reading import Outcome, ReaderIdentity, Reading, Reason
from coread.domain.study import InstanceRef
from coread.errors import NotFound

Json = Mapping[str, Any]


class Readings:
    """All readings of all versions of all studies; none is ever changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, reading: Reading) -> None:
        """Keep a reading; one of the same `Reading.uid` that is kept already stays as it is."""
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = {
            "uid": reading.uid,
            "study_instance_uid": reading.study_instance_uid,
            "study_version": reading.study_version,
            "reader": str(reading.reader),
            "outcome": str(reading.outcome),
            "reading": reading_to_json(reading),
        }
        with self._database.write() as connection:
            connection.execute(dialect.insert(READINGS).values(row).on_conflict_do_nothing())

    def get(self, uid: str) -> Reading:
        """Return the reading of this `Reading.uid`.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.read() as connection:
            text = connection.execute(select(READINGS.c.reading).where(READINGS.c.uid == uid)).scalar()
        if text is None:
            raise NotFound("a UID of no reading", remedy="check the UID")
        return reading_from_json(text)

    def of_study(self, study_instance_uid: str) -> tuple[Reading, ...]:
        """Return a study's readings, ordered by study version, then reader."""
        statement = (
            select(READINGS.c.reading)
            .where(READINGS.c.study_instance_uid == study_instance_uid)
            .order_by(READINGS.c.study_version, READINGS.c.reader, READINGS.c.uid)
        )
        with self._database.read() as connection:
            return tuple(reading_from_json(text) for text in connection.execute(statement).scalars())


def reading_to_json(reading: Reading) -> str:
    """Write a reading as JSON; heat maps as base64 of little endian float32."""
    return encode(
        {
            "study_instance_uid": reading.study_instance_uid,
            "study_version": reading.study_version,
            "reader": _plain(reading.reader),
            "outcome": str(reading.outcome),
            "inputs": [_plain(ref) for ref in reading.inputs],
            "findings": [_finding_to_json(finding) for finding in reading.findings],
            "reason": reading.reason and _plain(reading.reason),
            "predecessor_uid": reading.predecessor_uid,
        }
    )


def reading_from_json(text: str) -> Reading:
    """Read what `reading_to_json` wrote."""
    data = json.loads(text)
    return Reading(
        study_instance_uid=data["study_instance_uid"],
        study_version=data["study_version"],
        reader=ReaderIdentity(**data["reader"]),
        outcome=Outcome(data["outcome"]),
        inputs=tuple(InstanceRef(**ref) for ref in data["inputs"]),
        findings=tuple(_finding_from_json(finding) for finding in data["findings"]),
        reason=Reason(**data["reason"]) if data["reason"] else None,
        predecessor_uid=data["predecessor_uid"],
    )


def _plain(value: Any) -> dict[str, Any]:
    """Return the fields of a flat value."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "code": _plain(finding.code),
        "presence": str(finding.presence),
        "confidence": _plain(finding.confidence),
        "image": _plain(finding.image),
        "site": finding.site and _plain(finding.site),
        "tracking_uid": finding.tracking_uid,
        "tracking_id": finding.tracking_id,
        "boxes": [_plain(box) for box in finding.boxes],
        "measurements": [_measurement_to_json(measurement) for measurement in finding.measurements],
        "heat_map": finding.heat_map and _heat_map_to_json(finding.heat_map),
    }


def _finding_from_json(data: Json) -> Finding:
    return Finding(
        code=Code(**data["code"]),
        presence=Presence(data["presence"]),
        confidence=Confidence(**data["confidence"]),
        image=InstanceRef(**data["image"]),
        site=Code(**data["site"]) if data["site"] else None,
        tracking_uid=data["tracking_uid"],
        tracking_id=data["tracking_id"],
        boxes=tuple(Box(**box) for box in data["boxes"]),
        measurements=tuple(_measurement_from_json(item) for item in data["measurements"]),
        heat_map=_heat_map_from_json(data["heat_map"]) if data["heat_map"] else None,
    )


def _measurement_to_json(measurement: Measurement) -> dict[str, Any]:
    return {
        "quantity": _plain(measurement.quantity),
        "value": measurement.value,
        "unit": _plain(measurement.unit),
    }


def _measurement_from_json(data: Json) -> Measurement:
    return Measurement(Code(**data["quantity"]), data["value"], Code(**data["unit"]))


def _heat_map_to_json(heat_map: HeatMap) -> dict[str, Any]:
    values = np.ascontiguousarray(heat_map.values, dtype="<f4")
    return {
        "shape": list(values.shape),
        "values": base64.b64encode(values.tobytes()).decode("ascii"),
        "extent": _plain(heat_map.extent),
        "frame": heat_map.frame,
        "method": heat_map.method,
    }


def _heat_map_from_json(data: Json) -> HeatMap:
    values = np.frombuffer(base64.b64decode(data["values"]), dtype="<f4").reshape(data["shape"])
    return HeatMap(values.astype(np.float32), Box(**data["extent"]), data["frame"], data["method"])
