"""A site of the clinic's own archive: who withdraws between two rounds is out of the next, on record."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from federation_rooms import Rooms
from keeping import house_on

from coread.domain.consent import Act, PatientIdentity, Said, Use
from coread.errors import CohortRefused
from coread.governance import ConsentRules, Consents, StudyConsents
from coread.learning.cohorts import BuildPlan, CodeBook, build, write_cohort
from coread.learning.cohorts.consented import CohortConsent
from coread.learning.cohorts.form import Label
from coread.learning.cohorts.pseudonyms import Pseudonyms
from coread.learning.cohorts.sources.dicom import DicomSource
from coread.learning.federated.sites.desk import Desk
from coread.learning.federated.sites.folder import SiteFolder, SiteSettings
from coread.learning.federated.sites.lending import lend_of
from coread.learning.federated.task import SiteData
from coread.learning.federated.tasks.archive import Archive
from coread.learning.federated.tasks.heads import HeadTask
from coread.learning.runs.files import write_json
from coread.testing.patients import ct_slice

KEY = b"a key of this test only"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PATIENTS = 14


def see(grey):
    """A trunk of six numbers, different for each picture."""
    parts = [part.astype(np.float64) for part in np.array_split(grey.ravel(), 6)]
    return np.array([np.sin(part @ np.arange(len(part))) for part in parts], np.float32)


class Hospital:
    """A clinic's archive with a cohort of patients who all agree at first."""

    def __init__(self, folder):
        self.house = house_on(f"sqlite:///{folder / 'coread.sqlite'}", folder)
        self.uids = {}
        for seed in range(PATIENTS):
            data = ct_slice(seed, facts={"PatientID": f"P{seed}"})
            filed = self.house.intake.accept_bytes(data, "stow")
            self.uids[f"P{seed}"] = filed.instance.ref.study_instance_uid
        self.now, self.keys, self.denied = NOW, 0, set()
        self.consents = Consents(self.house.database, self.house.ledger, lambda: self.now, ConsentRules())
        for patient in self.uids:
            self.say(patient, Act.GIVEN)
        studies = StudyConsents(self.consents, self.house.archive.persons, lambda: self.now)
        self.asking = CohortConsent(studies, self.uids.values, Pseudonyms(KEY), lambda: self.now)
        files = self.asking.files(self.house.archive)
        built = build(
            DicomSource("archive", CodeBook([]), files, Pseudonyms(KEY)), folder / "cohort", BuildPlan()
        )
        splits = ["train"] * 8 + ["val"] * 3 + ["test"] * 3
        images = tuple(replace(i, split=s) for i, s in zip(built.images, splits, strict=True))
        labels = tuple(Label(i.image, "reader", "nodule", value=float(at % 2)) for at, i in enumerate(images))
        self.cohort = self.asking.checked(replace(built, images=images, labels=labels))
        write_cohort(self.cohort)

    def say(self, patient, act, uses=(Use.LEARNING, Use.FEDERATION)):
        self.denied |= {patient} if act is not Act.GIVEN else set()
        for use in uses:
            self.keys += 1
            self.consents.record(Said(PatientIdentity(patient), use, act, "person:o", "page", str(self.keys)))

    def patient_of(self, image):
        return next(p for p, uid in self.uids.items() if Pseudonyms(KEY).of("study", uid) == image.study)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    made = Hospital(tmp_path_factory.mktemp("hospital"))
    yield made
    made.house.database.close()


@pytest.fixture
def hospital(archive):
    """The hospital, an hour later; whoever said no has agreed anew."""
    archive.now += timedelta(hours=1)
    for patient in archive.denied:
        archive.say(patient, Act.GIVEN)
    archive.denied.clear()
    return archive


@pytest.fixture
def rooms(hospital, tmp_path):
    """Three sites; site0 lends its archive, the others (for company) the same images as a published set."""
    rooms = Rooms(tmp_path / "rooms")
    plain = replace(hospital.cohort, facts={})
    write_cohort(replace(plain, folder=tmp_path / "published"))
    for image in plain.images:
        place = tmp_path / "published" / image.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((hospital.cohort.folder / image.path).read_bytes())
    for name in rooms.sites:
        folder = hospital.cohort.folder if name == "site0" else tmp_path / "published"
        settings = replace(rooms.sites[name].settings, data=str(folder))
        write_json(rooms.folder / name / "site.json", asdict(settings))
        site = rooms.sites[name] = SiteFolder(rooms.folder / name)
        archive = Archive("nodule", see)
        task = HeadTask("archive-nodule", archive, archive.count, 6, "shared")
        lend = hospital.asking.for_round if name == "site0" else None
        rooms.wire.desks[name] = Desk(site, lambda place, options, task=task: task, lend)
    rooms.plan = replace(rooms.plan, least_cases=2, rounds=2)
    rooms.approve()
    return rooms


