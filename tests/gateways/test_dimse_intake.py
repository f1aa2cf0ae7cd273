"""The receiver with the real intake behind it: what is acknowledged is on disk and in the index."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from dimse_speaker import BRISK, Speaker, data_set_of, listening, sop_uid_of, store_pdus, store_rq

from coread.archive import Archive, Database, DiskStore, Quarantine
from coread.domain.identity import derive_uid
from coread.errors import NotFound
from coread.intake import Intake, Limits
from coread.testing.patients import broken, ct_slice


class House:
    """An archive with its door."""

    def __init__(self, folder) -> None:
        self.database = Database(f"sqlite:///{folder}/index.sqlite")
        self.database.migrate()
        self.store = DiskStore(folder / "objects")
        self.archive = Archive(self.database, self.store)
        self.quarantine = Quarantine(self.database, self.store)
        self.intake = Intake(self.archive, self.quarantine, Limits(), lambda: datetime.now(UTC))


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


@pytest.fixture
def peer(house):
    with listening(house.intake, BRISK) as receiver, Speaker(receiver.port) as speaker:
        speaker.associate()
        yield speaker


def test_an_acknowledged_object_is_kept_indexed_and_the_same(house, peer):
    data = ct_slice(1)
    assert peer.store(data).status == 0
    kept = house.archive.read(sop_uid_of(data))
    assert data_set_of(kept) == data_set_of(data)
    assert house.archive.get(sop_uid_of(data)).source == "dimse:SPEAKER"


def test_the_same_object_twice_is_kept_once(house, peer):
    data = ct_slice(1)
    assert [peer.store(data).status for _ in range(3)] == [0, 0, 0]
    assert len(list(house.store.keys())) == 1


def test_other_bytes_under_a_known_uid_are_told_and_kept_aside(house, peer):
    uid = derive_uid("twice")
    first, second = ct_slice(1, sop_uid=uid), ct_slice(2, sop_uid=uid)
    assert peer.store(first).status == 0
    answer = peer.store(second)
    assert (answer.status, answer.comment[:6]) == (0x0111, "[1201]")
    assert data_set_of(house.archive.read(uid)) == data_set_of(first)


def test_a_malformed_object_waits_in_quarantine(house, peer):
    peer.say(store_pdus(3, store_rq("1.2.3"), data_set_of(broken("truncated"))))
    assert peer.hear().status == 0xC000
    assert [entry.error_number for entry in house.quarantine.list()] == [1102]
    assert peer.store(ct_slice(1)).status == 0


def test_what_cannot_be_synced_is_not_acknowledged_and_not_indexed(house, peer, monkeypatch):
    data, real = ct_slice(1), os.fsync

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    assert peer.store(data).status == 0xA700
    with pytest.raises(NotFound):
        house.archive.get(sop_uid_of(data))
    monkeypatch.setattr(os, "fsync", real)
    assert list(house.store.keys()) == list(house.store.abandoned()) == []
    assert peer.store(data).status == 0


def test_many_senders_at_one_time_lose_nothing(house):
    slices = [ct_slice(index, sop_uid=derive_uid("crowd", str(index))) for index in range(40)]

    def send(share) -> list[int]:
        with Speaker(receiver.port) as speaker:
            speaker.associate()
            return [speaker.store(data).status for data in share]

    with listening(house.intake, BRISK) as receiver, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, [slices[at::8] for at in range(8)])) == [[0] * 5] * 8
    for data in slices:
        assert data_set_of(house.archive.read(sop_uid_of(data))) == data_set_of(data)
