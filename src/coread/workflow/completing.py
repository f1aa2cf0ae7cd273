"""The first and the last step of a study: close and route it, and put its end on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from coread.domain.study import Study
from coread.routing import Routing, originals, route
from coread.workflow.rooms import Rooms


class PlannedReader(TypedDict):
    """A reader that shall read the study."""

    name: str
    priority: str
    predecessor_uid: str
    """Its reading of the study's former version; empty if there is none."""


class Plan(TypedDict):
    """What shall happen to one version of one study; written down once, so that a retry meets the same."""

    study_uid: str
    version: int
    at: str
    """When the study was closed, ISO 8601: the one time that results bear."""
    images: list[str]
    """SOP Instance UIDs that belong to this version."""
    readers: list[PlannedReader]
    destinations: list[str]


def complete(rooms: Rooms, study_uid: str, version: int) -> Plan:
    """Close a study and decide who reads it.

    Images that come from now on belong to the next version.
    """
    at = rooms.now()
    if rooms.studies.state(study_uid).version < version:
        rooms.studies.close(study_uid, at)
    study = rooms.archive.study(study_uid)
    routing = route(study, rooms.rules)
    key = f"{study_uid}:{version}"
    images = [i.ref.sop_instance_uid for i in originals(study)]
    rooms.record(
        "study.complete", study_uid, f"complete:{key}", version=str(version), images=str(len(images))
    )
    rooms.record("study.routed", study_uid, f"routed:{key}", **_decisions(routing))
    return Plan(
        study_uid=study_uid,
        version=version,
        at=at.isoformat(),
        images=images,
        readers=[_planned(rooms, study_uid, version, r.name, str(r.priority)) for r in routing.readers],
        destinations=list(routing.destinations),
    )


def finish(rooms: Rooms, plan: Plan) -> None:
    """Put on record that every reader has had its turn."""
    key = f"finished:{plan['study_uid']}:{plan['version']}"
    rooms.record("study.read", plan["study_uid"], key, version=str(plan["version"]))


def give_up(rooms: Rooms, walk_id: str, step: str, told: Mapping[str, str]) -> None:
    """Put on record that a step failed for good and its walk ended there."""
    subject = walk_id.split(":")[1]
    rooms.record("step.failed", subject, f"failed:{walk_id}:{step}", walk=walk_id, step=step, **told)


def closed_at(plan: Plan) -> datetime:
    """When the study was closed."""
    return datetime.fromisoformat(plan["at"])


def study_of(rooms: Rooms, plan: Plan) -> Study:
    """Give the study as it was when it was closed: later images left out."""
    wanted = set(plan["images"])
    study = rooms.archive.study(plan["study_uid"])
    kept = tuple(i for i in study.instances if i.ref.sop_instance_uid in wanted)
    return Study(study.study_instance_uid, kept)


def _planned(rooms: Rooms, study_uid: str, version: int, name: str, priority: str) -> PlannedReader:
    former = [
        r for r in rooms.readings.of_study(study_uid) if r.reader.name == name and r.study_version < version
    ]
    latest = max(former, key=lambda reading: reading.study_version, default=None)
    return PlannedReader(name=name, priority=priority, predecessor_uid=latest.uid if latest else "")


def _decisions(routing: Routing) -> dict[str, str]:
    readers = " ".join(f"{r.name}({r.priority})" for r in routing.readers)
    rules = " ".join(d.rule for d in routing.decisions if d.matched)
    return {"readers": readers, "destinations": " ".join(routing.destinations), "rules": rules}
