"""Cohorts of a clinic's archive: built of who agrees, checked again before each use and each round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("pyarrow", reason="cohorts need the lab")

from keeping import house_on
from typer.testing import CliRunner

from coread.domain.consent import Act, PatientIdentity, Said, Use
from coread.errors import CohortRefused
from coread.governance import ConsentRules, Consents, StudyConsents
from coread.lab import app
from coread.learning.cohorts import BuildPlan, CodeBook, build, open_cohort, write_cohort
from coread.learning.cohorts.consented import CohortConsent
from coread.learning.cohorts.pseudonyms import Pseudonyms
from coread.learning.cohorts.sources.dicom import DicomSource
from coread.learning.cohorts.storing import read_cohort
from coread.testing.patients import ct_slice

KEY = b"a key of this test only"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Clinic:
    """An archive with six patients, all of whom agree at first."""

    def __init__(self, folder) -> None:
        self.now = NOW
        self.house = house_on(f"sqlite:///{folder / 'coread.sqlite'}", folder)
        self.uids: dict[str, str] = {}
        for seed in range(6):
            data = ct_slice(seed, facts={"PatientID": f"P{seed}"})
            filed = self.house.intake.accept_bytes(data, "stow")
            self.uids[f"P{seed}"] = filed.instance.ref.study_instance_uid
        self.consents = Consents(self.house.database, self.house.ledger, lambda: self.now, ConsentRules())
        self.keys = 0
        for patient in self.uids:
            self.say(patient, Act.GIVEN, Use.LEARNING, Use.FEDERATION)
        studies = StudyConsents(self.consents, self.house.archive.persons, lambda: self.now)
        self.asking = CohortConsent(studies, self.uids.values, Pseudonyms(KEY), lambda: self.now)

    def say(self, patient: str, act: Act, *uses: Use) -> None:
        for use in uses:
            self.keys += 1
            self.consents.record(Said(PatientIdentity(patient), use, act, "person:o", "page", str(self.keys)))

    def build(self, folder):
        source = DicomSource("archive", CodeBook([]), self.asking.files(self.house.archive), Pseudonyms(KEY))
        built = self.asking.checked(build(source, folder, BuildPlan()))
        write_cohort(built)
        return built

    def study(self, patient: str) -> str:
        return Pseudonyms(KEY).of("study", self.uids[patient])


@pytest.fixture
def clinic(tmp_path) -> Iterator[Clinic]:
    clinic = Clinic(tmp_path)
    yield clinic
    clinic.house.database.close()


def test_a_cohort_is_built_of_who_agrees(clinic, tmp_path):
    clinic.say("P1", Act.WITHDRAWN, Use.LEARNING)
    clinic.say("P2", Act.REFUSED, Use.LEARNING)
    built = clinic.build(tmp_path / "cohort")
    assert {image.study for image in built.images} == {clinic.study(p) for p in ("P0", "P3", "P4", "P5")}
    assert [left.code for left in built.left_out] == ["no-consent"] * 2


def test_consent_is_asked_again_when_pixels_are_read(clinic, tmp_path):
    files = clinic.asking.files(clinic.house.archive)
    keys = [found[0] for found in files.headers()]
    for patient in clinic.uids:
        clinic.say(patient, Act.WITHDRAWN, Use.LEARNING)
    for key in keys:
        with pytest.raises(PermissionError, match="withdrawn"):
            files.read(key)


def test_who_withdraws_leaves_a_cohort_that_was_built(clinic, tmp_path):
    built = clinic.build(tmp_path / "cohort")
    clinic.say("P1", Act.WITHDRAWN, Use.LEARNING)
    gone_files = [tmp_path / "cohort" / i.path for i in built.images if i.study == clinic.study("P1")]
    left, gone = clinic.asking.recheck(built)
    assert gone == {clinic.study("P1")}
    assert clinic.study("P1") not in {image.study for image in left.images}
    assert gone_files
    assert not [path for path in gone_files if path.exists()]
    kept = open_cohort(tmp_path / "cohort", NOW)
    assert kept.images == left.images
    assert kept.left_out[-1].code == "no-consent"
    assert clinic.asking.recheck(kept)[1] == frozenset()


def test_who_cannot_be_found_any_more_counts_as_gone(clinic, tmp_path):
    built = clinic.build(tmp_path / "cohort")
    strange = replace(clinic.asking, pseudonyms=Pseudonyms(b"the key of another one"))
    assert len(strange.denied(built, Use.LEARNING)) == 6
    with pytest.raises(CohortRefused, match="nobody agrees"):
        strange.recheck(built)
    assert read_cohort(tmp_path / "cohort").images == ()


def test_who_withdraws_is_not_in_the_next_round(clinic, tmp_path):
    built = clinic.build(tmp_path / "cohort")
    assert clinic.asking.for_round(built).images == built.images
    clinic.say("P0", Act.WITHDRAWN, Use.FEDERATION)
    clinic.say("P1", Act.WITHDRAWN, Use.LEARNING)
    second = clinic.asking.for_round(built)
    assert {clinic.study("P0"), clinic.study("P1")} & {image.study for image in second.images} == set()
    assert len(second.images) == len(built.images) - 2
    assert clinic.study("P0") in {image.study for image in clinic.asking.recheck(built)[0].images}
    for patient in clinic.uids:
        clinic.say(patient, Act.REFUSED, Use.FEDERATION)
    with pytest.raises(CohortRefused, match="nobody agrees"):
        clinic.asking.for_round(built)


def test_a_cohort_that_nobody_checked_for_a_day_is_not_opened(clinic, tmp_path):
    clinic.build(tmp_path / "cohort")
    assert open_cohort(tmp_path / "cohort", NOW + timedelta(hours=23)).images
    for when in (NOW + timedelta(hours=25), NOW - timedelta(hours=1)):
        with pytest.raises(CohortRefused, match="consents"):
            open_cohort(tmp_path / "cohort", when)


def test_the_commands_build_and_check(clinic, tmp_path, monkeypatch):
    monkeypatch.setenv("COREAD_DATA__FOLDER", str(tmp_path))
    (tmp_path / "key").write_bytes(KEY)
    where = ["--key-file", str(tmp_path / "key")]
    run = CliRunner().invoke
    built = run(app, ["cohort", "archive", "--out", str(tmp_path / "c"), *where])
    assert built.exit_code == 0, built.output
    assert len(open_cohort(tmp_path / "c").images) == 6
    clinic.say("P3", Act.WITHDRAWN, Use.LEARNING)
    listed = run(app, ["consents", str(tmp_path / "c"), "--list", *where]).output
    assert clinic.study("P3") in listed
    assert "1 studies without consent" in listed
    assert len(read_cohort(tmp_path / "c").images) == 6
    assert "taken out" in run(app, ["consents", str(tmp_path / "c"), *where]).output
    assert len(open_cohort(tmp_path / "c").images) == 5
    without_key = run(app, ["cohort", "archive", "--out", str(tmp_path / "d")])
    assert isinstance(without_key.exception, CohortRefused)
