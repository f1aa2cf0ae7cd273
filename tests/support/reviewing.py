"""A reading desk with a study on it, for the tests of the review and of its pages.

>>> room = reading_room("sqlite:///index.sqlite", Path("."))     # rooms, readers, doctors
>>> uid = room.study()                                            # one chest radiograph, read by two readers
>>> room.desk.open(uid, room.doctor).findings
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keeping import Clock, House, house_on

from coread.archive import Deliveries, Query, Readings, Resources
from coread.casebook import Casebook
from coread.dicom import open_object
from coread.domain import codes
from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.event import Event
from coread.domain.finding import Box, Confidence, Finding, Measurement, Presence
from coread.domain.identity import derive_uid
from coread.domain.person import Person, Role
from coread.domain.reading import Outcome, Prompt, ReaderIdentity, Reading, Reason
from coread.domain.review import Statement, Verdict
from coread.domain.study import InstanceRef
from coread.readers import Case, Machine, run_at
from coread.review import Policy, ReviewDesk, StudyReview
from coread.testing import chest_radiograph, ct_slice
from coread.testing.growing import GrowingReader, growing
from coread.testing.nodules import DrawnNodule, nodule_series

CHEST = ReaderIdentity("chest-radiograph", "1.2.3", "CoRead", "ab" * 32)
SECOND = ReaderIdentity("second-opinion", "0.9.0", "Another maker", "cd" * 32)
NODULES = ReaderIdentity("ct-nodule", "2.0.0", "CoRead", "ef" * 32)

DOCTOR = Person("p-000000000001", "li.wei", "LI Wei 李伟", frozenset({Role.DOCTOR}), language="zh")
COLLEAGUE = Person("p-000000000002", "a.meyer", "Anna Meyer", frozenset({Role.DOCTOR}), language="en")
OFFICER = Person("p-000000000003", "q.officer", "Quality Officer", frozenset({Role.QUALITY}))

DRAWN = DrawnNodule()
DIAMETER = Code("81827009", "SCT", "Diameter", "直径")


def card_of(reader: ReaderIdentity, finding: Code = codes.LUNG_OPACITY, **facts: Any) -> Card:
    """Make a card of a reader."""
    given = {
        "title": f"{reader.name} reader",
        "title_zh": f"{reader.name} 判读",
        "intended_use": "Draws attention to findings.",
        "intended_use_zh": "提示影像所见。",
        "limits": ("Children under two years were never tested.",),
        "limits_zh": ("未在两岁以下儿童中测试。",),
        "modalities": ("CR", "DX"),
        "threshold": 0.5,
        "attribution": ("NIH",),
        "explanation_passed": False,
        "evidence_grade": "retrospective",
    }
    return Card(identity=reader, finding=finding, **(given | facts))


GROWER = growing(Machine()).card

CARDS: Mapping[str, Card] = {
    CHEST.name: card_of(CHEST),
    SECOND.name: card_of(SECOND, threshold=0.4),
    NODULES.name: card_of(NODULES, codes.LUNG_NODULE, modalities=("CT",)),
    GROWER.identity.name: GROWER,
}


def shipped_evaluation() -> dict[str, Any]:
    """Return the evaluation of the chest radiograph reader that ships with CoRead."""
    from coread.readers import chest_radiograph as package  # noqa: PLC0415

    path = Path(package.__file__).parent / "bundle" / "evaluation.json"
    evaluation: dict[str, Any] = json.loads(path.read_text())
    return evaluation


def finding_on(
    ref: InstanceRef,
    reader: ReaderIdentity = CHEST,
    probability: float = 0.83,
    presence: Presence | None = None,
    number: int = 1,
    **facts: Any,
) -> Finding:
    """Make a finding of a reader on an image."""
    if presence is None:
        presence = Presence.PRESENT if probability >= 0.5 else Presence.ABSENT
    lower, upper = max(0.0, probability - 0.12), min(1.0, probability + 0.08)
    code = facts.pop("code", codes.LUNG_OPACITY)
    return Finding(
        code=code,
        presence=presence,
        confidence=Confidence(probability, lower, upper, calibrated_on="held-out patients"),
        image=ref,
        site=facts.pop("site", codes.LUNG),
        tracking_uid=derive_uid("finding", reader.name, reader.version, ref.sop_instance_uid, str(number)),
        tracking_id=f"{code.meaning} {number}",
        **facts,
    )


def reading_of(
    refs: Sequence[InstanceRef],
    findings: Sequence[Finding] = (),
    reader: ReaderIdentity = CHEST,
    version: int = 1,
    outcome: Outcome = Outcome.FINDINGS,
) -> Reading:
    """Make a reading; one of another outcome than findings has a reason."""
    reason = None
    if outcome is not Outcome.FINDINGS:
        reason = Reason("not-frontal-chest", "This is no frontal chest radiograph.", "不是正位胸片。")
    study = refs[0].study_instance_uid
    return Reading(study, version, reader, outcome, tuple(refs), tuple(findings), reason)


def new_key() -> str:
    """Make a key as a page makes it."""
    return str(uuid.uuid4())


@dataclass
class ReadingRoom:
    """Keepers, desk and people over one database."""

    house: House
    policy: Policy
    evaluations: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    doctor: Person = DOCTOR
    colleague: Person = COLLEAGUE
    grower: GrowingReader = field(default_factory=lambda: growing(Machine()))
    """A reader that can be asked."""

    def __post_init__(self) -> None:
        database, ledger = self.house.database, self.house.ledger
        self.casebook = Casebook(database, ledger, self.clock)
        self.readings = Readings(database)
        self.resources = Resources(database)
        self.deliveries = Deliveries(database)
        self.people = {person.id: person for person in (DOCTOR, COLLEAGUE, OFFICER)}
        self.desk = self.desk_with(self.policy)

    @property
    def clock(self) -> Clock:
        """Time that moves only when it is told to."""
        return self.house.clock

    def desk_with(self, policy: Policy) -> ReviewDesk:
        """Return a desk under another policy over the same keepers."""
        return ReviewDesk(
            casebook=self.casebook,
            archive=self.house.archive,
            studies=self.house.studies,
            readings=self.readings,
            deliveries=self.deliveries,
            cards=CARDS.get,
            evaluations=self.evaluations.get,
            ledger=self.house.ledger,
            clock=self.clock,
            policy=policy,
            names=self.name_of,
            askable=lambda: (self.grower.card,),
            reconsider={self.grower.card.identity.name: self.grower.reconsider}.get,
        )

    def name_of(self, person_id: str) -> str:
        """Return a display name; an unknown person's is its id."""
        person = self.people.get(person_id)
        return person.display_name if person else person_id

    def study(
        self,
        number: int = 1,
        probabilities: Mapping[str, float] | None = None,
        *,
        modality: str = "DX",
        images: int = 1,
        **facts: Any,
    ) -> str:
        """File a study, close it, let readers read it; return its UID.

        Parameters
        ----------
        number
            Of the study; its UID is ``1.2.<number>``.
        probabilities
            Reader's name to the probability of its one finding; the chest reader and a second opinion that
            agree if left out. Empty: nobody reads it.
        modality, images
            DX or CT, and how many images.
        **facts
            DICOM keywords of every image.
        """
        uid = f"1.2.{number}"
        for image in range(1, images + 1):
            self.house.file(self.image(number, image, modality, **facts))
        version = self.house.studies.close(uid, self.clock.pass_s(10))
        assert version
        if probabilities is None:
            probabilities = {CHEST.name: 0.83, SECOND.name: 0.71}
        for name, probability in probabilities.items():
            self.read(uid, CARDS[name].identity, probability, version)
        return uid

    def nodule_study(self, nodule: DrawnNodule = DRAWN) -> str:
        """File a CT with a drawn nodule, read by nobody; return its UID."""
        slices = nodule_series(nodule)
        for data in slices:
            self.house.file(data)
        uid = open_object(slices[0]).header.ref.study_instance_uid
        assert self.house.studies.close(uid, self.clock.pass_s(10))
        return uid

    def prompt(self, uid: str, nodule: DrawnNodule = DRAWN) -> Prompt:
        """Point at the drawn nodule."""
        image = self.refs(uid)[nodule.slice_number - 1]
        return Prompt(image, point=(nodule.column_px, nodule.row_px))

    def answer(self, uid: str, prompt: Prompt) -> Reading:
        """Let the reader answer what was asked, as the workflow does."""
        study = self.house.archive.study(uid)
        images = tuple(open_object(self.house.archive.read_object(i)) for i in study.instances)
        case = Case(study, self.house.studies.state(uid).version, images)
        reading = run_at(self.grower, case, prompt)
        self.keep(reading)
        self.casebook.prompts.answered(reading.uid, reading.uid)
        return reading

    def image(self, study: int, number: int = 1, modality: str = "DX", **facts: Any) -> bytes:
        """Make an image of a study by number."""
        identity = {
            "study_uid": f"1.2.{study}",
            "series_uid": f"1.2.{study}.1",
            "sop_uid": f"1.2.{study}.1.{number}",
        }
        told = {"InstanceNumber": str(number), "InstitutionName": "General Hospital"} | facts
        if modality == "CT":
            return ct_slice(study, position=number, facts=told, **identity)
        return chest_radiograph(study, size_px=64, facts={"ViewPosition": "PA"} | told, **identity)

    def late_image(self, study: int, number: int) -> None:
        """Let an image arrive after the study was closed, and close it again."""
        self.house.file(self.image(study, number))
        assert self.house.studies.close(f"1.2.{study}", self.clock.pass_s(10))

    def refs(self, uid: str) -> list[InstanceRef]:
        """Return the images of a study."""
        return [instance.ref for instance in self.house.archive.study(uid).instances]

    def read(
        self,
        uid: str,
        reader: ReaderIdentity = CHEST,
        probability: float | None = 0.83,
        version: int = 1,
        outcome: Outcome = Outcome.FINDINGS,
        **facts: Any,
    ) -> Reading:
        """Let a reader read a study, as the workflow does: the reading is kept and its event is on record."""
        refs = self.refs(uid)
        code = CARDS[reader.name].finding
        findings = []
        if outcome is Outcome.FINDINGS and probability is not None:
            box = Box(8, 16, 20, 24)
            given = {"code": code, "boxes": (box,) if probability >= 0.5 else ()} | facts
            if code == codes.LUNG_NODULE:
                given.setdefault("measurements", (Measurement(DIAMETER, 7.0, codes.MILLIMETRE),))
            findings.append(finding_on(refs[0], reader, probability, **given))
        reading = reading_of(refs, findings, reader, version, outcome)
        self.keep(reading)
        return reading

    def keep(self, reading: Reading) -> None:
        """Keep a reading with its event."""
        self.readings.save(reading)
        key = f"reading.made:{reading.uid}"
        event = Event(
            "reading.made",
            reading.study_instance_uid,
            f"reader:{reading.reader}",
            self.clock(),
            {"reading": reading.uid},
            key,
        )
        self.house.ledger.append(event)

    def accept_all(self, uid: str, person: Person = DOCTOR, desk: ReviewDesk | None = None) -> StudyReview:
        """Accept every finding that is shown and not decided."""
        desk = desk or self.desk
        review = desk.open(uid, person)
        for panel in review.findings:
            if panel.decision is None:
                review = desk.decide(
                    uid, person, panel.finding_uid, Verdict.ACCEPTED, revision=review.revision, key=new_key()
                )
        return review

    def drafted(self, uid: str, person: Person = DOCTOR, language: str = "en") -> StudyReview:
        """Accept everything and save the draft that the template makes."""
        review = self.accept_all(uid, person)
        draft = self.desk.draft(uid, review.suggested_template, language, person)
        sections = {section.name: section.text for section in draft.sections}
        self.desk.save_draft(
            uid, person, draft.template, language, sections, revision=review.revision, key=new_key()
        )
        return self.desk.look(uid, person)

    def signed(self, uid: str, person: Person = DOCTOR, language: str = "en") -> StudyReview:
        """Accept everything, save the draft and sign."""
        review = self.drafted(uid, person, language)
        self.desk.sign(uid, person, revision=review.revision, key=new_key())
        return self.desk.look(uid, person)

    def kinds(self, uid: str) -> list[str]:
        """Return the kinds of a study's events."""
        return [record.event.kind for record in self.house.ledger.events(subject=uid)]

    def facts_of(self, uid: str) -> dict[str, str]:
        """Return what the archive has of a study."""
        return self.house.archive.find_studies(Query({"StudyInstanceUID": uid}))[0]


def reading_room(url: str, folder: Path, policy: Policy | None = None) -> ReadingRoom:
    """Build rooms on a database and a folder."""
    evaluations = {CHEST.name: shipped_evaluation()}
    return ReadingRoom(house_on(url, folder), policy or Policy(), evaluations)


def statement_on(ref: InstanceRef | None = None, **facts: Any) -> Statement:
    """Make a statement of the doctor's own."""
    given: dict[str, Any] = {
        "code": codes.LUNG_NODULE,
        "presence": Presence.PRESENT,
        "image": ref,
        "site": codes.LUNG,
    }
    return Statement(**(given | facts))
