"""How fast images come in: our gateway beside Orthanc, dcmtk's storescp and pynetdicom's, in one run.

    python benchmarks/intake.py [--quick] [--out benchmarks/results/intake.json]

The sender is dcmtk's dcmsend, tuned (TCP_NODELAY=1 in its and the server's environment) and as it
comes. What is timed is the sender, from its start to its end, so that its own start is in every
figure. Every run has a fresh process, folder and index, and begins after a few instances that are
not timed; the peers take turns; what an earlier run left in the page cache is written out before the
next. No folder is deleted before the end: ext4 walks over recently freed inodes at each creation of
a file, which would be in the figures of every server. Only we sync each file before we answer, and
only we and Orthanc keep an index: ``disk`` says what a loop that only writes and syncs reaches.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers
from provenance import RESULTS, provenance
from rich.console import Console
from rich.table import Table

from coread.archive.uncached import UncachedFile
from coread.domain.identity import derive_uid
from coread.testing.patients import dicom_from_pixels

OURS = "coread"
PEERS: dict[str, Callable[[Path, bool], AbstractContextManager[peers.Server]]] = {
    "coread": peers.coread,
    "orthanc": peers.orthanc,
    "storescp": peers.storescp,
    "pynetdicom": peers.pynetdicom,
    "bare": peers.bare,
}
PROGRAMS = {"orthanc": "Orthanc", "storescp": "storescp"}
SIZES_PX = {"0.5 MB": 512, "34 KB": 128}
REMARKS = {
    "orthanc": "Debian's, of 2022; index, no fsync",
    "storescp": "dcmtk --fork; no index, no fsync",
    "pynetdicom": "its storescp; no index, no fsync",
    "coread": "gateway; fsync, index, ledger",
    "bare": "our receive loop; fsync, no digest, no index: what filing is measured against",
}
#: (size, associations) -> which ratio the house has set itself, tuned and untuned.
TARGETS = {"orthanc tuned": 3.0, "storescp tuned": 0.8, "orthanc untuned": 10.0}
MEMORY_ASSOCIATIONS = 8
#: Instances that each server gets before it is timed.
WARM_UP = 8


@dataclass(frozen=True)
class Case:
    """One way of sending."""

    size: str
    associations: int
    tuned: bool
    instances: int

    def __str__(self) -> str:
        return f"{self.size}, {self.associations} assoc., {'tuned' if self.tuned else 'untuned'}"


def make_instances(folder: Path, count: int) -> dict[str, list[Path]]:
    """Write CT slices of noise, which no file system compresses, in both sizes."""
    rng = np.random.default_rng(20)
    files: dict[str, list[Path]] = {}
    for size, edge_px in SIZES_PX.items():
        files[size] = []
        for index in range(count):
            pixels = rng.integers(0, 4096, (edge_px, edge_px), dtype=np.uint16)
            uid = derive_uid("benchmark", size, str(index))
            data = dicom_from_pixels(
                pixels, modality="CT", patient_id="BENCH", sop_uid=uid, study_uid=derive_uid(size, "study"),
                series_uid=derive_uid(size, "series"), facts={"InstanceNumber": index + 1},
            )  # fmt: skip
            path = folder / f"{edge_px}-{index}.dcm"
            path.write_bytes(data)
            files[size].append(path)
    return files


def send(server: peers.Server, files: Sequence[Path], associations: int, tuned: bool) -> float:
    """Send `files` over so many associations at one time; return the seconds that it took."""
    shares = [files[index::associations] for index in range(associations)]
    call = ["dcmsend", "--no-halt", "-aec", server.ae_title, "127.0.0.1", str(server.port)]
    began = time.perf_counter()
    senders = [
        subprocess.Popen(
            [*call, *map(str, share)],
            env=peers.environment(tuned), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for share in shares
    ]  # fmt: skip
    faults = [sender.communicate()[1] for sender in senders]
    took = time.perf_counter() - began
    if any(sender.returncode for sender in senders):
        raise RuntimeError(f"{server.name} did not take all: {faults}")
    return took


def new_folder(place: Path) -> Path:
    """Make a folder for one run, which stays until the end of all."""
    return Path(tempfile.mkdtemp(dir=place))


def run_case(name: str, case: Case, files: dict[str, list[Path]], place: Path) -> dict[str, float]:
    """Measure one peer in one case, once."""
    os.sync()
    with PEERS[name](new_folder(place), case.tuned) as server:
        send(server, files[case.size][-WARM_UP:], 1, tuned=True)
        took = send(server, files[case.size][: case.instances], case.associations, case.tuned)
        peak = server.peak_rss_mb
    return {"instances_per_s": case.instances / took, "peak_rss_mb": peak}


def measure_memory(files: dict[str, list[Path]], place: Path) -> dict[str, float]:
    """Return our gateway's memory at rest and at its peak under eight associations."""
    with peers.coread(new_folder(place)) as server:
        time.sleep(1)
        at_rest = server.rss_mb
        for size in SIZES_PX:
            send(server, files[size], MEMORY_ASSOCIATIONS, tuned=True)
        return {
            "at_rest_mb": round(at_rest, 1),
            "peak_mb": round(server.peak_rss_mb, 1),
            "associations": MEMORY_ASSOCIATIONS,
        }


