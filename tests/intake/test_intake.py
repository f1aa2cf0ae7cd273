"""Bytes come in: filed, refused to quarantine, or not kept at all; from many threads at one time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from keeping import House, image, sent_by
from sqlalchemy import text

from coread.archive import Archive, FilingOutcome, Quarantine
from coread.errors import (
    Busy,
    CoReadError,
    InputFault,
    InvalidUid,
    LowDisk,
    MissingIdentifier,
    NestingTooDeep,
    NotDicom,
    NotFound,
    ObjectTooLarge,
    SameUidOtherBytes,
    TruncatedObject,
    UnknownTransferSyntax,
)
from coread.intake import Intake, Limits
from coread.testing import broken
from coread.testing.stores import MemoryStore


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_comes_in_is_filed(house: House) -> None:
    draft = house.intake.draft()
    for start in range(0, len(image()), 100):
        draft.write(image()[start : start + 100])
    filed = house.intake.accept(draft, image()[: 1 << 16], "dimse:CT1", expected=3, priority=2)
    assert filed.outcome is FilingOutcome.STORED
    assert house.archive.read("1.2.1.1.1") == image()
    state = house.studies.state("1.2.1")
    assert (state.expected, state.priority, state.last_arrival_at) == (3, 2, house.clock())


def test_the_time_may_be_told(house: House) -> None:
    at = house.clock.pass_s(-500)
    house.clock.pass_s(500)
    assert house.intake.accept_bytes(image(), "stow", at).instance.received_at == at


def test_the_same_twice_is_stored_once(house: House) -> None:
    house.intake.accept_bytes(sent_by(image(), "A"), "dimse:A")
    assert house.intake.accept_bytes(sent_by(image(), "B"), "dimse:B").outcome is FilingOutcome.DUPLICATE
    assert len(house.keys()) == 1


def test_a_conflict_is_told_to_the_sender_and_kept_aside(house: House) -> None:
    house.intake.accept_bytes(image(seed=1), "stow")
    with pytest.raises(SameUidOtherBytes):
        house.intake.accept_bytes(image(seed=2), "stow")
    assert len(house.archive.conflicts()) == 1
    assert house.archive.read("1.2.1.1.1") == image(seed=1)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", NotDicom),
        (b"GIF89a and more", NotDicom),
        (image()[:200], TruncatedObject),
        (image()[:-1], TruncatedObject),
        (broken("missing_uid"), MissingIdentifier),
        (broken("path_in_uid"), InvalidUid),
        (broken("unknown_transfer_syntax"), UnknownTransferSyntax),
        (broken("deep_nesting"), NestingTooDeep),
    ],
)
def test_what_is_malformed_goes_to_quarantine(
    small_house: House, data: bytes, fault: type[CoReadError]
) -> None:
    with pytest.raises(fault):
        small_house.intake.accept_bytes(data, "stow")
    (entry,) = small_house.quarantine.list()
    assert entry.error_number == fault.number
    assert small_house.quarantine.read(entry.id) == data
    assert small_house.keys() == [entry.object_key]


def test_a_header_longer_than_the_head_is_read_on(small_house: House) -> None:
    data = image(PatientName="x", ImageComments="y" * 10)
    draft = small_house.intake.draft()
    draft.write(data)
    assert small_house.intake.accept(draft, data[:300], "stow").outcome is FilingOutcome.STORED
    assert small_house.archive.read("1.2.1.1.1") == data


def test_a_header_longer_than_the_limit_goes_to_quarantine(small_house: House) -> None:
    intake = small_house.intake_with(Limits(header_bytes=400))
    draft = intake.draft()
    draft.write(image())
    with pytest.raises(TruncatedObject):
        intake.accept(draft, image()[:300], "stow")
    assert len(small_house.quarantine.list()) == 1


def test_what_is_too_large_is_not_kept(small_house: House) -> None:
    with pytest.raises(ObjectTooLarge):
        small_house.intake_with(Limits(object_bytes=500)).accept_bytes(image(), "stow")
    assert small_house.keys() == []
    assert small_house.quarantine.list() == []


def test_a_full_store_acknowledges_nothing_and_works_again(small_house: House) -> None:
    store = MemoryStore(capacity_bytes=5 * len(image()) // 2)
    archive, quarantine = Archive(small_house.database, store), Quarantine(small_house.database, store)
    intake = Intake(archive, quarantine, Limits(), small_house.clock)
    intake.accept_bytes(image(1), "stow")
    intake.accept_bytes(image(2), "stow")
    with pytest.raises(LowDisk):
        intake.accept_bytes(image(3), "stow")
    with pytest.raises(NotFound):
        archive.get("1.2.3.1.1")
    archive.delete_study("1.2.1", "room", small_house.clock())
    intake.accept_bytes(image(3), "stow")
    assert list(archive.verify()) == []


def test_nothing_is_begun_below_the_watermark(small_house: House) -> None:
    small_house.store._low_disk_bytes = 1 << 60
    with pytest.raises(LowDisk, match="MiB free"):
        small_house.intake.draft()


def test_a_database_that_fails_is_not_success(small_house: House) -> None:
    """The bytes may stay, since nobody knows what was committed; the sender is told to try again."""
    small_house.intake.accept_bytes(image(9), "stow")  # opens what stays open
    with small_house.database.write() as connection:
        connection.execute(text("ALTER TABLE instances RENAME TO gone"))
    files = open_files()
    with pytest.raises(Busy):
        small_house.intake.accept_bytes(image(), "stow")
    assert open_files() <= files
    with small_house.database.write() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO instances"))
    assert small_house.archive.reconcile(small_house.clock()).filed == 1
    assert small_house.intake.accept_bytes(image(), "stow").outcome is FilingOutcome.DUPLICATE
    assert not list(small_house.archive.verify())


def test_what_is_mended_is_filed_by_retry(house: House) -> None:
    """An update of the parser, played by a limit that is lifted."""
    narrow = house.intake_with(Limits(header_bytes=400))
    draft = narrow.draft()
    draft.write(image())
    with pytest.raises(InputFault):
        narrow.accept(draft, image()[:300], "dimse:CT1")
    (entry,) = house.quarantine.list()
    with pytest.raises(InputFault):
        narrow.retry(entry.id)
    assert house.quarantine.list() == [entry]
    assert house.intake.retry(entry.id).outcome is FilingOutcome.STORED
    assert house.quarantine.list() == []
    assert house.archive.get("1.2.1.1.1").source == "dimse:CT1"
    assert not list(house.archive.verify())
    with pytest.raises(NotFound):
        house.intake.retry(entry.id)


def test_a_retry_that_meets_what_came_since(house: House) -> None:
    ids = []
    for seed in (1, 2):
        draft = house.store.draft()
        draft.write(image(seed=seed))
        key = draft.sync_and_keep()
        ids.append(house.quarantine.keep(key, draft.sha256(), "stow", NotDicom("x"), house.clock()))
    house.intake.accept_bytes(image(seed=1), "stow")
    assert house.intake.retry(ids[0]).outcome is FilingOutcome.DUPLICATE
    with pytest.raises(SameUidOtherBytes):
        house.intake.retry(ids[1])
    assert house.quarantine.list() == []
    assert (len(house.keys()), len(house.archive.conflicts())) == (2, 1)
    assert not list(house.archive.verify())


def test_a_retry_that_was_cut_off_loses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = house.store.draft()
    draft.write(image())
    id = house.quarantine.keep(draft.sync_and_keep(), draft.sha256(), "stow", NotDicom("x"), house.clock())
    with monkeypatch.context() as patch:
        patch.setattr(house.quarantine, "release", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            house.intake.retry(id)
    house.quarantine.remove(id, house.clock())
    assert house.archive.read("1.2.1.1.1") == image()


def test_many_threads_share_few_transactions(house: House) -> None:
    batches = []
    file_many = house.archive.file_many

    def counted(arrivals):
        batches.append(len(arrivals))
        return file_many(arrivals)

    house.intake._committer._file_many = counted
    barrier = threading.Barrier(8)
    faults: list[type] = []

    def send(thread: int) -> None:
        barrier.wait()
        for number in range(10):
            data = image(number % 3, thread, number) if number % 5 else image(9, seed=thread)
            try:
                house.intake.accept_bytes(data, f"dimse:{thread}")
            except SameUidOtherBytes as fault:
                faults.append(type(fault))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(batches) == 80
    assert len(batches) < 80
    assert len(faults) == 14  # two of each thread but the first to come
    assert len(house.archive.conflicts()) == 7
    assert sum(house.studies.state(f"1.2.{study}").originals for study in (0, 1, 2, 9)) == 65
    assert not list(house.archive.verify())
    assert not list(house.ledger.verify())


def test_one_that_cannot_be_filed_does_not_spoil_the_others(small_house: House, tmp_path: Path) -> None:
    committer = small_house.intake._committer
    good, bad = small_house.arrival(image(1)), small_house.arrival(image(2), expected=10**30)
    held = threading.Event()
    file_many = small_house.archive.file_many

    def slow(arrivals):
        held.wait(30)
        return file_many(arrivals)

    committer._file_many = slow
    results: dict[str, object] = {}

    def file(name: str, arrival) -> None:
        try:
            results[name] = committer.file(arrival).outcome
        except OverflowError as fault:
            results[name] = type(fault)

    first = small_house.arrival(image(3))
    threads = [
        threading.Thread(target=file, args=item) for item in (("first", first), ("good", good), ("bad", bad))
    ]
    threads[0].start()
    wait_until(lambda: committer._turn.locked() and not committer._pending)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(committer._pending) == 2)
    held.set()
    for thread in threads:
        thread.join()
    stored = FilingOutcome.STORED
    assert results == {"first": stored, "good": stored, "bad": OverflowError}
