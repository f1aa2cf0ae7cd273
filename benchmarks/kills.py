"""kill -9 at random: studies come in by C-STORE while the clinic is killed again and again.

    python benchmarks/kills.py [--quick] [--kills 100] [--studies 300] [--database URL] [--out FILE]

The clinic (receiver and worker, SQLite unless a URL is given, two light readers, one destination) runs in
a process of its own and is killed at a random moment, also during reception. The sender sends again what
was not answered. In the end, of each study that was acknowledged: the image is kept whole, each reader has
one reading of one version, each result exists once, each delivery is recorded once and was made; ledger
and archive verify.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance

from coread import settings
from coread.clinic import Clinic, now
from coread.errors import DeliveryFault
from coread.gateways.dimse import Address, Peer, Receiver, send_store
from coread.testing.patients import chest_radiograph
from coread.testing.readers import EXAMPLE_READERS
from coread.workflow import Destination

READERS = ("example-brightness", "example-fails")
RULES = f"""
[[rule]]
name = "radiographs"
owner = "this benchmark"
when = {{ Modality = "DX" }}
readers = {json.dumps(READERS)}
destinations = ["pacs"]
"""


def main() -> int:
    """Kill, check, print, keep the JSON; exit with 1 if anything was lost or double."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--kills", type=int, default=100)
    wanted.add_argument("--studies", type=int, default=300)
    wanted.add_argument("--quick", action="store_true", help="10 kills over 30 studies")
    wanted.add_argument("--database", default="", help="URL of a PostgreSQL database; else SQLite")
    wanted.add_argument("--seed", type=int, default=0)
    wanted.add_argument("--out", type=Path, default=RESULTS / "kills.json")
    wanted.add_argument("--serve", type=int, default=-1, help=argparse.SUPPRESS)
    wanted.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = wanted.parse_args()
    if given.serve >= 0:
        serve(given.folder, given.database, given.serve)
        return 0
    if given.quick:
        given.kills, given.studies = 10, 30
    with tempfile.TemporaryDirectory() as folder:
        result = provenance("dbos") | Trial(Path(folder), given).run()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("kills", "studies", "found", "holds")}, indent=1))
    return 0 if result["holds"] else 1


def clinic(folder: Path, url: str) -> Clinic:
    """Build the clinic that is killed, or the one that looks at what is left."""
    folder.mkdir(exist_ok=True)
    (folder / "rules.toml").write_text(RULES)
    environ = {
        "COREAD_DATA__FOLDER": str(folder),
        "COREAD_DATABASE__URL": url,
        "COREAD_ROUTING__RULES": str(folder / "rules.toml"),
        "COREAD_COMPLETENESS__QUIET_PERIOD_S": "0.2",
        "COREAD_COMPLETENESS__POLL_INTERVAL_S": "0.05",
        "COREAD_WORKFLOW__HEARTBEAT_S": "0.3",
        "COREAD_WORKFLOW__STALE_AFTER_S": "1",
        "COREAD_WORKFLOW__FIRST_RETRY_S": "0.1",
        "COREAD_READERS__WARM_UP": "false",
        "COREAD_DESTINATIONS": '[{"name": "pacs", "kind": "dimse", "host": "pacs.example"}]',
    }

    def keep(_: Destination, data: bytes) -> None:
        (folder / "pacs").mkdir(exist_ok=True)
        (folder / "pacs" / os.urandom(8).hex()).write_bytes(data)

    return Clinic(settings.load(None, environ), {"dimse": keep}, EXAMPLE_READERS)


def serve(folder: Path, url: str, port: int) -> None:
    """Be the clinic until killed or until the input is closed."""
    with clinic(folder, url).start("all") as running:
        receiver = Receiver(Address(port=port), running.intake)
        receiver.start()
        print(receiver.port, flush=True)
        sys.stdin.read()
        receiver.stop()