def measure_disk(place: Path, size_bytes: int, threads: int, count: int) -> float:
    """Return how many files each second a loop writes and syncs: what no durable receiver surpasses."""
    data = os.urandom(size_bytes)

    def write(folder: Path, many: int) -> None:
        for index in range(many):
            file = UncachedFile(folder / f"{threading.get_ident()}-{index}", 0o600)
            file.write(data, len)
            file.finish(0o400)

    folder = new_folder(place)
    os.sync()
    workers = [threading.Thread(target=write, args=(folder, count // threads)) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.perf_counter() - began)


def plan(quick: bool) -> list[Case]:
    """Return the cases; an untuned sender is so slow to most that few instances must do."""
    many, few = (120, 40) if quick else (400, 200)
    return [
        Case(size, associations, tuned, many if tuned else few)
        for size, associations, tuned in itertools.product(SIZES_PX, (1, 4), (True, False))
    ]


def measure(cases: Sequence[Case], names: Sequence[str], repeats: int, place: Path) -> list[dict[str, Any]]:
    """Measure all peers in all cases; a case's repeats are spread over the whole run."""
    files = make_instances(place, max(case.instances for case in cases) + WARM_UP)
    runs: dict[tuple[str, Case], list[dict[str, float]]] = {}
    disk: dict[Case, list[float]] = {}
    for repeat, case in itertools.product(range(repeats), cases):
        turn = repeat % len(names)
        for name in [*names[turn:], *names[:turn]]:
            run = run_case(name, case, files, place)
            runs.setdefault((name, case), []).append(run)
            print(f"  {repeat + 1}/{repeats}  {case}: {name} {run['instances_per_s']:.0f}/s", flush=True)
        size_bytes = files[case.size][0].stat().st_size
        disk.setdefault(case, []).append(measure_disk(place, size_bytes, case.associations, case.instances))
    rows = [row(case, {name: runs[name, case] for name in names}, disk[case]) for case in cases]
    return [{"memory": measure_memory(files, place)}, *rows]


def row(case: Case, runs: dict[str, list[dict[str, float]]], disk: list[float]) -> dict[str, Any]:
    """Sum up one case."""
    speeds = {name: [run["instances_per_s"] for run in each] for name, each in runs.items()}
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    return {
        "size": case.size,
        "associations": case.associations,
        "sender": "tuned" if case.tuned else "untuned",
        "instances": case.instances,
        "instances_per_s": {
            name: {"median": round(medians[name], 1), "runs": [round(value, 1) for value in each]}
            for name, each in speeds.items()
        },
        "disk_write_and_fsync_per_s": round(statistics.median(disk), 1),
        "ratio": {name: round(medians[OURS] / median, 2) for name, median in medians.items() if name != OURS},
        "peak_rss_mb": {
            name: round(max(run["peak_rss_mb"] for run in each), 1) for name, each in runs.items()
        },
    }


def show(rows: Sequence[dict[str, Any]], names: Sequence[str], memory: dict[str, float]) -> None:
    """Print what was measured."""
    table = Table(title="C-STORE intake, instances/s (median); ratio: coread over the peer")
    for column in ("size", "assoc.", "sender", *names, "disk*"):
        table.add_column(column, justify="right")
    for each in rows:
        cells = [each["size"], str(each["associations"]), each["sender"]]
        for name in names:
            speed = f"{each['instances_per_s'][name]['median']:.0f}"
            cells.append(speed if name == OURS else f"{speed}  ({each['ratio'][name]:.2f}x)")
        table.add_row(*cells, f"{each['disk_write_and_fsync_per_s']:.0f}")
    console = Console(width=120)
    console.print(table)
    for name in names:
        console.print(f"{name}: {REMARKS[name]}", highlight=False)
    console.print("* files that a loop writes and syncs, with as many threads as associations")
    console.print(
        f"memory of our gateway: {memory['at_rest_mb']} MB at rest, {memory['peak_mb']} MB peak "
        f"under {memory['associations']} associations",
        highlight=False,
    )


def verdicts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold the 0.5 MB rows against what the house has set itself."""
    found = []
    for target, wanted in TARGETS.items():
        peer, sender = target.split()
        ratios = {
            f"{each['associations']} assoc.": each["ratio"][peer]
            for each in rows
            if each["size"] == "0.5 MB" and each["sender"] == sender and peer in each["ratio"]
        }
        found.append(
            {
                "target": f">= {wanted} x {target}",
                "ratios": ratios,
                "met": bool(ratios) and min(ratios.values()) >= wanted,
            }
        )
    return found


def peer_versions() -> dict[str, str]:
    """Versions of the programs that are not Python packages."""
    found = {}
    for program in ("dcmsend", "Orthanc"):
        path = peers.find(program)
        if path:
            outcome = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            found[program] = outcome.stdout.splitlines()[0].strip("$ ")
    return found


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one repeat, fewer instances")
    parser.add_argument("--repeats", type=int, default=0)
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated")
    parser.add_argument("--out", type=Path, default=RESULTS / "intake.json")
    arguments = parser.parse_args()
    if peers.find("dcmsend") is None:
        print("left out: dcmsend is not installed (Debian's dcmtk)")
        return 0
    names = [n for n in arguments.peers.split(",") if n not in PROGRAMS or peers.find(PROGRAMS[n])]
    repeats = arguments.repeats or (1 if arguments.quick else 3)
    with tempfile.TemporaryDirectory(prefix="coread-intake-") as place:
        first, *rows = measure(plan(arguments.quick), names, repeats, Path(place))
    show(rows, names, first["memory"])
    result = {
        "benchmark": "intake",
        **provenance("pydicom", "pynetdicom", "sqlalchemy"),
        "peer_versions": peer_versions(),
        "load_average": os.getloadavg(),
        "repeats": repeats,
        "remarks": REMARKS,
        "memory": first["memory"],
        "targets": verdicts(rows),
        "rows": rows,
    }
    for verdict in result["targets"]:
        print(f"{'met' if verdict['met'] else 'NOT met'}: {verdict['target']}: {verdict['ratios']}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"-> {arguments.out.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
