"""Ten thousand random tamperings: none goes unseen, in the database's rows or in an export."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from recording import Memory, Recorder, event
from sqlalchemy import delete, select, update

from coread.archive import Database
from coread.ledger import Exporter, Ledger, LedgerFault, StoredEvent, verify_export
from coread.ledger.checking import Check, Kept
from coread.ledger.frontier import Frontier
from coread.ledger.heads.notary import checked_heads
from coread.ledger.merkle import leaf_hash
from coread.ledger.tables import EVENTS, FRONTIER, HEADS, KEYS, NODES

TAMPERINGS = 10_000
_EVENTS = 24

Rows = list[StoredEvent]
Tampering = Callable[[random.Random, Rows], Rows]


def written(recorder: Recorder) -> tuple[Rows, Kept]:
    """Give the rows of a ledger with a head on the way and one at its end, and what stands beside them."""
    recorder.record(_EVENTS // 2, key="")
    recorder.notary.sign()
    recorder.record(_EVENTS // 2 - 2)
    recorder.ledger.append(event(99, key="a key", subject="1.2.840.2"))
    head = recorder.notary.sign()
    assert head is not None
    notes = [(read[0], read[1]) for read in zip((13, 24), recorder.notary.notes(), strict=True)]
    heads, unsigned = checked_heads(notes, recorder.notary.known_keys())
    with recorder.database.read() as connection:
        edge = recorder.ledger.edge_in(connection)
    return recorder.ledger.stored(), Kept(edge, {}, heads, unsigned)


@pytest.fixture
def kept(recorder: Recorder) -> tuple[Rows, Kept]:
    return written(recorder)


def faults(rows: Sequence[StoredEvent], kept: Kept) -> list[LedgerFault]:
    return list(Check(kept).faults(rows))


def flip_a_bit(dice: random.Random, rows: Rows) -> Rows:
    place = dice.randrange(len(rows))
    name = dice.choice(
        [f.name for f in fields(StoredEvent) if getattr(rows[place], f.name) not in (None, "")]
    )
    return [*rows[:place], replace(rows[place], **{name: _flipped(dice, getattr(rows[place], name))}),
            *rows[place + 1 :]]  # fmt: skip


def _flipped(dice: random.Random, value: Any) -> Any:
    if isinstance(value, int):
        return value ^ 1 << dice.randrange(20)
    data = bytearray(value.encode("utf-8") if isinstance(value, str) else value)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data.decode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(data)


def remove(dice: random.Random, rows: Rows) -> Rows:
    place = dice.randrange(len(rows))
    return rows[:place] + rows[place + dice.randint(1, 4) :]


def insert(dice: random.Random, rows: Rows) -> Rows:
    place = dice.randrange(len(rows) + 1)
    return [*rows[:place], dice.choice(rows), *rows[place:]]


def insert_and_count_anew(dice: random.Random, rows: Rows) -> Rows:
    return [replace(row, sequence=number) for number, row in enumerate(insert(dice, rows), 1)]


def remove_and_count_anew(dice: random.Random, rows: Rows) -> Rows:
    return [replace(row, sequence=number) for number, row in enumerate(remove(dice, rows), 1)]


def swap(dice: random.Random, rows: Rows) -> Rows:
    one, other = sorted(dice.sample(range(len(rows)), 2))
    swapped = list(rows)
    swapped[one], swapped[other] = rows[other], rows[one]
    return swapped


def swap_and_count_anew(dice: random.Random, rows: Rows) -> Rows:
    return [replace(row, sequence=number) for number, row in enumerate(swap(dice, rows), 1)]


def roll_back(dice: random.Random, rows: Rows) -> Rows:
    return rows[: dice.randrange(len(rows))]


def change_and_hash_anew(dice: random.Random, rows: Rows) -> Rows:
    """Change what somebody said, and make the leaf hash fit: the tree and the heads must tell."""
    place = dice.randrange(len(rows))
    forged = replace(rows[place], actor=f"person:p-{dice.randrange(10**9)}")
    forged = replace(forged, leaf_hash=leaf_hash(forged.entry))
    return [*rows[:place], forged, *rows[place + 1 :]]


def forget_in_silence(dice: random.Random, rows: Rows) -> Rows:
    place = dice.randrange(len(rows))
    gone = replace(rows[place], subject="forgotten", key=None, private=None, salt=None)
    return [*rows[:place], gone, *rows[place + 1 :]]


KINDS: tuple[Tampering, ...] = (
    flip_a_bit, remove, insert, insert_and_count_anew, remove_and_count_anew, swap, swap_and_count_anew,
    roll_back, change_and_hash_anew, forget_in_silence,
)  # fmt: skip


def test_the_ledger_as_it_was_written_has_no_fault(kept: tuple[Rows, Kept]) -> None:
    assert faults(*kept) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_tampering_goes_unseen(kept: tuple[Rows, Kept], kind: Tampering) -> None:
    rows, beside = kept
    dice = random.Random(f"{kind.__name__}, 7")
    for _ in range(TAMPERINGS // len(KINDS)):
        tampered = kind(dice, rows)
        assert tampered != rows
        assert faults(tampered, beside), kind.__name__


def test_who_hashes_everything_anew_is_found_by_the_signed_head(kept: tuple[Rows, Kept]) -> None:
    rows, beside = kept
    dice = random.Random(3)
    for _ in range(200):
        forged = change_and_hash_anew(dice, rows)
        edge = Frontier()
        edge.extend(row.leaf_hash for row in forged)
        assert {fault.what for fault in faults(forged, replace(beside, frontier=edge))} == {"head"}


def test_who_also_throws_the_heads_away_is_found_by_a_witness(tmp_path: Path) -> None:
    witness = Memory()
    recorder = Recorder(f"sqlite:///{tmp_path / 'index.sqlite'}", tmp_path, [witness])
    recorder.record(9)
    recorder.notary.sign()
    recorder.notary.show()
    rows = [
        replace(row, actor="person:p-9") if row.sequence == 3 else row for row in recorder.ledger.stored()
    ]
    rows[2] = replace(rows[2], leaf_hash=leaf_hash(rows[2].entry))
    edge = Frontier()
    edge.extend(row.leaf_hash for row in rows)
    with recorder.database.write() as connection:
        forged = {"actor": rows[2].actor, "leaf_hash": rows[2].leaf_hash}
        connection.execute(update(EVENTS).where(EVENTS.c.sequence == 3).values(forged))
        connection.execute(update(FRONTIER).values(peaks=edge.to_bytes()))
        connection.execute(delete(HEADS))
    assert not list(recorder.ledger.verify())
    verified = recorder.notary.verify()
    assert verified.against_witnesses == (("memory", LedgerFault(10, "rewritten")),)
    recorder.close()


# In the database, on each system


DAMAGE = {
    "a bit of a leaf": lambda c: c.execute(
        update(EVENTS).where(EVENTS.c.sequence == 5).values(leaf_hash=b"x")
    ),
    "a hole": lambda c: c.execute(delete(EVENTS).where(EVENTS.c.sequence == 5)),
    "the tail": lambda c: c.execute(delete(EVENTS).where(EVENTS.c.sequence > 290)),
    "all events": lambda c: c.execute(delete(EVENTS)),
    "the edge": lambda c: c.execute(update(FRONTIER).values(size=299)),
    "no edge": lambda c: c.execute(delete(FRONTIER)),
    "a node": lambda c: c.execute(update(NODES).values(hash=b"\x00" * 32)),
    "no node": lambda c: c.execute(delete(NODES)),
    "a head's text": lambda c: c.execute(update(HEADS).values(note=HEADS.c.note + "x")),
    "a head's size": lambda c: c.execute(update(HEADS).values(size=HEADS.c.size + 1000)),
    "the keys": lambda c: c.execute(update(KEYS).values(public_key=b"\x01" * 32)),
}
#: The edge is a function of the events: made anew, it is what it was, and the heads still tell.
HEALED = {"no edge"}


@pytest.fixture
def long_recorder(database_url: str, tmp_path: Path):
    recorder = Recorder(database_url, tmp_path)
    recorder.record(300)
    recorder.notary.sign()
    yield recorder
    recorder.close()


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_in_the_database_is_found(long_recorder: Recorder, what: str) -> None:
    assert long_recorder.notary.verify().faults == ()
    with long_recorder.database.write() as connection:
        DAMAGE[what](connection)
    assert long_recorder.notary.verify().faults
    long_recorder.record(3)  # care goes on
    assert bool(long_recorder.notary.verify().faults) is (what not in HEALED)


@pytest.mark.parametrize("peaks", [b"", b"short", b"\x00" * 320])
def test_a_damaged_edge_is_found_and_stops_nobody(long_recorder: Recorder, peaks: bytes) -> None:
    with long_recorder.database.write() as connection:
        connection.execute(update(FRONTIER).values(peaks=peaks))
    assert long_recorder.notary.verify().faults
    assert long_recorder.record(2) == [302, 303]


def test_bits_flipped_in_the_file_s_texts_are_found(recorder: Recorder) -> None:
    recorder.record(20)
    dice = random.Random(11)
    columns = [c.name for c in EVENTS.c if c.name not in ("sequence", "key")]
    before = {row.sequence: row for row in recorder.ledger.stored()}
    for _ in range(150):
        sequence, name = dice.randint(1, 20), dice.choice(columns)
        value = getattr(before[sequence], name)
        data = bytearray(value.encode() if isinstance(value, str) else value)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        # As text of the same bytes, which may be no UTF-8: SQLite keeps it, and cannot give it back.
        raw = f"CAST(x'{data.hex()}' AS TEXT)" if isinstance(value, str) else f"x'{data.hex()}'"
        with recorder.database.write() as connection:
            connection.exec_driver_sql(f"UPDATE events SET {name} = {raw} WHERE sequence = {sequence}")
        assert list(recorder.ledger.verify()), (name, data)
        read = recorder.ledger.events()  # pages still show what is left
        assert [record.sequence for record in read if not record.is_intact] == [sequence]
        with recorder.database.write() as connection:
            connection.execute(update(EVENTS).where(EVENTS.c.sequence == sequence).values({name: value}))
    assert not list(recorder.ledger.verify())


def test_what_is_appended_after_a_cut_stands_behind_the_hole(database: Database) -> None:
    ledger = Ledger(database)
    ledger.append_many([event(number) for number in range(6)])
    with database.write() as connection:
        connection.execute(delete(EVENTS).where(EVENTS.c.sequence > 4))
    assert ledger.append(event(7)) == 7
    assert list(ledger.verify()) == [LedgerFault(5, "missing")]


def test_rows_written_past_the_ledger_are_found(recorder: Recorder) -> None:
    recorder.record(3)
    with recorder.database.write() as connection:
        row = connection.execute(select(EVENTS).where(EVENTS.c.sequence == 3)).mappings().one()
        connection.execute(EVENTS.insert().values(dict(row) | {"sequence": 4}))
    assert LedgerFault(4, "unaccounted") in list(recorder.ledger.verify())


# In an export


def test_no_bit_of_an_export_can_be_changed(recorder: Recorder, tmp_path: Path) -> None:
    recorder.record(6)
    recorder.notary.rotate()
    recorder.record(2)
    out = tmp_path / "out"
    Exporter(recorder.ledger, recorder.notary).write(out)
    pinned = [recorder.notary.known_keys()[0].id]
    assert verify_export(out, pinned).faults == []
    names = ["events.jsonl"] * 6 + ["heads.txt", "keys.jsonl"]
    whole = {name: (out / name).read_bytes() for name in set(names)}
    dice = random.Random(5)
    for _ in range(1_000):
        name = dice.choice(names)
        data = bytearray(whole[name])
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        (out / name).write_bytes(bytes(data))
        assert verify_export(out, pinned).faults, name
        (out / name).write_bytes(whole[name])


@pytest.mark.parametrize("change", ["remove", "double", "swap", "cut", "empty"])
def test_no_line_of_an_export_can_be_moved(recorder: Recorder, tmp_path: Path, change: str) -> None:
    recorder.record(6)
    out = tmp_path / "out"
    Exporter(recorder.ledger, recorder.notary).write(out)
    lines = (out / "events.jsonl").read_bytes().splitlines(keepends=True)
    changed = {
        "remove": lines[:2] + lines[3:],
        "double": [*lines[:3], lines[2], *lines[3:]],
        "swap": [lines[1], lines[0], *lines[2:]],
        "cut": lines[:-1],
        "empty": [],
    }[change]
    (out / "events.jsonl").write_bytes(b"".join(changed))
    assert verify_export(out).faults
