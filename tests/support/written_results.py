"""Readings to write, and ways to look at what was written."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pydicom

from coread.domain import codes
from coread.domain.bundle import Card
from coread.domain.finding import Box, Confidence, Finding, HeatMap, Presence
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome, ReaderIdentity, Reading, Reason
from coread.results import ResultObject, write

WRITTEN_AT = datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=UTC)

IDENTITY = ReaderIdentity("chest-radiograph", "1.2.3", "CoRead", "ab" * 32)

CARD = Card(
    identity=IDENTITY,
    title="Chest radiograph reader",
    title_zh="胸片判读",
    intended_use="Draws attention to opacities of the lung on frontal chest radiographs.",
    intended_use_zh="提示正位胸片上的肺部致密影。",
    limits=("Children under two years",),
    modalities=("CR", "DX"),
    finding=codes.LUNG_OPACITY,
    threshold=0.5,
    attribution=("NIH",),
    explanation_passed=True,
    evidence_grade="retrospective",
)


def hot_map(image, row=2, column=5, grid=8, frame=1):
    """A map of one hot cell over the whole frame."""
    facts = image.header.facts
    values = np.zeros((grid, grid), np.float32)
    values[row, column] = 1
    extent = Box(0, 0, float(facts["Columns"]), float(facts["Rows"]))
    return HeatMap(values, extent, frame, "class activation map")


def finding_on(image, heat="one cell", presence=Presence.PRESENT, boxes=(), number=1):
    ref = image.header.ref
    return Finding(
        code=codes.LUNG_OPACITY,
        presence=presence,
        confidence=Confidence(0.83, 0.7, 0.9, calibrated_on="held-out patients"),
        image=ref,
        site=codes.LUNG,
        tracking_uid=derive_uid("tracking", ref.sop_instance_uid, str(number)),
        tracking_id=f"Lung opacity {number}",
        boxes=tuple(boxes),
        heat_map=hot_map(image) if heat == "one cell" else heat,
    )


def reading_of(image, findings=(), outcome=Outcome.FINDINGS, **more):
    reason = None
    if outcome is not Outcome.FINDINGS:
        reason = Reason("not-frontal-chest", "This is no frontal chest radiograph", "不是正位胸片")
    ref = image.header.ref
    return Reading(ref.study_instance_uid, 1, IDENTITY, outcome, (ref,), tuple(findings), reason, **more)


@dataclass
class Written:
    """What came out, by kind."""

    objects: tuple[ResultObject, ...]

    def of(self, kind):
        return [made for made in self.objects if made.kind == kind]

    def dataset(self, kind, index=0):
        return pydicom.dcmread(io.BytesIO(self.of(kind)[index].data))

    def dicom(self):
        return [made for made in self.objects if made.media_type == "application/dicom"]

    def fhir(self, resource_type):
        own = [made for made in self.objects if made.id.startswith(f"{resource_type}/")]
        return [json.loads(made.data) for made in own]


def written(image, findings=None, card=CARD, at=WRITTEN_AT, **reading):
    if findings is None and "outcome" not in reading:
        findings = (finding_on(image),)
    return Written(write(reading_of(image, findings or (), **reading), (image,), card, at))