class Trial:
    """One run: a sender that never gives up, a clinic that is killed."""

    def __init__(self, folder: Path, given: argparse.Namespace) -> None:
        self.folder = folder
        self.given = given
        self.chance = random.Random(given.seed)
        self.port = 0
        self.acknowledged: list[str] = []
        self.sent_again = 0
        self.busy_kills = 0

    def run(self) -> dict[str, Any]:
        """Send and kill, wait for the last study, look at what is left."""
        began = time.monotonic()
        child = self.start()
        sender = threading.Thread(target=self.send_all)
        sender.start()
        for _ in range(self.given.kills):
            time.sleep(self.chance.uniform(0.05, 1.5))
            self.kill(child)
            child = self.start()
        sender.join()
        looker = clinic(self.folder, self.given.database)
        finished = self.wait(looker)
        child.stdin.close()  # type: ignore[union-attr]
        child.wait()
        looker.archive.reconcile(now())  # as the next start does: what was half written goes
        found = self.look(looker)
        looker.stop()
        return {
            "kills": self.given.kills,
            "studies": self.given.studies,
            "database": "postgresql" if self.given.database else "sqlite",
            "sent_again": self.sent_again,
            "all_finished": finished,
            "found": found,
            "holds": finished and not any(found.values()),
            "seconds": round(time.monotonic() - began, 1),
        }

    def start(self) -> subprocess.Popen[str]:
        """Start the clinic on the port it had before."""
        command = [sys.executable, __file__, "--serve", str(self.port), "--folder", str(self.folder)]
        command += ["--database", self.given.database]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = child.stdout.readline()  # type: ignore[union-attr]
        if not line.strip().isdigit():
            raise SystemExit("the clinic did not start again")
        self.port = int(line)
        return child

    def kill(self, child: subprocess.Popen[str]) -> None:
        """Kill without a word."""
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            pipe.close()  # type: ignore[union-attr]

    def send_all(self) -> None:
        """Send each study until it is acknowledged, spread over the time of the kills."""
        pause_s = self.given.kills * 2.0 / self.given.studies
        for number in range(self.given.studies):
            uid = f"1.2.826.0.1.3680043.10.3.{number}"
            data = chest_radiograph(number, study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1")
            while not self.is_taken(data):
                self.sent_again += 1
                time.sleep(0.05)
            self.acknowledged.append(uid)
            time.sleep(self.chance.uniform(0, pause_s))

    def is_taken(self, data: bytes) -> bool:
        """Send once; tell whether it was acknowledged."""
        try:
            send_store(Peer("127.0.0.1", self.port, "COREAD", timeout_s=10), [data])
        except DeliveryFault:
            return False
        return True

    def wait(self, looker: Clinic) -> bool:
        """Wait until every acknowledged study is read and delivered; tell whether that came to pass."""
        limit = time.monotonic() + 120 + self.given.studies
        while time.monotonic() < limit:
            read = {event.event.subject for event in looker.ledger.events(kind="study.read", limit=100_000)}
            if read >= set(self.acknowledged) and not looker.deliveries.pending():
                return True
            time.sleep(0.2)
        return False

    def look(self, looker: Clinic) -> dict[str, int]:
        """Count what is lost, double or wrong; all must be 0."""
        found = Counter(
            images_lost=0, readings_lost=0, readings_double=0, results_lost=0, results_double=0,
            deliveries_lost=0, events_double=0, conflicts=len(looker.archive.conflicts()),
            steps_failed=len(looker.ledger.events(kind="step.failed")),
            ledger_faults=sum(1 for _ in looker.ledger.verify()),
            **Counter(f"archive_{fault.kind}" for fault in looker.archive.verify()),
        )  # fmt: skip
        for uid in self.acknowledged:
            found.update(self.look_at(looker, uid))
        delivered = len(looker.ledger.events(kind="delivery.done", limit=1_000_000))
        planned = sum(len(looker.deliveries.of_study(uid)) for uid in self.acknowledged)
        found["events_double"] += abs(delivered - planned)
        return dict(found)

    def look_at(self, looker: Clinic, uid: str) -> Counter[str]:
        """Count what is wrong with one study."""
        kept = looker.archive.study(uid).instances
        made = [i for i in kept if i.source.startswith("reader:")]
        readings = looker.readings.of_study(uid)
        reports = Counter(i.ref.sop_instance_uid for i in made if i.header.facts["Modality"] == "SR")
        expected = {reading.derive_uid("sr") for reading in readings}
        kinds = Counter(event.event.kind for event in looker.ledger.events(uid))
        deliveries = looker.deliveries.of_study(uid)
        return Counter(
            images_lost=int(len(kept) == len(made)),
            readings_lost=sum(name not in {r.reader.name for r in readings} for name in READERS),
            readings_double=max(0, len(readings) - len(READERS)),
            results_lost=len(expected - set(reports)),
            results_double=len(set(reports) - expected),
            deliveries_lost=len({i.ref.sop_instance_uid for i in made} - {d.object_id for d in deliveries})
            + sum(str(d.state) != "delivered" for d in deliveries),
            events_double=sum(kinds[kind] - 1 for kind in ("study.complete", "study.routed", "study.read"))
            + kinds["reading.made"] - len(READERS) + kinds["results.filed"] - len(READERS),
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
