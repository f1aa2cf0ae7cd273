"""The ledger: events appended in a second, proofs up to a million events, tamperings found.

    python benchmarks/ledger.py [--quick] [--postgres URL]

Appending is measured with the disk's own promise: every transaction is synced (SQLite ``synchronous=FULL``;
PostgreSQL as it comes) before the next begins. Baseline: the same rows inserted without hashes and tree.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provenance import ROOT, keep, provenance
from sqlalchemy import insert

from coread.archive import Database
from coread.domain.event import Event
from coread.ledger import Exporter, Ledger, Notary, inclusion_proof, verify_export
from coread.ledger.tables import EVENTS

_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_BATCHES = (1, 10, 100, 1_000)
_PROOFS = 200


def event(number: int) -> Event:
    """Make an event like a doctor's decision, with its sixteen facts."""
    facts = {
        "finding": f"2.25.{number}", "verdict": "accepted", "reason": "", "before": "", "before_sha256": "",
        "after_sha256": "a1" * 32, "statement_sha256": "b2" * 32, "comment_sha256": "", "active_s": "6.5",
        "shown": "box probability", "mode": "blind-first", "image": f"1.2.840.{number}", "image_sha256": "c3" * 32,
        "reading": f"2.25.9{number}", "reader": "chest-radiograph 1.0", "weights_sha256": "d4" * 32,
    }  # fmt: skip
    study = f"1.2.840.113619.{number // 40}"
    return Event("finding.decided", study, "person:p-6f1c2a9be0d4", datetime.now(UTC), facts)


def seconds(do: Callable[[], Any]) -> float:
    """Measure one call."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def appending(make: Callable[[], Database], quick: bool) -> dict[str, Any]:
    """Measure events per second by the size of a transaction, with the baseline beside it, in turn."""
    found: dict[str, Any] = {}
    for batch in _BATCHES:
        count = min(5_000 if batch > 1 else 500, batch * 200) // (4 if quick else 1) // batch * batch or batch
        ours, plain = [], []
        for _ in range(2 if quick else 5):
            ours.append(count / with_database(make, lambda db, b=batch, n=count: ledger_appends(db, b, n)))
            plain.append(count / with_database(make, lambda db, b=batch, n=count: plain_inserts(db, b, n)))
        found[str(batch)] = {
            "events_per_s": round(statistics.median(ours)),
            "worst_events_per_s": round(min(ours)),
            "without_tree_events_per_s": round(statistics.median(plain)),
            "events": count,
        }
        print(f"transactions of {batch}: {found[str(batch)]}", flush=True)
    found["four_writers"] = round(with_database(make, lambda db: four_writers(db, 50 if quick else 200)))
    print(f"four writers, transactions of 10: {found['four_writers']} events/s", flush=True)
    return found


def with_database(make: Callable[[], Database], do: Callable[[Database], float]) -> float:
    """Run on a fresh database."""
    database = make()
    try:
        return do(database)
    finally:
        database.close()


def ledger_appends(database: Database, batch: int, count: int) -> float:
    """Append by the ledger."""
    ledger, events = Ledger(database), [event(number) for number in range(count)]
    return seconds(lambda: [ledger.append_many(events[at : at + batch]) for at in range(0, count, batch)])


def plain_inserts(database: Database, batch: int, count: int) -> float:
    """Insert the same rows, without keys, hashes and tree."""
    ledger, events = Ledger(database), [event(number) for number in range(count)]
    ledger.append_many(events[:1])
    like = ledger.stored()[0]
    row = {name: getattr(like, name) for name in EVENTS.columns.keys()}  # noqa: SIM118 - columns are no dictionary

    def write(at: int) -> None:
        rows = [row | {"sequence": number + 2} for number in range(at, at + batch)]
        with database.write() as connection:
            connection.execute(insert(EVENTS), rows)

    return seconds(lambda: [write(at) for at in range(0, count, batch)])


def four_writers(database: Database, rounds: int) -> float:
    """Let four threads append at one time; return events per second of all together."""

    def work(writer: int) -> None:
        ledger = Ledger(database)
        for each in range(rounds):
            ledger.append_many([event(writer * 1_000_000 + each * 10 + n) for n in range(10)])

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(4)]

    def run() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return 4 * rounds * 10 / seconds(run)


def proving(folder: Path, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Grow one ledger and measure proofs at each size."""
    database = Database(f"sqlite:///{folder / 'index.sqlite'}")
    database.migrate()
    ledger = Ledger(database)
    notary = Notary(database, ledger, folder / "ledger.key", lambda: datetime.now(UTC), "benchmark")
    found, size = [], 0
    for wanted in sizes:
        while size < wanted:
            step = min(1_000, wanted - size)
            size = ledger.append_many([event(number) for number in range(size, size + step)])[-1]
        found.append(proofs_at(ledger, notary, folder, size))
        print(found[-1], flush=True)
    database.close()
    return found


