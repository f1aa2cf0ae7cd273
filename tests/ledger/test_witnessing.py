"""Witnesses: what they are sent, when they are away, and what only they can tell."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from recording import Memory, Recorder
from sqlalchemy import delete

from coread.errors import DestinationRefused, DestinationUnreachable
from coread.ledger import FileWitness, SignedHead
from coread.ledger.records import LedgerFault
from coread.ledger.tables import EVENTS, FRONTIER, HEADS, KEYS, NODES, SENDINGS


@pytest.fixture
def witness() -> Memory:
    return Memory()


@pytest.fixture
def watched(database_url: str, tmp_path: Path, witness: Memory) -> Iterator[Recorder]:
    recorder = Recorder(database_url, tmp_path, [witness])
    yield recorder
    recorder.close()


def sign_and_show(recorder: Recorder, count: int = 2) -> SignedHead:
    recorder.record(count)
    signed = recorder.notary.sign()
    recorder.notary.show()
    assert signed is not None
    return signed


def states(recorder: Recorder) -> list[tuple[int, str]]:
    return [(sending.size, sending.state) for sending in recorder.notary.sendings()]


def test_a_witness_keeps_each_head_once(watched: Recorder, witness: Memory) -> None:
    first = sign_and_show(watched)
    watched.notary.show()
    second = sign_and_show(watched)
    assert witness.heads == [first, second]
    assert states(watched) == [(5, "sent"), (3, "sent")]
    assert watched.notary.sendings()[0].receipt == b"kept"
    assert watched.notary.verify().faults == ()


def test_a_witness_that_is_away_is_asked_again_later_and_stops_nobody(
    watched: Recorder, witness: Memory
) -> None:
    witness.is_away = True
    sign_and_show(watched)
    watched.notary.show()  # within the pause: nobody is asked
    assert [sending.attempts for sending in watched.notary.sendings()] == [1]
    assert "nobody" in watched.notary.sendings()[0].detail
    for _ in range(3):
        watched.clock.now += timedelta(hours=1)
        sign_and_show(watched)
    assert watched.notary.verify().away == ("memory",)
    assert watched.notary.watch() == ()
    witness.is_away = False
    watched.notary.show()  # still within the pause
    assert witness.heads == []
    watched.clock.now += timedelta(hours=1)
    watched.notary.show()
    assert [head.head.size for head in witness.heads] == [9]
    assert states(watched) == [(9, "sent"), (7, "overtaken"), (5, "overtaken"), (3, "overtaken")]


def test_pauses_double_up_to_an_hour(watched: Recorder, witness: Memory) -> None:
    witness.is_away = True
    sign_and_show(watched)
    for _ in range(12):
        watched.clock.now += timedelta(hours=2)
        watched.notary.show()
    watched.clock.now += timedelta(minutes=59)
    watched.notary.show()
    assert watched.notary.sendings()[0].attempts == 13


def test_a_witness_that_refuses_is_not_asked_again(watched: Recorder, witness: Memory) -> None:
    def refuse(_: SignedHead) -> bytes:
        raise DestinationRefused("no", where="memory")

    witness.send = refuse  # type: ignore[method-assign]
    sign_and_show(watched)
    watched.clock.now += timedelta(days=1)
    watched.notary.show()
    assert states(watched) == [(3, "refused")]
    assert watched.notary.sendings()[0].attempts == 1


def test_yesterday_s_backup_is_found_by_a_witness_and_goes_on_record(tmp_path: Path, witness: Memory) -> None:
    folder, backup = tmp_path / "now", tmp_path / "backup"
    folder.mkdir()
    url = f"sqlite:///{folder / 'index.sqlite'}"
    recorder = Recorder(url, folder, [witness])
    sign_and_show(recorder, 4)
    recorder.close()
    shutil.copytree(folder, backup)
    recorder = Recorder(url, folder, [witness])
    sign_and_show(recorder, 6)
    recorder.close()
    for path in folder.glob("index.sqlite*"):
        path.unlink()
        shutil.copy(backup / "index.sqlite", folder / "index.sqlite")
    recorder = Recorder(url, folder, [witness])
    assert recorder.notary.verify().checked.faults == ()  # the backup is whole in itself
    assert recorder.notary.verify().against_witnesses == (("memory", LedgerFault(11, "rolled-back")),)
    assert recorder.notary.watch() == recorder.notary.watch()
    assert [e.event.kind for e in recorder.ledger.events(after=5)] == ["ledger.fault-found"]
    recorder.record(10)  # it grows past what the witness saw: another history
    assert [fault.what for _, fault in recorder.notary.watch()] == ["rewritten"]
    recorder.close()


def test_a_roll_back_with_rotated_key_is_found(tmp_path: Path, witness: Memory) -> None:
    folder, backup = tmp_path / "now", tmp_path / "backup.sqlite"
    folder.mkdir()
    recorder = Recorder(f"sqlite:///{folder / 'index.sqlite'}", folder, [witness])
    sign_and_show(recorder)
    with sqlite3.connect(folder / "index.sqlite") as source, sqlite3.connect(backup) as target:
        source.backup(target)
    source.close()
    target.close()
    recorder.notary.rotate()
    sign_and_show(recorder)
    recorder.close()
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    shutil.copy(backup, folder / "index.sqlite")
    recorder = Recorder(f"sqlite:///{folder / 'index.sqlite'}", folder, [witness])
    assert [fault.what for _, fault in recorder.notary.watch()] == ["rolled-back"]
    recorder.close()


def test_a_ledger_that_was_emptied_whole_is_found(watched: Recorder, witness: Memory) -> None:
    sign_and_show(watched, 300)
    with watched.database.write() as connection:
        for table in (EVENTS, FRONTIER, NODES, HEADS, KEYS, SENDINGS):
            connection.execute(delete(table))
    assert [fault.what for _, fault in watched.notary.watch()] == ["rolled-back"]


def test_a_witness_with_a_head_that_nobody_signed_is_told(watched: Recorder, witness: Memory) -> None:
    signed = sign_and_show(watched)
    witness.heads = [SignedHead(signed.head, signed.key_hash, b"\x00" * 64)]
    assert [fault.what for _, fault in watched.notary.watch()] == ["signature"]
    witness.heads = [SignedHead(signed.head, b"none", signed.signature)]
    assert [fault.what for _, fault in watched.notary.watch()] == ["signature"]


# A file


def test_heads_are_added_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "heads.txt"
    witness = FileWitness(path)
    recorder = Recorder(f"sqlite:///{tmp_path / 'index.sqlite'}", tmp_path, [witness])
    sign_and_show(recorder)
    assert states(recorder) == [(3, "waiting")]  # the share is away
    with pytest.raises(DestinationUnreachable):
        witness.latest("test-log")
    path.parent.mkdir()
    assert witness.latest("test-log") is None
    recorder.clock.now += timedelta(hours=1)
    first, second = sign_and_show(recorder), sign_and_show(recorder)
    assert path.read_text(encoding="utf-8") == first.note + second.note
    assert witness.latest("test-log") == second
    assert witness.latest("another-log") is None
    path.write_text("nonsense")
    with pytest.raises(DestinationRefused):
        witness.latest("test-log")
    assert recorder.notary.verify().away == ("file",)
    path.unlink()
    path.mkdir()
    with pytest.raises(DestinationUnreachable):
        witness.latest("test-log")
    recorder.close()
