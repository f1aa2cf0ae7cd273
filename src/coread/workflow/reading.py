"""The two steps of one reader: read the study, then write and file what was read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from coread import __version__
from coread.dicom import DicomObject, open_object
from coread.domain.consent import NO_CONSENT, Permit, Use, no_consent, passes
from coread.domain.reading import Outcome, Prompt, ReaderIdentity, Reading
from coread.domain.study import Instance, Study
from coread.errors import ReaderUnavailable
from coread.ledger import leaf_hash, root
from coread.readers import Case, Reader, eligible, run
from coread.results import ResultObject, write
from coread.workflow.bundles import is_decided
from coread.workflow.planning import Plan, planned_at, study_of
from coread.workflow.rooms import Rooms

_FHIR = "fhir"
_BUNDLE = "Bundle/"
_FILING_THREADS = 4


def read(rooms: Rooms, plan: Plan, name: str) -> str:
    """Let a reader read the images of its kind; keep the reading and return its UID.

    Raises
    ------
    ReaderUnavailable
        If the reader is not installed or cannot be loaded.
    StoreFault
        If an image is gone or changed.
    """
    reading = _kept(rooms, plan, name) or _read_anew(rooms, plan, name)
    facts = dict(rooms.consents.may(plan["study_uid"], Use.AI).facts)
    facts |= {"reading": reading.uid, "version": str(reading.study_version), "outcome": str(reading.outcome)}
    facts["reason"] = reading.reason.code if reading.reason else ""
    facts |= _record(rooms, plan, reading)
    key, actor = f"reading.made:{reading.uid}", f"reader:{reading.reader}"
    rooms.ledger.append(rooms.event("reading.made", plan["study_uid"], key, actor, **facts))
    return reading.uid


@passes(Use.AI)
def write_results(rooms: Rooms, plan: Plan, reading_uid: str) -> dict[str, list[str]]:
    """Write a reading's results and file them; return which of them go to which destination.

    The bytes are a function of the reading and of the time that the plan holds, so that
    doing it twice files each object once. Of a patient who does not agree to AI nothing is written.
    """
    reading = rooms.readings.get(reading_uid)
    if is_withheld(rooms, reading):
        return {}
    card = rooms.registry.reader(reading.reader.name).card
    wanted = {ref.sop_instance_uid for ref in reading.inputs}
    shown = [i for i in study_of(rooms, plan).instances if i.ref.sop_instance_uid in wanted]
    images = _opened(rooms, shown, check=False)  # the step before has checked them
    written = write(reading, images, card, planned_at(plan))
    objects = [result for result in written if result.kind != _FHIR]
    _file_resources(rooms, plan, [result for result in written if result.kind == _FHIR])
    with ThreadPoolExecutor(_FILING_THREADS, "filing") as pool:  # each file waits for the disk by itself
        list(pool.map(partial(_file, rooms, reading), objects))
    parcels = _plan_deliveries(rooms, plan, [result.id for result in written])
    facts = {"reading": reading_uid, "kinds": " ".join(sorted({result.kind for result in written}))}
    key, actor = f"results.filed:{reading_uid}", f"reader:{reading.reader}"
    rooms.ledger.append(rooms.event("results.filed", plan["study_uid"], key, actor, **facts))
    return parcels


def _record(rooms: Rooms, plan: Plan, reading: Reading) -> dict[str, str]:
    """Return what the record says of how a reading came about: software, weights, and all inputs by hash.

    ``inputs_sha256`` is the RFC 6962 root over the SHA-256 of each image, in the order of their UIDs.
    """
    given = {ref.sop_instance_uid for ref in reading.inputs}
    images = [i for i in study_of(rooms, plan).instances if i.ref.sop_instance_uid in given]
    in_order = sorted(images, key=lambda image: image.ref.sop_instance_uid)
    return {
        "inputs": str(len(reading.inputs)),
        "inputs_sha256": root([leaf_hash(bytes.fromhex(image.sha256)) for image in in_order]).hex(),
        "weights_sha256": reading.reader.weights_sha256,
        "software": f"coread {__version__}",
        "count": str(len(reading.findings)),
    }


def _kept(rooms: Rooms, plan: Plan, name: str) -> Reading | None:
    """Find the reading that a step cut off before its end has kept.

    Asked by name, not by UID: if the reader was replaced in between, the study still gets one reading.
    """
    readings = rooms.readings.of_study(plan["study_uid"])
    own = (r for r in readings if r.reader.name == name and r.prompt is None)
    return next((r for r in own if r.study_version == plan["version"]), None)


@passes(Use.AI)
def _read_anew(rooms: Rooms, plan: Plan, name: str) -> Reading:
    reader = rooms.registry.reader(name)
    if not isinstance(reader, Reader):
        raise ReaderUnavailable("a reader that answers only where it is asked", "one that reads", where=name)
    predecessor = next(r["predecessor_uid"] for r in plan["readers"] if r["name"] == name)
    permit = rooms.consents.may(plan["study_uid"], Use.AI)
    if permit.is_allowed:
        study = study_of(rooms, plan)
        images = _opened(rooms, eligible(reader.card, study) or _one_of_each_series(study))
        reading = run(reader, Case(study, plan["version"], images), predecessor)
    else:
        reading = abstained(plan, reader.card.identity, permit, predecessor)
    rooms.readings.save(reading)
    return reading


def abstained(
    plan: Plan, reader: ReaderIdentity, permit: Permit, predecessor: str = "", prompt: Prompt | None = None
) -> Reading:
    """Return the reading of a reader that was not run, because the patient does not agree to it."""
    return Reading(
        study_instance_uid=plan["study_uid"],
        study_version=plan["version"],
        reader=reader,
        outcome=Outcome.ABSTAINED,
        inputs=(),
        reason=no_consent(permit),
        predecessor_uid=predecessor,
        prompt=prompt,
    )


def is_withheld(rooms: Rooms, reading: Reading) -> bool:
    """Tell whether what a reader said goes nowhere: it was not run, or consent was withdrawn since."""
    is_unread = reading.reason is not None and reading.reason.code == NO_CONSENT
    return is_unread or not rooms.consents.may(reading.study_instance_uid, Use.AI).is_allowed


def _one_of_each_series(study: Study) -> tuple[Instance, ...]:
    """Choose what to show a reader that reads nothing of this kind, so that its gate says why."""
    first = {i.ref.series_instance_uid: i for i in reversed(study.instances)}
    return tuple(first[uid] for uid in study.series_instance_uids)


def _opened(rooms: Rooms, instances: Sequence[Instance], *, check: bool = True) -> tuple[DicomObject, ...]:
    return tuple(open_object(rooms.archive.read_object(i, check=check)) for i in instances)


def _file(rooms: Rooms, reading: Reading, result: ResultObject) -> None:
    rooms.intake.accept_bytes(result.data, f"reader:{reading.reader.name}")


def _file_resources(rooms: Rooms, plan: Plan, written: Sequence[ResultObject]) -> None:
    named = [(*result.id.split("/", 1), result.data.decode()) for result in written]
    undecided = [
        (kind, id, text) for kind, id, text in named if not is_decided(rooms.resources, kind, id, text)
    ]
    rooms.resources.put_all(plan["study_uid"], undecided, planned_at(plan))


def _plan_deliveries(rooms: Rooms, plan: Plan, ids: Sequence[str]) -> dict[str, list[str]]:
    """Plan every delivery; return the objects for each destination."""
    parcels = {
        name: [i for i in ids if is_for(i, rooms.destinations[name].kind)] for name in plan["destinations"]
    }
    for name, objects in parcels.items():
        for identifier in objects:
            rooms.deliveries.plan(plan["study_uid"], identifier, name, planned_at(plan))
    return parcels


def is_fhir(identifier: str) -> bool:
    """Tell whether an object is a FHIR resource; all others are SOP instances.

    Examples
    --------
    >>> is_fhir("DiagnosticReport/1"), is_fhir("2.25.1")
    (True, False)
    """
    return "/" in identifier


def is_for(identifier: str, destination_kind: str) -> bool:
    """Tell whether a result goes to a kind of destination.

    A FHIR server gets the transaction Bundle alone: sent one by one, a resource would come before what it
    refers to and be refused. All others get the SOP instances.

    Examples
    --------
    >>> is_for("Bundle/1", "fhir"), is_for("Device/1", "fhir"), is_for("2.25.1", "dimse")
    (True, False, True)
    """
    if destination_kind == _FHIR:
        return identifier.startswith(_BUNDLE)
    return not is_fhir(identifier)
