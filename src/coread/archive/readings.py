"""Readings as kept: saved once each, read back as they were.

A text that lacks what was added to findings later reads as a finding without it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from coread.archive.database import Database
from coread.archive.rows import encode
from coread.archive.tables import READINGS
from coread.domain.codes import Code
from coread.domain.finding import (
    Box,
    Characteristic,
    Choice,
    Confidence,
    Finding,
    HeatMap,
    Measurement,
    Outline,
    Presence,
    SimilarCase,
)
from coread.domain.reading import Outcome, Prompt, ReaderIdentity, Reading, Reason
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
            "prompt": reading.prompt and prompt_to_json(reading.prompt),
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
        prompt=prompt_from_json(data["prompt"]) if data.get("prompt") else None,
    )


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """Write a prompt as JSON values."""
    return {
        "image": _plain(prompt.image),
        "frame": prompt.frame,
        "point": prompt.point and list(prompt.point),
        "box": prompt.box and _box_to_json(prompt.box),
    }


def prompt_from_json(data: Json) -> Prompt:
    """Read what `prompt_to_json` wrote."""
    point, box = data["point"], data["box"]
    return Prompt(
        InstanceRef(**data["image"]),
        data["frame"],
        (point[0], point[1]) if point else None,
        _box_from_json(box) if box else None,
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
        "boxes": [_box_to_json(box) for box in finding.boxes],
        "measurements": [_measurement_to_json(measurement) for measurement in finding.measurements],
        "heat_map": finding.heat_map and _heat_map_to_json(finding.heat_map),
        "frame": finding.frame,
        "outlines": [_outline_to_json(outline) for outline in finding.outlines],
        "characteristics": [_characteristic_to_json(item) for item in finding.characteristics],
        "similar": [_plain(case) for case in finding.similar],
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
        boxes=tuple(_box_from_json(box) for box in data["boxes"]),
        measurements=tuple(_measurement_from_json(item) for item in data["measurements"]),
        heat_map=_heat_map_from_json(data["heat_map"]) if data["heat_map"] else None,
        frame=data.get("frame") or (data["heat_map"] or {}).get("frame", 1),
        outlines=tuple(_outline_from_json(item) for item in data.get("outlines", ())),
        characteristics=tuple(_characteristic_from_json(item) for item in data.get("characteristics", ())),
        similar=tuple(SimilarCase(**item) for item in data.get("similar", ())),
    )


def _box_to_json(box: Box) -> dict[str, Any]:
    return {**_plain(box), "label": box.label and _plain(box.label)}


def _box_from_json(data: Json) -> Box:
    label = data.get("label")
    return Box(**{**data, "label": Code(**label) if label else None})


def _outline_to_json(outline: Outline) -> dict[str, Any]:
    bits = base64.b64encode(zlib.compress(outline.bits)).decode("ascii")
    places = {name: list(getattr(outline, name)) for name in ("shape", "corner", "size")}
    return {"image": _plain(outline.image), "frame": outline.frame, **places, "bits": bits}


def _outline_from_json(data: Json) -> Outline:
    shape, corner, size = (tuple(data[name]) for name in ("shape", "corner", "size"))
    bits = zlib.decompress(base64.b64decode(data["bits"]))
    return Outline(InstanceRef(**data["image"]), data["frame"], shape, corner, size, bits)


def _characteristic_to_json(item: Characteristic) -> dict[str, Any]:
    return {
        "concept": _plain(item.concept),
        "value": _plain(item.value),
        "confidence": _plain(item.confidence),
        "choices": [{"value": _plain(c.value), "probability": c.probability} for c in item.choices],
    }


def _characteristic_from_json(data: Json) -> Characteristic:
    choices = (Choice(Code(**item["value"]), item["probability"]) for item in data["choices"])
    return Characteristic(
        Code(**data["concept"]), Code(**data["value"]), Confidence(**data["confidence"]), tuple(choices)
    )


def _measurement_to_json(measurement: Measurement) -> dict[str, Any]:
    return {
        **_plain(measurement),
        "quantity": _plain(measurement.quantity),
        "unit": _plain(measurement.unit),
    }


def _measurement_from_json(data: Json) -> Measurement:
    return Measurement(**{**data, "quantity": Code(**data["quantity"]), "unit": Code(**data["unit"])})


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
