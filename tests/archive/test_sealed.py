"""Objects at rest: nothing of them on the disk, any change found, any part read, keys changed safely."""

from __future__ import annotations

import hashlib
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from coread.archive import DiskStore, Keyring, SealedStore
from coread.archive.sealed.form import HEAD_BYTES, MAGIC, PIECE_BYTES, SLOT_BYTES, plain_size
from coread.clinic import Clinic
from coread.errors import ChecksumMismatch, ObjectLost, SettingsFault
from coread.gateways.cli import app
from coread.settings import Settings
from coread.testing import chest_radiograph

SIZES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 200_001]


@pytest.fixture
def store(disk, ring):
    return SealedStore(disk, ring)


def keep(store, data, part=7001):
    draft = store.draft()
    for start in range(0, len(data), part):
        draft.write(data[start : start + part])
    assert (draft.size_bytes, draft.sha256()) == (len(data), hashlib.sha256(data).hexdigest())
    return draft.sync_and_keep()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_kept_comes_back_and_does_not_lie_on_the_disk(store, disk, size):
    data = random.Random(size).randbytes(size)
    key = keep(store, data)
    assert (store.read(key), store.size(key)) == (data, size)
    lying = disk.path(key).read_bytes()
    assert lying.startswith(MAGIC)
    assert plain_size(len(lying)) == size
    for start in range(0, size - 32, 4096):
        assert data[start : start + 32] not in lying


@given(st.data())
def test_any_part_is_read_as_of_a_plain_file(tmp_path_factory, data):
    size = data.draw(st.sampled_from(SIZES))
    store = SealedStore(DiskStore(tmp_path_factory.mktemp("sealed")), Keyring.new())
    plain = random.Random(size).randbytes(size)
    with store.open(keep(store, plain)) as file:
        for _ in range(3):
            start, length = data.draw(st.integers(0, size + 10)), data.draw(st.integers(0, 2 * PIECE_BYTES))
            assert file.seek(start) == start
            assert file.read(length) == plain[start : start + length]
        assert file.seek(-min(size, 5), os.SEEK_END) == size - min(size, 5)
        assert file.read() == plain[-5:] if size else file.read() == b""


def damaged(path, change):
    path.chmod(0o600)
    path.write_bytes(change(bytearray(path.read_bytes())))
    path.chmod(0o400)


def test_every_change_is_found(store, disk):
    data = random.Random(1).randbytes(2 * PIECE_BYTES + 99)
    dice = random.Random(2)
    for _ in range(60):
        key = keep(store, data, 1 << 20)
        place = dice.randrange(HEAD_BYTES, disk.path(key).stat().st_size)

        def flip(held, place=place):
            held[place] ^= 1 << dice.randrange(8)
            return bytes(held)

        damaged(disk.path(key), flip)
        with pytest.raises(ChecksumMismatch):
            store.read(key)


def test_pieces_are_neither_moved_nor_cut_off_nor_taken_from_elsewhere(store, disk):
    data = bytes(3 * PIECE_BYTES)
    one, two = keep(store, data), keep(store, data)
    sealed = PIECE_BYTES + 16

    def swap(held):
        first = held[HEAD_BYTES : HEAD_BYTES + sealed]
        held[HEAD_BYTES : HEAD_BYTES + sealed] = held[HEAD_BYTES + sealed : HEAD_BYTES + 2 * sealed]
        held[HEAD_BYTES + sealed : HEAD_BYTES + 2 * sealed] = first
        return bytes(held)

    damaged(disk.path(one), swap)
    with pytest.raises(ChecksumMismatch):
        store.read(one)
    damaged(disk.path(one), lambda held: bytes(held[: HEAD_BYTES + sealed]))
    with pytest.raises(ChecksumMismatch):
        store.read(one)
    damaged(disk.path(one), lambda held: bytes(held[:60]))
    with pytest.raises(ObjectLost):
        store.read(one)
    damaged(disk.path(one), lambda _: disk.path(two).read_bytes())
    with pytest.raises(ObjectLost, match="none of our keys"):
        store.read(one)


def test_without_the_key_there_is_nothing(store, disk):
    key = keep(store, b"x" * 100)
    with pytest.raises(ObjectLost, match="none of our keys"):
        SealedStore(disk, Keyring.new()).read(key)


def test_objects_from_before_stay_readable(store, disk):
    draft = disk.draft()
    draft.write(b"kept before")
    key = draft.sync_and_keep()
    assert (store.read(key), store.size(key)) == (b"kept before", 11)
    assert list(store.wrapping_keys()) == ["none"]


@pytest.mark.parametrize("broken", [None, 0, 1])
def test_keys_are_changed_without_touching_pictures(disk, ring, broken):
    """`broken`: the slot that a power cut left half written."""
    store, data = SealedStore(disk, ring), random.Random(3).randbytes(100_000)
    key = keep(store, data)
    body, mode = disk.path(key).read_bytes()[HEAD_BYTES:], disk.path(key).stat().st_mode
    turned = ring.turned()
    if broken is not None:
        start = len(MAGIC) + broken * SLOT_BYTES
        damaged(disk.path(key), lambda h: bytes(h[: start + 30] + os.urandom(20) + h[start + 50 :]))
    assert SealedStore(disk, turned).read(key) == data
    assert SealedStore(disk, turned).rewrap() == 1
    assert SealedStore(disk, turned).rewrap() == 0
    assert (disk.path(key).read_bytes()[HEAD_BYTES:], disk.path(key).stat().st_mode) == (body, mode)
    assert SealedStore(disk, turned.alone()).read(key) == data
    with pytest.raises(ObjectLost):
        store.read(key)


def test_a_ring_is_read_as_it_was_written_and_by_its_owner_alone(tmp_path):
    path = tmp_path / "keys.json"
    made = Keyring.read(path)
    assert path.stat().st_mode & 0o777 == 0o600
    made.turned().write(path)
    assert len(Keyring.read(path).keys) == 2
    assert made.keys[made.current].hex() not in repr(made)
    path.chmod(0o640)
    with pytest.raises(SettingsFault, match="others"):
        Keyring.read(path)
    path.chmod(0o600)
    for text in ("", "[]", "{}", '{"current": "00", "keys": {}}', '{"current": "00", "keys": {"00": "00"}}'):
        path.write_text(text)
        with pytest.raises(SettingsFault):
            Keyring.read(path)


def test_a_clinic_seals_by_its_settings_and_verifies(tmp_path, monkeypatch):
    for name, value in (("FOLDER", "kept"), ("KEYS", "keys.json")):
        monkeypatch.setenv(f"COREAD_DATA__{name}", str(tmp_path / value))
    data = {"folder": str(tmp_path / "kept"), "keys": str(tmp_path / "keys.json")}
    with Clinic(Settings.model_validate({"data": data})) as clinic:
        clinic.intake.accept_bytes(chest_radiograph(facts={"PatientName": "Canary^Celia"}), "test")
        (path,) = (tmp_path / "kept" / "objects").rglob("*.dcm")
        assert b"Canary" not in path.read_bytes()
    run = CliRunner().invoke
    assert "0 faults" in run(app, ["archive", "verify"]).output
    assert run(app, ["archive", "new-key"]).exit_code == 0
    told = run(app, ["archive", "rewrap", "--drop-former"])
    assert "1 objects closed" in told.output, told.output
    assert "0 faults" in run(app, ["archive", "verify"]).output
    damaged(path, lambda held: bytes(held[:-1] + b"x"))
    assert "changed" in run(app, ["archive", "verify"]).output
