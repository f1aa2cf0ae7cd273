"""The officer's desk: exports are looked at here, corrected, accepted or thrown away."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from coread.domain.consent import PatientIdentity, Permit, Status, Use, passes
from coread.domain.event import Event
from coread.errors import DecisionRefused
from coread.governance.deidentify.export import FileOutcome
from coread.governance.exports.drawing import Originals, Painter
from coread.governance.exports.job import HELD, Box, Job, State, StudyPart
from coread.governance.exports.making import Auditor, Maker, Wish, warnings_of
from coread.governance.exports.releasing import dropped, manifest_of, moved_out
from coread.governance.exports.shelf import Shelf
from coread.ledger import Ledger

#: `coread.governance.Consents.may`: whether what belongs to a person may be put to a use.
May = Callable[[PatientIdentity, Use, datetime], Permit]

_PROGRAM = "system"
_WAITING: frozenset[State] = frozenset((State.WAITING,))


class ExportDesk:
    """All exports of a clinic.

    Parameters
    ----------
    home
        Folder of the jobs, inside the hospital.
    ledger
        Takes every act.
    clock
        Tells the time.
    originals
        Kind of source to what gives an original's bytes.
    may
        Asked for each person before anything leaves; None where nobody keeps consents.
    """

    def __init__(
        self,
        home: Path,
        ledger: Ledger,
        clock: Callable[[], datetime],
        originals: Originals,
        may: May | None = None,
    ) -> None:
        self._home = home
        self._ledger = ledger
        self._clock = clock
        self._painter = Painter(originals)
        self._may = may

    # -- making ----------------------------------------------------------------------------------------

    def begin(self, wish: Wish) -> Shelf:
        """Make an empty job; what is made for it goes into its ``held`` folder."""
        at = self._clock()
        shelf = Shelf.make(self._home, f"{at:%Y%m%d}-{secrets.token_hex(6)}")
        profile = wish.profile
        job = Job(
            id=shelf.folder.name,
            profile=profile.name,
            title=profile.title,
            status=profile.status,
            domain=wish.domain,
            purpose=str(wish.purpose),
            kind=wish.kind,
            out=str(wish.out.absolute()),
            made_at=at.isoformat(timespec="seconds"),
            made_by=wish.by,
            beyond=profile.beyond_this_program,
        )
        shelf.keep(job)
        return shelf

    def make(self, shelf: Shelf, outcomes: Iterable[FileOutcome], auditor: Auditor | None = None) -> Job:
        """Take in what a de-identification gives; the job then waits.

        Parameters
        ----------
        shelf
            As `begin` made it.
        outcomes
            Of the objects, as they are written into its ``held`` folder.
        auditor
            Searches the output for what was in the input; None leaves the audit out, and the job says so.
        """
        with shelf.locked():
            job = Maker(shelf, shelf.job(), _reference(shelf.job().kind)).collect(outcomes)
            if auditor is not None:
                job = dataclasses.replace(job, audit=tuple(auditor()), audited=True)
            job = dataclasses.replace(job, state=State.WAITING, warnings=warnings_of(job))
            shelf.keep(job)
            self._record(job, "export.made", job.made_by, {"leaks": str(len(job.audit))})
            return self._without_withdrawn(shelf)

    # -- looking ---------------------------------------------------------------------------------------

    def list(self) -> list[Job]:
        """Return all jobs, the newest first."""
        found = [Shelf(path.parent).job() for path in self._home.glob("*/job.json")]
        return sorted(found, key=lambda job: (job.made_at, job.id), reverse=True)

    def get(self, job_id: str) -> Job:
        """Return a job; who has withdrawn consent meanwhile is dropped from it first.

        Raises
        ------
        NotFound
            If there is none of this id.
        """
        shelf = Shelf.find(self._home, job_id)
        if self._may is None or shelf.job().state not in HELD:
            return shelf.job()
        with shelf.locked():
            return self._without_withdrawn(shelf)

    def persons(self, job_id: str) -> Mapping[str, Mapping[str, object]]:
        """Return who stands behind each pseudonym of a waiting job: for the vault."""
        return Shelf.find(self._home, job_id).persons()

    def study(self, job_id: str, number: int) -> StudyPart:
        """Return one study of a job.

        Raises
        ------
        NotFound
            If there is none, or it was forgotten after the decision.
        """
        return Shelf.find(self._home, job_id).study(number)

    def seen(self, job_id: str, study: int, actor: str) -> None:
        """Put it on record that somebody looked at a study, names and all."""
        job = Shelf.find(self._home, job_id).job()
        self._record(job, "export.seen", actor, {"study": str(study)})

    def picture(self, job_id: str, study: int, number: int, side: str, frame: int = 1) -> bytes:
        """Return a frame as PNG.

        Parameters
        ----------
        side
            ``before``: the original, what is blank outlined; ``after``: as it goes out.

        Raises
        ------
        NotFound
            If there is no such object, frame or side.
        """
        return self._painter.picture(Shelf.find(self._home, job_id), (study, number), side, frame)

    # -- acts ------------------------------------------------------------------------------------------

    def add_box(
        self, job_id: str, place: tuple[int, int], box: Box, actor: str, *, whole_series: bool
    ) -> None:
        """Blank a rectangle in all frames of an object, or of every object of its series and size.

        Parameters
        ----------
        place
            Number of the study, and of the object in it.

        Raises
        ------
        NotFound, BadQuery, DecisionRefused
            If there is no such object, the box lies outside it, or the job waits no longer.
        """
        with self._open(job_id) as (shelf, job):
            changed = self._painter.add(shelf, place, box, whole_series=whole_series)
            facts = {"study": str(place[0]), "object": str(place[1]), "objects": str(changed)}
            box_px = (box.left_px, box.top_px, box.width_px, box.height_px)
            self._record(job, "export.box-added", actor, {**facts, "box_px": " ".join(map(str, box_px))})

    def take_box_back(self, job_id: str, place: tuple[int, int], index: int, actor: str) -> None:
        """Take back a box that was drawn by hand; the pixels come back from the original.

        Raises
        ------
        NotFound, DecisionRefused
            If there is no such box, or the job waits no longer.
        """
        with self._open(job_id) as (shelf, job):
            self._painter.take_back(shelf, place, index)
            facts = {"study": str(place[0]), "object": str(place[1])}
            self._record(job, "export.box-removed", actor, facts)

    def accept(self, job_id: str, seen: Iterable[str], actor: str, reason: str = "") -> Job:
        """Let a job go out: each of its warnings must have been seen.

        What goes out is what is held now: its hash is in the event, and is checked again on the way.

        Raises
        ------
        NotFound, DecisionRefused
            If there is no such job, it waits no longer, or a warning was not seen.
        """
        with self._open(job_id) as (shelf, job):
            unseen = [code for code in job.warnings if code not in set(seen)]
            if unseen:
                raise DecisionRefused(
                    "warnings that nobody says to have seen",
                    "a tick at each",
                    "look at what each warning is about, then tick it",
                    where=", ".join(unseen),
                )
            decided = dataclasses.replace(
                self._decided(job, State.ACCEPTED, actor, reason), manifest_sha256=manifest_of(shelf, job)
            )
            shelf.keep(decided)
            facts = {"manifest_sha256": decided.manifest_sha256, "seen": " ".join(sorted(job.warnings))}
            self._record(decided, "export.accepted", actor, facts)
        return self.release(job_id)

    def release(self, job_id: str) -> Job:
        """Bring an accepted job out; done again after a fault it goes on where it was.

        Raises
        ------
        NotFound, DecisionRefused
            If there is no such job, or nobody has accepted it.
        ChecksumMismatch
            If an object is not what was accepted.
        """
        shelf = Shelf.find(self._home, job_id)
        with shelf.locked():
            job = self._without_withdrawn(shelf)
            if job.state is State.RELEASED:
                return job
            if job.state is not State.ACCEPTED:
                raise _refused(job)
            moved_out(shelf, job)
            self._tell_of_studies(shelf, job)
            job = shelf.keep(dataclasses.replace(job, state=State.RELEASED, audit=()))
            shelf.forget(held=True)
            self._record(job, "export.released", _PROGRAM, {"manifest_sha256": job.manifest_sha256})
            return job

    def reject(self, job_id: str, reason: str, actor: str) -> Job:
        """Throw a job away; its objects are deleted, the reason stays.

        Raises
        ------
        NotFound, DecisionRefused
            If there is no such job, it waits no longer, or no reason is given.
        """
        if not reason.strip():
            raise DecisionRefused("no reason", "why it may not go out", "say in a few words what is wrong")
        with self._open(job_id, _WAITING | {State.MAKING}) as (shelf, job):
            decided = dataclasses.replace(self._decided(job, State.REJECTED, actor, reason), audit=())
            shelf.keep(decided)
            shelf.forget(held=True)
            self._record(decided, "export.rejected", actor, {})
            return decided

    def drop_withdrawn(self) -> int:
        """Drop from every job that is held whoever has withdrawn consent; return how many jobs changed."""
        changed = 0
        for job in self.list():
            if job.state in HELD:
                changed += self.get(job.id).objects != job.objects
        return changed

    # -- inside ----------------------------------------------------------------------------------------

    @contextmanager
    def _open(self, job_id: str, states: Set[State] = _WAITING) -> Iterator[tuple[Shelf, Job]]:
        """Give a job to work on: locked, and in one of the states, or the work is refused."""
        shelf = Shelf.find(self._home, job_id)
        with shelf.locked():
            job = self._without_withdrawn(shelf)
            if job.state not in states:
                raise _refused(job)
            yield shelf, job

    def _decided(self, job: Job, state: State, actor: str, reason: str) -> Job:
        at = self._clock().isoformat(timespec="seconds")
        return dataclasses.replace(
            job, state=state, decided_at=at, decided_by=actor, reason=reason.strip()[:1000]
        )

    @passes(Use.LEARNING, Use.FEDERATION, Use.TEACHING)
    def _without_withdrawn(self, shelf: Shelf) -> Job:
        """Drop whoever does not agree (any more) to this use. The one place where consent meets an export."""
        job = shelf.job()
        if self._may is None or job.state not in HELD:
            return job
        gone = {
            pseudonym
            for pseudonym, person in shelf.persons().items()
            if any(self._denies(PatientIdentity(*each), job) for each in person["identities"])
        }
        if not gone:
            return job
        job = dropped(shelf, job, gone)
        self._record(job, "export.dropped", _PROGRAM, {"persons": str(len(gone))})
        return job

    def _denies(self, person: PatientIdentity, job: Job) -> bool:
        """Tell whether a person stands against a job.

        Whoever is in a folder from elsewhere may have agreed elsewhere: there only a word on record counts.
        """
        if self._may is None:
            return False
        permit = self._may(person, Use(job.purpose), self._clock())
        silent = (Status.NOT_ASKED, Status.UNKNOWN_PERSON)
        return not permit.is_allowed and not (job.kind == "folder" and permit.standing.status in silent)

    def _tell_of_studies(self, shelf: Shelf, job: Job) -> None:
        """Put it on each study's own record that it has left: an account of disclosures."""
        at = self._clock()
        facts = {"export": job.id, "profile": job.profile, "domain": job.domain, "purpose": job.purpose}
        for person in shelf.persons().values():
            for former_uid in person["studies"].values():
                key = f"export:{job.id}:{former_uid}"
                self._ledger.append(Event("study.exported", former_uid, job.decided_by, at, facts, key))

    def _record(self, job: Job, kind: str, actor: str, facts: Mapping[str, str]) -> None:
        about = {"profile": job.profile, "domain": job.domain, "objects": str(job.objects)}
        self._ledger.append(Event(kind, job.id, actor, self._clock(), {**about, **facts}))


def _refused(job: Job) -> DecisionRefused:
    return DecisionRefused(
        f"an export that is {job.state}", "one that waits", "load the page anew", where=job.id
    )


def _reference(kind: str) -> Callable[[FileOutcome], str]:
    """Return how the original of an outcome is found again: by its path, or by its name alone."""
    if kind == "folder":
        return lambda outcome: str(outcome.source.resolve())
    return lambda outcome: str(outcome.source)
