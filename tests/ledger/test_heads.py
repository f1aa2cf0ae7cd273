"""Signed heads: keys, notes in one form, clocks, rotation."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import AT, Recorder
from sqlalchemy import delete, insert, select, update

from coread.errors import SettingsFault
from coread.ledger import Notary, SignedHead, TreeHead, leaf_hash, read_note, root
from coread.ledger.heads.head import hash_of_key, newest, read_notes
from coread.ledger.heads.keys import SigningKey, id_of, load, load_or_make, public_pem, verifies
from coread.ledger.tables import HEADS, KEYS


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.key"
    key = load_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make(path).id == load(path).id == key.id == id_of(key.public)
    assert key.id in repr(key)
    assert b"PRIVATE KEY" in path.read_bytes()
    assert verifies(key.public, key.sign(b"x"), b"x")
    assert not verifies(key.public, key.sign(b"x"), b"y")
    assert not verifies(b"short", key.sign(b"x"), b"x")
    assert public_pem(key.public).startswith("-----BEGIN PUBLIC KEY-----\n")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    load_or_make(path)
    path.chmod(0o640)
    with pytest.raises(SettingsFault, match="chmod 600"):
        load_or_make(path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"RSA"])
def test_a_file_that_is_no_ed25519_key_is_refused(tmp_path: Path, content: bytes) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    if content == b"RSA":
        content = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    path = tmp_path / "ledger.key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(SettingsFault, match="Ed25519"):
        load(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsFault, match="cannot be"):
        load_or_make(tmp_path / "file" / "ledger.key")


def test_a_head_speaks_of_all_events_and_is_kept(recorder: Recorder) -> None:
    assert recorder.notary.sign() is None
    assert recorder.notary.last_head() is None
    recorder.record(5)
    signed = recorder.notary.sign()
    assert signed is not None
    head = signed.head
    leaves = [leaf_hash(row.entry) for row in recorder.ledger.stored()]
    assert (head.origin, head.size, head.root) == ("test-log", 6, root(leaves))  # the key is an event too
    assert recorder.notary.sign() == recorder.notary.last_head() == recorder.notary.head_at(6) == signed
    assert recorder.notary.head_at(5) is None
    assert [row.event.kind for row in recorder.ledger.events(after=5)] == ["ledger.key-taken"]
    assert recorder.notary.notes() == [signed.note]
    assert read_note(signed.note) == signed


def test_the_note_is_a_checkpoint_as_transparency_logs_write_it() -> None:
    key = SigningKey.new()
    head = TreeHead("example.org/log", 7, b"\x00" * 32, AT)
    signed = SignedHead(head, hash_of_key(head.origin, key.public), key.sign(head.text.encode()))
    lines = signed.note.split("\n")
    assert lines[:3] == ["example.org/log", "7", "A" * 43 + "="]
    assert lines[4] == ""
    assert lines[5].startswith("— example.org/log ")
    assert signed.is_signed_by(lambda signature, data: verifies(key.public, signature, data))


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note + " ",
        lambda note: note.replace("\n7\n", "\n07\n"),
        lambda note: note.replace("— ex", "— ey"),
        lambda note: note.replace("A=\n", "B=\n", 1),  # unused bits of base64
        lambda note: note.replace("2026", "2O26"),
        lambda note: note[:-1],
        lambda note: "",
    ],
)
def test_a_note_in_another_form_is_none(change) -> None:
    head = TreeHead("example.org/log", 7, b"\x00" * 32, AT)
    note = SignedHead(head, b"1234", b"\x00" * 64).note
    assert read_notes(note + note) == [read_note(note)] * 2
    with pytest.raises(ValueError, match=r"xpected|Invalid"):
        read_note(change(note))


@given(st.text(max_size=300))
def test_any_text_is_a_note_or_a_value_error(text: str) -> None:
    for read in (read_note, read_notes):
        with contextlib.suppress(ValueError):
            assert read(text) is not None


def test_a_clock_that_goes_back_makes_no_head_older_and_is_told(recorder: Recorder) -> None:
    recorder.record(2)
    first = recorder.notary.sign()
    recorder.clock.now -= timedelta(days=2)
    recorder.record(2)
    second = recorder.notary.sign()
    assert first is not None and second is not None  # noqa: PT018
    assert second.head.at == first.head.at
    verified = recorder.notary.verify()
    assert verified.faults == ()
    assert verified.checked.steps_back == (4, 5)


def test_a_head_older_than_the_one_before_it_is_a_fault(recorder: Recorder) -> None:
    key = load_or_make(recorder.folder / "ledger.key")
    recorder.record(2)
    recorder.notary.sign()
    recorder.record(1)
    late = TreeHead("test-log", 4, recorder.ledger.root(), AT - timedelta(days=1))
    signed = SignedHead(late, hash_of_key("test-log", key.public), key.sign(late.text.encode()))
    with recorder.database.write() as connection:
        connection.execute(insert(HEADS).values(size=4, at="x", note=signed.note))
    assert [(f.sequence, f.what) for f in recorder.notary.verify().faults] == [(4, "signature")]


def test_a_new_key_is_vouched_for_by_the_old_one(recorder: Recorder) -> None:
    recorder.record(2)
    recorder.notary.sign()
    old = load(recorder.folder / "ledger.key")
    new = recorder.notary.rotate()
    assert load(recorder.folder / "ledger.key").id == new.id != old.id
    recorder.record(1)
    signed = recorder.notary.sign()
    assert signed is not None
    assert signed.key_hash == hash_of_key("test-log", new.public)
    assert [(k.id, k.former_id) for k in recorder.notary.known_keys()] == [(old.id, ""), (new.id, old.id)]
    verified = recorder.notary.verify()
    assert (verified.faults, verified.unendorsed) == ((), ())
    files = sorted(path.name for path in recorder.folder.glob("ledger.key*"))
    assert files == ["ledger.key", f"ledger.key.{old.id[:12]}.old"]
    assert all(os.stat(recorder.folder / name).st_mode & 0o077 == 0 for name in files)  # noqa: PTH116


def test_a_key_made_in_the_place_of_a_lost_one_is_told(recorder: Recorder) -> None:
    recorder.record(2)
    recorder.notary.sign()
    (recorder.folder / "ledger.key").unlink()
    recorder.record(1)
    recorder.notary.sign()
    verified = recorder.notary.verify()
    assert verified.faults == ()
    assert verified.unendorsed == (recorder.notary.known_keys()[1].id,)


def test_an_endorsement_that_does_not_hold_is_told(recorder: Recorder) -> None:
    recorder.record(1)
    new = recorder.notary.rotate()
    with recorder.database.write() as connection:
        connection.execute(update(KEYS).where(KEYS.c.key_id == new.id).values(endorsement=b"\x00" * 64))
    assert recorder.notary.verify().unendorsed == (new.id,)


def test_heads_whose_key_is_gone_are_faults(recorder: Recorder) -> None:
    recorder.record(3)
    recorder.notary.sign()
    with recorder.database.write() as connection:
        connection.execute(delete(KEYS))
    assert [fault.what for fault in recorder.notary.verify().faults] == ["signature"]


def test_a_log_without_a_name_is_named_after_its_first_key(recorder: Recorder) -> None:
    notary = Notary(recorder.database, recorder.ledger, recorder.folder / "other.key", recorder.clock)
    assert notary.origin() == ""
    recorder.record(1)
    notary.sign()
    first = load(recorder.folder / "other.key").id[:12]
    assert notary.origin() == f"coread-{first}"
    notary.rotate()
    assert notary.origin() == f"coread-{first}"


def test_two_that_sign_at_once_make_one_head(database_url: str, tmp_path: Path) -> None:
    recorder = Recorder(database_url, tmp_path)
    recorder.record(50)
    others = [Recorder(database_url, tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=other.notary.sign) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with recorder.database.read() as connection:
        sizes = connection.execute(select(HEADS.c.size)).scalars().all()
    assert sizes == [51]
    assert recorder.notary.verify().faults == ()
    for each in (recorder, *others):
        each.close()


def test_the_newest_of_no_heads_is_none() -> None:
    assert newest([]) is None
