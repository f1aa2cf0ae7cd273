"""After a crash: every acknowledged object is found again, what was begun goes away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from keeping import House, image, sent_by
from sqlalchemy import text

from coread.archive import Fault, FilingOutcome, Query, Reconciled


def lose_rows(house: House) -> None:
    """Do what a power cut may: the files are synced, the rows are gone."""
    with house.database.write() as connection:
        for table in ("instances", "series", "studies", "events"):
            connection.execute(text(f"DELETE FROM {table}"))


def begin_and_die(house: House, data: bytes = b"begun") -> str:
    """Leave what a killed process leaves: a draft that nobody holds."""
    draft = house.store.draft()
    draft.write(data)
    os.close(draft.fd)
    old = time.time() - 60
    os.utime(house.store.path(draft.key), (old, old))
    return draft.key


def test_a_sound_archive_has_no_faults(house: House) -> None:
    house.file(image(1))
    house.file(image(1, seed=4))
    seen = []
    assert list(house.archive.verify(seen.append)) == []
    assert seen == [1, 2]
    assert house.archive.reconcile(house.clock()) == Reconciled()
    assert "archive.reconciled" not in house.kinds()


def test_every_kind_of_fault_is_found(house: House) -> None:
    lost, changed = (house.file(image(study)).instance for study in (1, 2))
    house.store.delete(lost.object_key)
    house.store.path(changed.object_key).chmod(0o600)
    house.store.path(changed.object_key).write_bytes(b"changed")
    house.store.path(changed.object_key).chmod(0o400)
    unindexed = house.arrival(image(3)).key
    abandoned = begin_and_die(house)
    assert set(house.archive.verify()) == {
        Fault("lost", lost.object_key, "1.2.1.1.1"),
        Fault("changed", changed.object_key, "1.2.2.1.1"),
        Fault("unindexed", unindexed),
        Fault("abandoned", abandoned),
    }


def test_rows_are_made_again_from_their_files(house: House) -> None:
    data = [sent_by(image(1), "CT1"), sent_by(image(2), "CT2"), image(2, 1, 2)]
    for each in data:
        house.file(each, "dimse:CT1")
    before = house.archive.find_studies(Query())
    lose_rows(house)
    assert house.archive.reconcile(house.clock()) == Reconciled(filed=3)
    assert house.archive.find_studies(Query()) == before
    assert house.archive.read("1.2.2.1.1") == data[1]
    assert house.archive.get("1.2.2.1.1").source == "dimse:CT2"
    assert house.archive.get("1.2.2.1.2").source == "recovered"
    assert house.studies.state("1.2.2").originals == 2
    assert house.kinds() == ["instance.filed"] * 3 + ["archive.reconciled"]
    assert house.archive.reconcile(house.clock()) == Reconciled()


def test_what_is_sent_again_after_a_crash_is_kept_once(house: House) -> None:
    house.arrival(image())  # synced, then the process died before its row
    assert house.file(image()).outcome is FilingOutcome.STORED
    assert house.archive.reconcile(house.clock(), everything=True) == Reconciled(filed=1)
    assert len(house.keys()) == 1
    assert not list(house.archive.verify())


@pytest.mark.parametrize("data", [b"", b"no dicom", image()[:300], image()[:-9]])
def test_what_cannot_be_read_goes_to_quarantine(small_house: House, data: bytes) -> None:
    draft = small_house.store.draft()
    draft.write(data)
    draft.sync_and_keep()
    assert small_house.archive.reconcile(small_house.clock()) == Reconciled(quarantined=1)
    assert small_house.quarantine.read(small_house.quarantine.list()[0].id) == data
    assert not list(small_house.archive.verify())


def test_drafts_of_the_dead_are_removed_and_of_the_living_kept(small_house: House) -> None:
    begin_and_die(small_house)
    living = small_house.store.draft()
    living.write(image())
    old = time.time() - 60
    os.utime(small_house.store.path(living.key), (old, old))
    assert small_house.archive.reconcile(small_house.clock()) == Reconciled(removed=1)
    assert small_house.store.read(living.sync_and_keep()) == image()


def test_a_draft_that_was_just_made_is_let_be(small_house: House) -> None:
    draft = small_house.store.draft()
    os.close(draft.fd)
    assert small_house.archive.reconcile(small_house.clock()) == Reconciled()


def test_a_deleted_study_does_not_come_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the deletion of the rows and that of the bytes."""
    house.file(image())

    def die(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(house.store, "delete", die)
        with pytest.raises(KeyboardInterrupt):
            house.archive.delete_study("1.2.1", "asked for", house.clock())
    assert len(house.keys()) == 1
    assert house.archive.reconcile(house.clock(), everything=True) == Reconciled()
    assert house.keys() == []


def test_old_files_are_looked_at_only_when_asked(small_house: House) -> None:
    key = small_house.arrival(image(1)).key
    old = time.time() - 7 * 86_400
    path = small_house.store.path(key)
    for place in (path, path.parent):
        os.utime(place, (old, old))
    small_house.clock.time = small_house.clock.time.fromtimestamp(time.time(), small_house.clock.time.tzinfo)
    fresh = small_house.intake.accept_bytes(image(2), "stow").instance
    assert Path(fresh.object_key).parent == Path(key).parent
    assert small_house.archive.reconcile(small_house.clock()) == Reconciled()
    assert small_house.archive.reconcile(small_house.clock(), everything=True) == Reconciled(filed=1)