def proofs_at(ledger: Ledger, notary: Notary, folder: Path, size: int) -> dict[str, Any]:
    """Measure inclusion and consistency proofs, a head, and the check of all, at one size."""
    dice = random.Random(size)
    places = [dice.randint(1, size) for _ in range(_PROOFS)]
    made = [seconds(lambda place=place: ledger.prove([place], size)) for place in places]
    proofs = [ledger.prove([place], size)[0] for place in places]
    checked = [seconds(lambda proof=proof: proof.holds) for proof in proofs]
    assert all(proof.holds for proof in proofs)
    growths = [ledger.prove_growth(dice.randint(1, size), size) for _ in range(_PROOFS)]
    assert all(growth.holds for growth in growths)
    longest = max(len(proof.path) for proof in proofs)
    found: dict[str, Any] = {
        "events": size,
        "proof_hashes": longest,
        "proof_bytes": longest * 32,
        "make_proof_ms": round(statistics.median(made) * 1e3, 2),
        "verify_proof_us": round(statistics.median(checked) * 1e6, 1),
        "growth_proof_hashes": max(len(growth.path) for growth in growths),
        "verify_growth_us": round(
            statistics.median(seconds(lambda growth=growth: growth.holds) for growth in growths) * 1e6, 1
        ),
        "sign_head_ms": round(seconds(notary.sign) * 1e3, 1),
        "verify_all_s": round(seconds(lambda: check_all(notary)), 2),
    }
    if size <= 100_000:
        leaves = ledger.leaves(size)
        found["naive_proof_ms"] = round(seconds(lambda: inclusion_proof(leaves, size // 3)) * 1e3, 1)
    if size == 100_000:
        Exporter(ledger, notary).write(folder / "export")
        found["outsider_verify_s"] = round(seconds(lambda: check_export(folder / "export")), 2)
    return found


def check_all(notary: Notary) -> None:
    """Verify; a fault ends the benchmark."""
    assert notary.verify().faults == ()


def check_export(folder: Path) -> None:
    """Verify an export; a fault ends the benchmark."""
    assert verify_export(folder).faults == []


def tampering(folder: Path, count: int) -> dict[str, Any]:
    """Tamper at random as the tests do; count what is found."""
    sys.path[:0] = [str(ROOT / "tests" / "support")]
    spec = importlib.util.spec_from_file_location("tampering", ROOT / "tests/ledger/test_tampering.py")
    assert spec is not None
    assert spec.loader is not None
    tests: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    recorder = tests.Recorder(f"sqlite:///{folder / 'tampered.sqlite'}", folder)
    rows, kept = tests.written(recorder)
    found = {}
    for kind in tests.KINDS:
        dice = random.Random(f"{kind.__name__}, benchmark")
        seen = sum(bool(tests.faults(kind(dice, rows), kept)) for _ in range(count // len(tests.KINDS)))
        found[kind.__name__] = {"tried": count // len(tests.KINDS), "found": seen}
    recorder.close()
    print(found, flush=True)
    return found


def main() -> None:
    """Run all and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--postgres", help="URL of an empty database, to append there too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def sqlite() -> Database:
            database = Database(f"sqlite:///{folder / f'{time.monotonic_ns()}.sqlite'}")
            database.migrate()
            return database

        result: dict[str, Any] = {"appending_sqlite": appending(sqlite, given.quick)}
        if given.postgres:
            result["appending_postgresql"] = appending(lambda: emptied(given.postgres), given.quick)
        result["tampering"] = tampering(folder, 2_000 if given.quick else 20_000)
        result["proofs"] = proving(folder, _SIZES[:3] if given.quick else _SIZES)
    busy = f"load average of the machine at the end: {os.getloadavg()[1]:.1f}"
    path = keep("ledger", result | {"note": busy} | provenance("sqlalchemy"))
    print(path)


def emptied(url: str) -> Database:
    """Empty the ledger of a PostgreSQL database and give it."""
    database = Database(url)
    database.migrate()
    with database.write() as connection:
        connection.exec_driver_sql("TRUNCATE events, ledger_frontier, ledger_nodes")
    return database


if __name__ == "__main__":
    main()
