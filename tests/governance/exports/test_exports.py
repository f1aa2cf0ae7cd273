"""An export waits for its officer: looked at, corrected, accepted or thrown away; nothing leaves before."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from deidentifying import KEY, read
from PIL import Image

from coread.archive import Database
from coread.dicom import open_object, write_object
from coread.domain.consent import PatientIdentity, Permit, Rule, Standing, Status, Use
from coread.errors import BadQuery, ChecksumMismatch, ContainerRefused, DecisionRefused, NotFound
from coread.governance.deidentify import Deidentifier, FoundText, Pseudonyms, load_profile
from coread.governance.deidentify.export import deidentify_objects
from coread.governance.exports import Box, ExportDesk, Job, State, Wish
from coread.ledger import Ledger

NAMES = ("Quillfeather^Marguerite", "Ostrander^Thaddeus")
OFFICER = "person:p-officer"
TEXT = (slice(4, 10), slice(8, 40))


class OneText:
    """Finds one text at one place, as far as it is bright there."""

    name = "one"

    def find(self, frame):
        bright = frame[TEXT].min() >= 250
        return [FoundText(((8.0, 4.0), (39.0, 9.0)), "QUILLFEATHER", 0.97)] if bright else []


def image(person: int, number: int, syntax: str = "1.2.840.10008.1.2.1", frames: int = 2) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 200, (frames, 48, 64)).astype("u1")
    pixels[(slice(None), *TEXT)] = 255
    facts = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1",
        "SOPInstanceUID": f"1.2.3.{person}.{number}",
        "StudyInstanceUID": f"1.2.3.{person}",
        "SeriesInstanceUID": f"1.2.3.{person}.0",
        "Modality": "US",
        "PatientID": f"MRN77{person}",
        "PatientName": NAMES[person],
        "StudyDescription": "US abdomen",
    }
    return write_object(facts, pixels, transfer_syntax_uid=syntax)


class House:
    """A desk with two persons' images and a clock."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'index.sqlite'}")
        self.database.migrate()
        self.ledger = Ledger(self.database)
        self.at = datetime(2026, 3, 1, 9, tzinfo=UTC)
        self.originals = {f"{p}/{n}": image(p, n) for p in (0, 1) for n in (1, 2)}
        self.withdrawn: set[str] = set()
        self.out = folder / "out"
        self.desk = ExportDesk(
            folder / "exports",
            self.ledger,
            self.clock,
            {"archive": self.originals.__getitem__},
            self.may,
        )

    def may(self, person: PatientIdentity, use: Use, at: datetime) -> Permit:
        status = Status.WITHDRAWN if person.patient_id in self.withdrawn else Status.GIVEN
        return Permit(use, Standing(use, status, Rule.OPT_IN))

    def clock(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at

    def make(self, leaks: tuple[tuple[str, str, str, str], ...] = ()) -> Job:
        profile = load_profile("tcia")
        shelf = self.desk.begin(Wish(profile, "study-7", self.out, "archive", "person:maker", Use.TEACHING))
        deidentifier = Deidentifier(profile, Pseudonyms(KEY, "study-7"), OneText())
        outcomes = deidentify_objects(self.originals.items(), shelf.held, deidentifier)
        return self.desk.make(shelf, outcomes, lambda: leaks)

    def kinds(self) -> list[str]:
        return [record.event.kind for record in self.ledger.events()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.close()


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def png(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_what_was_made_waits_and_nothing_has_left(house):
    job = house.make()
    assert (job.state, job.objects, len(job.studies), job.audited) == (State.WAITING, 4, 2, True)
    assert not house.out.exists()
    part = house.desk.study(job.id, 1)
    assert part.attributes["PatientName"]["actions"] == {"Z": 2}
    assert part.attributes["PatientName"]["examples"][0][0] == NAMES[0]
    assert part.texts_left["StudyDescription"] == {"US abdomen": 2}
    assert part.held[0].texts == (("QUILLFEATHER", 0.97),)
    assert 0 < part.held[0].share_blanked < 0.2
    assert [each.id for each in house.desk.list()] == [job.id]
    event = house.ledger.events(kind="export.made")[0].event
    assert (event.subject, event.facts["objects"], event.actor) == (job.id, "4", "person:maker")
    mode = (house.desk._home / job.id).stat().st_mode & 0o777
    assert mode == 0o700


def test_pictures_show_the_original_outlined_and_the_copy_blank(house):
    job = house.make()
    before = png(house.desk.picture(job.id, 1, 1, "before", 2))
    after = png(house.desk.picture(job.id, 1, 1, "after", 2))
    assert before[TEXT].min() == 255
    assert (before == (255, 176, 0)).all(axis=2).any()
    assert after[TEXT].max() == 0
    for side, frame in (("before", 3), ("after", 0), ("beside", 1)):
        with pytest.raises(NotFound):
            house.desk.picture(job.id, 1, 1, side, frame)


def test_a_box_blanks_all_frames_of_all_of_the_series_and_can_be_taken_back(house):
    job = house.make()
    box = Box(50, 30, 10, 12)
    held = house.desk.study(job.id, 1).held
    path = house.desk._home / job.id / "held"
    first = (path / held[0].target).read_bytes()
    house.desk.add_box(job.id, (1, 1), box, OFFICER, whole_series=True)
    for each, number in zip(held, (1, 2), strict=True):
        after = open_object(path / each.target)
        original = open_object(house.originals[f"0/{number}"])
        for frame in (1, 2):
            shown, was = after.stored(frame), original.stored(frame)
            assert shown[30:42, 50:60].max() == shown.min()
            assert shown[TEXT].max() == shown.min()
            untouched = ~(box.mask((48, 64)) | (shown != was))
            assert untouched.mean() > 0.8
            assert (shown[:, :5] == was[:, :5]).all()
    changed = house.desk.study(job.id, 1).held
    assert all(each.boxes == (box,) and each.share_blanked > held[0].share_blanked for each in changed)
    assert changed[0].sha256 != held[0].sha256
    house.desk.take_box_back(job.id, (1, 1), 0, OFFICER)
    assert (path / held[0].target).read_bytes() == first
    assert house.kinds()[-2:] == ["export.box-added", "export.box-removed"]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.50"])
def test_a_box_in_other_transfer_syntaxes(house, syntax):
    house.originals.update({"0/1": image(0, 1, syntax), "0/2": image(0, 2, syntax)})
    job = house.make()
    house.desk.add_box(job.id, (1, 1), Box(50, 30, 10, 12), OFFICER, whole_series=False)
    held = house.desk.study(job.id, 1).held
    after = open_object(house.desk._home / job.id / "held" / held[0].target)
    was = open_object(house.originals["0/1"])
    assert (after.stored(2)[30:42, 50:60] == after.stored(2).min()).all()
    assert (after.stored(2)[42:, :] == was.stored(2)[42:, :]).all()
    assert [len(each.boxes) for each in held] == [1, 0]


@pytest.mark.parametrize("box", [Box(-1, 0, 9, 9), Box(0, 0, 1, 9), Box(60, 0, 9, 9), Box(0, 40, 9, 9)])
def test_a_box_outside_the_image_is_refused(house, box):
    job = house.make()
    with pytest.raises(BadQuery):
        house.desk.add_box(job.id, (1, 1), box, OFFICER, whole_series=False)
    with pytest.raises(NotFound):
        house.desk.take_box_back(job.id, (1, 1), 0, OFFICER)


def test_accepted_it_leaves_as_it_was_seen_and_who_it_was_is_forgotten(house):
    job = house.make()
    held = files(house.desk._home / job.id / "held")
    gone = house.desk.accept(job.id, job.warnings, OFFICER, "looked at all")
    assert gone.state is State.RELEASED
    assert files(house.out) == held
    assert {read(p.read_bytes()).PatientID[0] for p in house.out.rglob("*") if p.is_file()} == {"P"}
    record = json.loads((house.out.parent / "out.deidentification.json").read_text())
    assert (record["objects_written"], record["manifest_sha256"]) == (4, gone.manifest_sha256)
    left = "".join(p.read_text() for p in (house.desk._home / job.id).rglob("*") if p.is_file())
    assert "Quillfeather" not in left + json.dumps(record)
    assert "MRN77" not in left
    with pytest.raises(NotFound):
        house.desk.study(job.id, 1)
    with pytest.raises(DecisionRefused):
        house.desk.reject(job.id, "too late", OFFICER)
    exported = ["study.exported"] * 2
    assert house.kinds() == ["export.made", "export.accepted", *exported, "export.released"]
    assert [r.event.subject for r in house.ledger.events(kind="study.exported")] == ["1.2.3.0", "1.2.3.1"]
    assert house.desk.release(job.id) == gone


def test_a_warning_that_nobody_saw_keeps_it_in(house):
    job = house.make(leaks=(("A/B", "StudyDescription", "name", "quillfeather"),))
    assert job.warnings == {"leak": 1}
    with pytest.raises(DecisionRefused):
        house.desk.accept(job.id, (), OFFICER)
    assert not house.out.exists()
    assert house.desk.accept(job.id, ("leak",), OFFICER).state is State.RELEASED


def test_rejected_it_is_gone_and_the_reason_stays(house):
    job = house.make()
    with pytest.raises(DecisionRefused):
        house.desk.reject(job.id, "  ", OFFICER)
    assert house.desk.reject(job.id, "a name in a description", OFFICER).reason == "a name in a description"
    assert files(house.desk._home / job.id) == {"job.json", "lock"}
    assert not house.out.exists()
    for act in (
        lambda: house.desk.accept(job.id, (), OFFICER),
        lambda: house.desk.release(job.id),
        lambda: house.desk.add_box(job.id, (1, 1), Box(0, 0, 9, 9), OFFICER, whole_series=False),
    ):
        with pytest.raises(DecisionRefused):
            act()


def test_what_was_changed_behind_the_officers_back_does_not_leave(house, monkeypatch):
    job = house.make()
    monkeypatch.setattr(house.desk, "release", lambda job_id: None)  # killed between acceptance and release
    house.desk.accept(job.id, (), OFFICER)
    monkeypatch.undo()
    path = next(p for p in (house.desk._home / job.id / "held").rglob("*") if p.is_file())
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"!")
    with pytest.raises(ChecksumMismatch):
        house.desk.release(job.id)
    assert not house.out.exists()
    path.write_bytes(good)
    house.out.mkdir()
    assert house.desk.release(job.id).state is State.RELEASED


def test_another_object_in_its_place_is_not_overwritten(house):
    job = house.make()
    target = house.desk.study(job.id, 1).held[0].target
    (house.out / target).parent.mkdir(parents=True)
    (house.out / target).write_bytes(b"of somebody else")
    with pytest.raises(ContainerRefused):
        house.desk.accept(job.id, (), OFFICER)
    assert (house.out / target).read_bytes() == b"of somebody else"


def test_who_withdraws_is_dropped_from_what_waits(house):
    job = house.make()
    house.withdrawn.add("MRN770")
    assert house.desk.drop_withdrawn() == 1
    job = house.desk.get(job.id)
    assert (job.objects, len(job.studies), job.warnings) == (2, 1, {"withdrawn": 1})
    assert house.desk.accept(job.id, ("withdrawn",), OFFICER).state is State.RELEASED
    assert len(files(house.out)) == 2
    assert b"uillfeather" not in b"".join(p.read_bytes() for p in house.out.rglob("*") if p.is_file())


def test_who_never_agreed_is_not_in_it(house):
    house.withdrawn.add("MRN771")
    job = house.make()
    assert (job.objects, job.warnings) == (2, {"withdrawn": 1})
    assert house.kinds() == ["export.made", "export.dropped"]


def test_a_job_of_which_all_withdrew_is_over(house):
    job = house.make()
    house.withdrawn |= {"MRN770", "MRN771"}
    with pytest.raises(DecisionRefused):
        house.desk.accept(job.id, (), OFFICER)
    assert house.desk.get(job.id).state is State.DROPPED
    assert not house.out.exists()
    assert files(house.desk._home / job.id) == {"job.json", "lock"}


@pytest.mark.parametrize("job_id", ["", "..", "../x", "20260301-000000000000", "x" * 300])
def test_no_job_of_that_name(house: House, job_id: str) -> None:
    with pytest.raises(NotFound):
        house.desk.get(job_id)
