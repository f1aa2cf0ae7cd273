"""kill -9 while images are filed: what was acknowledged is there, whole and once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from keeping import House, house_on, image

from coread.archive import Query

_SUPPORT = Path(__file__).parents[1] / "support"
_ROUNDS = 6


def acknowledged_until_killed(url: str, folder: Path, first: int, after_s: float) -> dict[str, str]:
    """Run the filing process, kill it so long after its first word, and return what it said."""
    program = [sys.executable, str(_SUPPORT / "filing_process.py"), url, str(folder), str(first)]
    environment = os.environ | {"PYTHONPATH": str(_SUPPORT)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=environment, text=True) as process:
        lines = [process.stdout.readline()]
        killer = threading.Timer(after_s, process.kill)
        killer.start()
        lines += process.stdout
        killer.join()
    return dict(line.split() for line in lines if line.endswith("\n") and " " in line)


def settle(house: House) -> None:
    """Make drafts look as old as they are once a restarted clinic looks for them."""
    old = time.time() - 60
    for path in house.store._root.rglob("*.dcm"):
        if path.stat().st_mode & 0o200:
            os.utime(path, (old, old))


def test_what_was_acknowledged_survives_any_kill(database_url: str, tmp_path: Path) -> None:
    chance = random.Random(20260301)
    acknowledged: dict[str, str] = {}
    for number in range(_ROUNDS):
        first = 1 + number * 1000
        acknowledged |= acknowledged_until_killed(database_url, tmp_path, first, chance.uniform(0, 0.6))
    assert len(acknowledged) >= _ROUNDS
    house = house_on(database_url, tmp_path)
    settle(house)
    house.archive.reconcile(house.clock())
    kept = {facts["SOPInstanceUID"] for facts in house.archive.find_instances(Query(limit=100_000))}
    assert set(acknowledged) <= kept
    for uid, sha256 in acknowledged.items():
        assert house.archive.get(uid).sha256 == sha256
    assert list(house.archive.verify()) == []
    assert list(house.ledger.verify()) == []
    assert_all_agree(house, kept)
    house.database.close()


def assert_all_agree(house: House, kept: set[str]) -> None:
    """Hold index, store, counts, arrival and ledger against each other: each object once."""
    assert len(house.keys()) == len(kept)
    assert house.archive.conflicts() == []
    assert house.quarantine.list() == []
    events = [e.event for e in house.ledger.events(kind="instance.filed", limit=100_000)]
    assert sorted(event.facts["sop_instance_uid"] for event in events) == sorted(kept)
    studies = house.archive.find_studies(Query(limit=100_000))
    assert sum(int(facts["NumberOfStudyRelatedInstances"]) for facts in studies) == len(kept)
    assert sum(state.originals for state in house.studies.list(limit=100_000)) == len(kept)


def test_a_killed_process_leaves_the_disk_clean(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    acknowledged_until_killed(url, tmp_path, 1, 0.3)
    house = house_on(url, tmp_path)
    settle(house)
    house.archive.reconcile(house.clock())
    files = {path.stem for path in (tmp_path / "objects").rglob("*.dcm")}
    assert files == {Path(key).stem for key in house.store.keys()}  # noqa: SIM118
    house.intake.accept_bytes(image(999_999), "stow")
    house.database.close()
