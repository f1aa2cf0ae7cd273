"""Makes a job of what a de-identification gives, study by study."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coread.domain.consent import Use
from coread.governance.deidentify import Change, Deidentified, FoundText, Profile
from coread.governance.deidentify.export import FileOutcome
from coread.governance.deidentify.export.summary import shown
from coread.governance.deidentify.report import Leftovers, leftovers
from coread.governance.exports.job import Held, Job, StudyPart
from coread.governance.exports.shelf import Shelf

#: Values of one attribute shown in one study, and texts of one attribute kept for the officer.
_EXAMPLES, _TEXTS = 3, 200
#: Texts that people write as they like: what a program is least sure of.
FREE_TEXTS = frozenset(("ST", "LT", "UT", "UC"))

#: Gives file, where, kind and value of each thing in the output that named someone in the input.
Auditor = Callable[[], Sequence[tuple[str, str, str, str]]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants exported, and how."""

    profile: Profile
    domain: str
    out: Path
    kind: str
    """``archive`` or ``folder``."""
    by: str
    """Actor, as the ledger names it."""
    purpose: Use
    """The use that persons are asked for."""


@dataclass
class _Study:
    """One study while it is collected."""

    number: int
    uid: str
    pseudonym: str
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, Counter[str]] = field(default_factory=dict)
    private: dict[str, Counter[str]] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    free_texts: int = 0

    def part(self) -> StudyPart:
        return StudyPart(
            number=self.number,
            study_uid=self.uid,
            pseudonym=self.pseudonym,
            attributes=dict(sorted(self.attributes.items())),
            texts_left={word: dict(found.most_common(_TEXTS)) for word, found in sorted(self.texts.items())},
            private_left={
                word: dict(found.most_common(_TEXTS)) for word, found in sorted(self.private.items())
            },
            held=tuple(self.held),
        )

    def counts(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "study_uid": self.uid,
            "pseudonym": self.pseudonym,
            "modalities": sorted({each.modality for each in self.held} - {""}),
            "objects": len(self.held),
            "blanked": sum(each.share_blanked > 0 for each in self.held),
            "faces": sum(each.face for each in self.held),
            "not_looked_at": sum(_was_not_looked_at(each) for each in self.held),
            "private": sum(map(len, self.private.values())),
            "free_texts": self.free_texts,
        }

    def count(self, change: Change) -> None:
        tally = self.attributes.setdefault(change.name, {"actions": {}, "examples": []})
        tally["actions"][change.action] = tally["actions"].get(change.action, 0) + 1
        if change.before and len(tally["examples"]) < _EXAMPLES:
            pair = [shown(change.before), shown(change.after)]
            if pair not in tally["examples"]:
                tally["examples"].append(pair)


class Maker:
    """Collects the outcomes of one de-identification into a job's folder.

    Parameters
    ----------
    shelf
        The job's folder; the objects lie in its ``held`` already.
    job
        As it was begun.
    reference
        How an outcome's original is found again.
    """

    def __init__(self, shelf: Shelf, job: Job, reference: Callable[[FileOutcome], str]) -> None:
        self._shelf = shelf
        self._job = job
        self._reference = reference
        self._studies: dict[str, _Study] = {}
        self._refused: Counter[str] = Counter()
        self._loose: list[str] = []
        self._persons: dict[str, dict[str, Any]] = {}

    def collect(self, outcomes: Iterable[FileOutcome]) -> Job:
        """Take all outcomes in and return the job with what they were; it is not kept yet."""
        for outcome in outcomes:
            if outcome.target is None:
                self._refused[outcome.reason] += 1
            elif outcome.made is None:
                self._loose.append(str(outcome.target))
            else:
                self._add(outcome, outcome.made)
        studies = list(self._studies.values())
        for study in studies:
            self._shelf.keep_study(study.part())
        self._shelf.keep_persons(self._persons)
        return dataclasses.replace(
            self._job,
            studies=tuple(study.counts() for study in studies),
            objects=sum(len(study.held) for study in studies),
            refused=dict(self._refused.most_common()),
            loose=tuple(self._loose),
        )

    def _add(self, outcome: FileOutcome, made: Deidentified) -> None:
        uid = made.uids["study"]
        study = self._studies.get(uid)
        if study is None:
            study = _Study(len(self._studies) + 1, uid, made.subject.pseudonym)
            self._studies[uid] = study
        left = leftovers(made.data)
        study.held.append(self._held(outcome, made, left, len(study.held) + 1))
        for keyword, text in left.texts:
            study.texts.setdefault(keyword, Counter())[text] += 1
        for name, text in left.private:
            study.private.setdefault(name, Counter())[text] += 1
        study.free_texts += sum(vr in FREE_TEXTS for vr in left.representations)
        for change in made.changes:
            study.count(change)
        pixels = made.pixels
        if pixels is not None and pixels.mask is not None and pixels.mask.any():
            self._shelf.keep_mask(study.number, len(study.held), pixels.mask)
        self._remember(made)

    def _remember(self, made: Deidentified) -> None:
        fresh: dict[str, Any] = {**made.person, "identities": [], "studies": {}}
        person = self._persons.setdefault(made.subject.pseudonym, fresh)
        person["shift_days"] = made.subject.shift_days
        person["studies"][made.uids["study"]] = made.former_uids["study"]
        identity = [made.person.get("PatientID", ""), made.person.get("IssuerOfPatientID", "")]
        if identity not in person["identities"]:
            person["identities"].append(identity)

    def _held(self, outcome: FileOutcome, made: Deidentified, left: Leftovers, number: int) -> Held:
        pixels = made.pixels
        mask = pixels.mask if pixels is not None else None
        return Held(
            number=number,
            target=str(outcome.target),
            source=self._reference(outcome),
            series_uid=made.uids["series"],
            modality=left.modality,
            rows=left.rows,
            columns=left.columns,
            frames=left.frames,
            sha256=hashlib.sha256(made.data).hexdigest(),
            looked_at=pixels is not None and pixels.looked_at,
            texts=_read(pixels.texts) if pixels is not None else (),
            left=pixels.left if pixels is not None else (),
            share_blanked=float(mask.mean()) if mask is not None else 0.0,
            face=made.face,
            notes=made.notes,
        )


def warnings_of(job: Job) -> dict[str, int]:
    """Count what an officer must have seen before anything leaves, by the codes of `WARNINGS`."""
    counts = {
        "leak": len(job.audit),
        "face": sum(study["faces"] for study in job.studies),
        "not-looked-at": sum(study["not_looked_at"] for study in job.studies),
        "private": sum(study["private"] for study in job.studies),
        "free-text": sum(study["free_texts"] for study in job.studies),
        "withdrawn": job.warnings.get("withdrawn", 0),
    }
    return {code: count for code, count in counts.items() if count}


def _was_not_looked_at(held: Held) -> bool:
    return held.has_pixels and not held.looked_at


def _read(texts: Iterable[FoundText]) -> tuple[tuple[str, float], ...]:
    """Return each text once, with how surely it was read at best."""
    surest: dict[str, float] = {}
    for found in texts:
        surest[found.text] = max(surest.get(found.text, 0.0), round(found.score, 3))
    return tuple(surest.items())