def train(rooms, round_, site="site0"):
    parameters = rooms.wire.desks[site]._tasks("", {}).initial(0)
    order = rooms.rounds().asking.order(
        "train", facts={"round": round_}, arrays={"parameters": parameters, "arrays": {}}
    )
    return rooms.wire.desks[site].answer(order)


def asked(rooms):
    events = [e.event for e in rooms.sites["site0"].record.events(rooms.plan.sha256)]
    return [event.facts for event in events if event.kind == "federation.consent.asked"]


def test_who_withdraws_between_two_rounds_is_out_of_the_second(hospital, rooms):
    first = train(rooms, 1)
    assert first.facts["examples"] == 8
    gone = hospital.patient_of(hospital.cohort.images[0])
    hospital.say(gone, Act.WITHDRAWN, (Use.FEDERATION,))
    again, second = train(rooms, 1), train(rooms, 2)
    assert again.facts["examples"] == second.facts["examples"] == 7
    changed = np.abs(again.arrays["parameters"]["head.weight"] - first.arrays["parameters"]["head.weight"])
    assert changed.max() > 0
    told = asked(rooms)
    assert [facts["round"] for facts in told] == ["1", "1", "2"]
    assert [facts["images without consent"] for facts in told] == ["0", "<11", "<11"]
    assert {facts["patients"] for facts in told} == {"14", "13"}


def test_what_leaves_is_as_if_the_person_had_never_been_there(hospital, rooms):
    """The update of the next round equals that of a cohort without the person's images."""
    hospital.say(hospital.patient_of(hospital.cohort.images[0]), Act.WITHDRAWN, (Use.FEDERATION,))
    update = train(rooms, 1)
    names = frozenset(image.image for image in hospital.cohort.images[1:])
    archive = Archive("nodule", see)
    task = HeadTask("archive-nodule", archive, archive.count, 6, "shared")
    data = SiteData("site0", hospital.cohort.folder, {}, names)
    assert len(archive(data).patients) == PATIENTS - 1
    np.testing.assert_array_equal(archive(data).statistics[0], update.arrays["parameters"]["norm.mean"])
    assert task.count(data).patients["train"] == 7


def test_a_whole_federation_goes_on_without_those_who_left(hospital, rooms):
    for patient in hospital.uids:
        hospital.say(patient, Act.REFUSED, (Use.FEDERATION,))
    answer = train(rooms, 1)
    assert (answer.kind, answer.facts["code"]) == ("refused", "nobody-agrees")
    rounds = rooms.rounds()
    rounds.run(lambda: rooms.wire.desks["site1"]._tasks("", {}).initial(0))
    assert [entry["took_part"] for entry in rounds.kept.history()] == [["site1", "site2"]] * 2
    assert "nobody-agrees" in rounds.kept.history()[0]["refused"]["site0"]


@pytest.mark.parametrize("how", ["none", "unreadable", "settings"])
def test_a_site_that_lost_its_register_does_nothing(hospital, rooms, how, tmp_path):
    def lost(cohort):
        raise OSError if how == "unreadable" else CohortRefused("settings of no clinic's archive", "", "")

    desk = rooms.wire.desks["site0"]
    rooms.wire.desks["site0"] = Desk(desk.site, desk._tasks, None if how == "none" else lost)
    answer = train(rooms, 1)
    assert (answer.kind, answer.facts["code"]) == ("refused", "consent-unknown")
    assert asked(rooms) == []


def test_a_cohort_of_the_archive_is_not_read_unasked(hospital):
    with pytest.raises(CohortRefused, match="nobody was asked"):
        Archive("nodule", see)(SiteData("site0", hospital.cohort.folder))


def test_the_key_is_never_made_anew(rooms, tmp_path):
    site = rooms.sites["site0"]
    settings = SiteSettings(
        **{**asdict(site.settings), "consents": "c.toml", "pseudonym_key": str(tmp_path / "k")}
    )
    write_json(site.folder / "site.json", asdict(settings))
    lend = lend_of(SiteFolder(site.folder), lambda *_: pytest.fail("the register was opened"))
    with pytest.raises(CohortRefused, match="no key of pseudonyms"):
        lend(None)
    assert not (tmp_path / "k").exists()
    assert lend_of(site, None) is None
