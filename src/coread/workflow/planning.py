"""The first and the last step of a study: plan its reading, and put its end on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NotRequired, TypedDict

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
    """When the plan was made, ISO 8601: the one time that results bear."""
    images: list[str]
    """SOP Instance UIDs that belong to this version."""
    readers: list[PlannedReader]
    destinations: list[str]
    asked: NotRequired[list[str]]
    """Readers that are asked about marks that came with the study; absent in plans of earlier releases."""


def plan_reading(rooms: Rooms, study_uid: str, version: int, is_only_asked: Callable[[str], bool]) -> Plan:
    """Decide who reads a study that was closed.

    Images that come from now on belong to the next version.

    Parameters
    ----------
    is_only_asked
        Tells of a reader by its name whether it reads nothing unless it is asked.
    """
    study = rooms.archive.study(study_uid)
    routing = route(study, rooms.rules)
    if routing.priority.of_study:
        rooms.studies.raise_priority(study_uid, routing.priority.of_study)
    rooms.ledger.append(
        rooms.event(
            "study.routed", study_uid, f"study.routed:{study_uid}:{version}", **_decisions(routing, version)
        )
    )
    asked = [r.name for r in routing.readers if is_only_asked(r.name)]
    return Plan(
        study_uid=study_uid,
        version=version,
        at=rooms.now().isoformat(),
        images=[i.ref.sop_instance_uid for i in originals(study)],
        readers=[
            _planned(rooms, study_uid, version, r.name, str(r.priority))
            for r in routing.readers
            if r.name not in asked
        ],
        destinations=list(routing.destinations),
        asked=asked,
    )


def finish(rooms: Rooms, plan: Plan) -> None:
    """Put on record that every reader has had its turn."""
    uid, version = plan["study_uid"], str(plan["version"])
    rooms.ledger.append(rooms.event("study.read", uid, f"study.read:{uid}:{version}", version=version))


def give_up(rooms: Rooms, walk_id: str, step: str, told: Mapping[str, str]) -> None:
    """Put on record that a step failed for good and its walk ended there."""
    subject = walk_id.split(":")[1]
    key = f"step.failed:{walk_id}:{step}"
    rooms.ledger.append(rooms.event("step.failed", subject, key, walk=walk_id, step=step, **told))


def planned_at(plan: Plan) -> datetime:
    """When the plan was made."""
    return datetime.fromisoformat(plan["at"])


def study_of(rooms: Rooms, plan: Plan) -> Study:
    """Give the study as it was when it was planned: later images left out."""
    wanted = set(plan["images"])
    study = rooms.archive.study(plan["study_uid"])
    kept = tuple(i for i in study.instances if i.ref.sop_instance_uid in wanted)
    return Study(study.study_instance_uid, kept)


def _planned(rooms: Rooms, study_uid: str, version: int, name: str, priority: str) -> PlannedReader:
    former = [
        r
        for r in rooms.readings.of_study(study_uid)
        if r.reader.name == name and r.prompt is None and r.study_version < version
    ]
    latest = max(former, key=lambda reading: reading.study_version, default=None)
    return PlannedReader(name=name, priority=priority, predecessor_uid=latest.uid if latest else "")


def _decisions(routing: Routing, version: int) -> dict[str, str]:
    readers = " ".join(f"{r.name}({r.priority})" for r in routing.readers)
    rules = " ".join(d.rule for d in routing.decisions if d.matched)
    return {
        "version": str(version),
        "readers": readers,
        "destinations": " ".join(routing.destinations),
        "rules": rules,
    }
