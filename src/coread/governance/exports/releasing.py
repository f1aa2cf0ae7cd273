"""What leaves: checked against what was accepted, copied whole, without whoever withdrew."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from coread.errors import ChecksumMismatch, ContainerRefused
from coread.governance.exports.job import Job, State
from coread.governance.exports.making import warnings_of
from coread.governance.exports.shelf import Shelf

_RECORD = "deidentification.json"


def manifest_of(shelf: Shelf, job: Job) -> str:
    """Return the hash over path and hash of everything that is held."""
    lines = sorted(f"{target} {_hash_of(shelf.held / target)}" for target in _targets(shelf, job))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def moved_out(shelf: Shelf, job: Job) -> None:
    """Copy a job into the folder it is meant for; what lies there already of the same bytes is left.

    Beside it goes a record of numbers and rules that names nobody.

    Raises
    ------
    ChecksumMismatch
        If what is held is not what was accepted.
    ContainerRefused
        If something else lies in its place.
    """
    if manifest_of(shelf, job) != job.manifest_sha256:
        raise ChecksumMismatch(
            "other bytes than were accepted", "those", "reject the export and make it anew"
        )
    out = Path(job.out)
    for target in _targets(shelf, job):
        _copy((shelf.held / target).read_bytes(), out / target)
    text = json.dumps(record_of(job), ensure_ascii=False, indent=1)
    record = out.with_name(f"{out.name}.{_RECORD}")
    record.write_text(text, encoding="utf-8")


def record_of(job: Job) -> dict[str, Any]:
    """Return what may lie beside an export: numbers, rules and who accepted it; no value of any header."""
    return {
        "export": job.id,
        "profile": job.profile,
        "title": job.title,
        "status": job.status,
        "domain": job.domain,
        "purpose": job.purpose,
        "beyond_this_program": list(job.beyond),
        "objects_written": job.objects,
        "objects_refused": dict(job.refused),
        "studies": len(job.studies),
        "accepted_at": job.decided_at,
        "manifest_sha256": job.manifest_sha256,
        "audited": job.audited,
        "warnings_seen": dict(job.warnings),
    }


def dropped(shelf: Shelf, job: Job, pseudonyms: Set[str]) -> Job:
    """Take persons out of a job: objects, records, and who they are. A job that is empty then is over."""
    for counts in job.studies:
        if counts["pseudonym"] in pseudonyms:
            for held in shelf.study(counts["number"]).held:
                (shelf.held / held.target).unlink(missing_ok=True)
                (shelf.folder / f"masks/{counts['number']}-{held.number}.png").unlink(missing_ok=True)
            (shelf.folder / f"studies/{counts['number']}.json").unlink(missing_ok=True)
    for target in job.loose:  # a directory of media names everybody: it does not go out without some
        (shelf.held / target).unlink(missing_ok=True)
    shelf.keep_persons({p: facts for p, facts in shelf.persons().items() if p not in pseudonyms})
    studies = tuple(counts for counts in job.studies if counts["pseudonym"] not in pseudonyms)
    withdrawn = job.warnings.get("withdrawn", 0) + len(pseudonyms)
    left = dataclasses.replace(
        job,
        studies=studies,
        objects=sum(counts["objects"] for counts in studies),
        loose=(),
        warnings={**job.warnings, "withdrawn": withdrawn},
        audit=tuple(found for found in job.audit if (shelf.held / found[0]).exists()),
    )
    state = _state_after(left)
    left = dataclasses.replace(left, state=state, warnings=warnings_of(left))
    if state is State.DROPPED:
        shelf.forget(held=True)
    return shelf.keep(left)


def _state_after(job: Job) -> State:
    """Nothing left: over. What was accepted with other people in it must be looked at again."""
    return State.WAITING if job.studies else State.DROPPED


def _targets(shelf: Shelf, job: Job) -> Iterator[str]:
    for counts in job.studies:
        yield from (held.target for held in shelf.study(counts["number"]).held)
    yield from job.loose


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _copy(data: bytes, path: Path) -> None:
    if path.exists():
        if path.read_bytes() != data:
            raise ContainerRefused(
                "other bytes in the place of an object", "an empty folder", "choose another folder"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)
