"""Objects kept before encryption was switched on are sealed later: nothing is lost, whenever it stops."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from typer.testing import CliRunner

from coread.archive import SealedStore
from coread.archive.sealed import afterwards
from coread.archive.sealed.form import MAGIC, PIECE_BYTES
from coread.clinic import Clinic
from coread.errors import Busy, ChecksumMismatch
from coread.gateways.cli import app
from coread.settings import Settings
from coread.testing import chest_radiograph

SIZES = (0, 1, 7, PIECE_BYTES, PIECE_BYTES + 1, 300_001)


def kept_plain(disk, sizes=SIZES):
    kept = {}
    for number, size in enumerate(sizes):
        data = random.Random(number).randbytes(size)
        draft = disk.draft()
        draft.write(data)
        kept[draft.sync_and_keep()] = data
    return kept


def is_sealed(disk, key):
    return disk.path(key).read_bytes().startswith(MAGIC)


def test_what_lay_plain_is_sealed_once_and_reads_as_before(disk, ring):
    kept, seen = kept_plain(disk), []
    times = {key: disk.kept_at_s(key) for key in kept}
    store = SealedStore(disk, ring)
    done = store.seal(lambda: ring, seen.append)
    assert (done.sealed, done.sealed_bytes, done.were_sealed, done.gone) == (6, sum(SIZES), 0, 0)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert {key: store.read(key) for key in kept} == kept
    assert all(is_sealed(disk, key) and disk.path(key).stat().st_mode & 0o777 == 0o400 for key in kept)
    assert {key: disk.kept_at_s(key) for key in kept} == times
    bodies = {key: disk.path(key).read_bytes() for key in kept}
    again = store.seal(lambda: ring)
    assert (again.sealed, again.were_sealed) == (0, 6)
    assert {key: disk.path(key).read_bytes() for key in kept} == bodies
    assert set(disk.keys()) == set(kept)


def killed_after(store, ring, seconds):
    """Seal in a process of its own, and kill it after so long; tell whether it had ended by itself."""
    child = os.fork()
    if child == 0:  # pragma: no cover - in the other process
        try:
            store.seal(lambda: ring)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFEXITED(os.waitpid(child, 0)[1])


def test_killed_at_any_moment_nothing_is_lost_and_the_next_call_goes_on(disk, ring):
    chance, kept, kills = random.Random(5), {}, 0
    while kills < 15:
        ended = killed_after(SealedStore(disk, ring), ring, chance.uniform(0.002, 0.06))
        store = SealedStore(disk, ring)
        assert {key: store.read(key) for key in kept} == kept
        assert set(disk.keys()) == set(kept)
        assert list((disk.root / "sealing").glob("*.dcm")) == []
        if ended:  # nothing was left to seal: more is kept, however fast the disk is
            kept |= kept_plain(disk, [chance.randrange(200_000) for _ in range(30)])
        else:
            kills += 1
    store.seal(lambda: ring)
    assert all(is_sealed(disk, key) for key in kept)


@pytest.mark.parametrize("moment", ["_read_back", "_put_in_place"])
def test_what_is_deleted_meanwhile_stays_deleted(disk, ring, monkeypatch, moment):
    (key,) = kept_plain(disk, [100_000])
    store, real = SealedStore(disk, ring), getattr(afterwards, moment)

    def delete_first(*given):
        store.delete(key)
        return real(*given)

    monkeypatch.setattr(afterwards, moment, delete_first)
    done = store.seal(lambda: ring)
    assert (done.sealed, done.gone) == (0, 1)
    assert [p for p in disk.root.rglob("*") if p.suffix == ".dcm"] == []


def test_a_reader_that_began_before_reads_to_the_end(disk, ring):
    ((key, data),) = kept_plain(disk, [300_000]).items()
    store = SealedStore(disk, ring)
    with store.open(key) as file:
        begun = file.read(1000)
        store.seal(lambda: ring)
        assert begun + file.read() == data
    assert (store.read(key), store.size(key)) == (data, len(data))


def test_a_deletion_waits_for_the_rename_and_takes_the_sealed_file(disk, ring):
    """A deletion that holds the plain file when it is replaced must not leave the sealed one behind."""
    (key,) = kept_plain(disk, [1000])
    store = SealedStore(disk, ring)
    with disk.path(key).open("rb") as held:
        afterwards.fcntl.flock(held, afterwards.fcntl.LOCK_EX)
        deleting = threading.Thread(target=store.delete, args=(key,))
        deleting.start()
        time.sleep(0.05)
        assert deleting.is_alive()
        with afterwards.alone(disk.root) as working:
            copy = working / "other.dcm"
            copy.write_bytes(b"sealed")
            copy.replace(disk.path(key))
    deleting.join(5)
    assert not disk.path(key).exists()


def test_a_copy_that_does_not_read_back_never_takes_the_place(disk, ring, monkeypatch):
    ((key, data),) = kept_plain(disk, [100_000]).items()
    monkeypatch.setattr(afterwards, "_read_back", lambda *_: "another digest")
    store = SealedStore(disk, ring)
    with pytest.raises(ChecksumMismatch, match="stays as it was"):
        store.seal(lambda: ring)
    assert disk.path(key).read_bytes() == data
    assert [p.name for p in (disk.root / "sealing").iterdir()] == ["lock"]


def test_one_at_a_time(disk, ring):
    store = SealedStore(disk, ring)
    with afterwards.alone(disk.root):
        for work in (store.rewrap, lambda: store.seal(lambda: ring)):
            with pytest.raises(Busy, match="one such command"):
                work()


def test_the_command_seals_a_clinic_that_was_plain_and_puts_it_on_record(tmp_path, monkeypatch):
    data = {"folder": str(tmp_path / "kept")}
    with Clinic(Settings.model_validate({"data": data})) as clinic:
        clinic.intake.accept_bytes(chest_radiograph(facts={"PatientName": "Canary^Celia"}), "test")
    (path,) = (tmp_path / "kept" / "objects").rglob("*.dcm")
    assert b"Canary" in path.read_bytes()
    monkeypatch.setenv("COREAD_DATA__FOLDER", data["folder"])
    run = CliRunner().invoke
    assert run(app, ["archive", "seal"]).exit_code != 0
    monkeypatch.setenv("COREAD_DATA__KEYS", str(tmp_path / "keys.json"))
    with Clinic(Settings.model_validate({"data": {**data, "keys": str(tmp_path / "keys.json")}})) as running:
        told = run(app, ["archive", "seal"])
        assert "1 objects sealed" in told.output, told.output
        assert b"Canary" not in path.read_bytes()
        kinds = [entry.event.kind for entry in running.ledger.events()]
    assert kinds[-2:] == ["archive.sealing-begun", "archive.sealed"]
    assert "0 faults" in run(app, ["archive", "verify"]).output
