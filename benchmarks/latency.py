"""From the last image to the result: a running clinic against its bare model in a loop, in the same run.

    python benchmarks/latency.py [--quick] [--studies 200]

Each study is one real chest radiograph (pydicom-data, full size), sent by C-STORE to ``coread serve`` in a
process of its own. The clock starts when the C-STORE is answered and stops when a client that asks the ledger
every 10 ms sees ``results.filed``: SR, presentation state, secondary capture and FHIR resources can then be
fetched. The quiet period, after which a study counts as complete, is a setting and is subtracted. After each
study the same bytes are read by the same reader in a plain loop: open, decode, gate, network.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from provenance import keep, provenance

from coread.archive import Archive, Database, DiskStore, Resources
from coread.dicom import open_object
from coread.domain.study import Study
from coread.gateways.dimse import Peer, send_store
from coread.ledger import Ledger
from coread.readers import Case, Machine, Registry, run
from coread.testing.patients import dicom_from_pixels

QUIET_S = 0.5
POLL_S = 0.01
READER = "chest-radiograph"


def main() -> int:
    """Measure, print a table, keep the JSON."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--studies", type=int, default=200)
    wanted.add_argument("--quick", action="store_true", help="20 studies")
    given = wanted.parse_args()
    count = 20 if given.quick else given.studies
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (peer, pid):
        result = measure(Path(folder), peer, pid, count)
    keep("latency", provenance("dbos", "onnxruntime", "highdicom", "sqlalchemy") | result)
    tell(result)
    return 0


@contextmanager
def served(folder: Path) -> Iterator[tuple[Peer, int]]:
    """Run ``coread serve`` with an empty folder."""
    environ = os.environ | {
        "COREAD_DATA__FOLDER": str(folder),
        "COREAD_DIMSE__PORT": "0",
        "COREAD_WEB__PORT": "0",
        "COREAD_COMPLETENESS__QUIET_PERIOD_S": str(QUIET_S),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", "from coread.gateways.cli import main; main()", "serve"]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        yield Peer("127.0.0.1", wait_for_port(folder / "serve.log", process), "COREAD"), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for_port(log: Path, process: subprocess.Popen[bytes]) -> int:
    """Read from its log where the clinic listens for DICOM."""
    for _ in range(600):
        if found := re.search(r"COREAD at [\d.]+:(\d+)", log.read_text()):
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"the clinic did not start:\n{log.read_text()}")


def radiograph() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Give the pixels of a real chest radiograph, 12 bits."""
    spec = importlib.util.find_spec("data_store")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("needs the package pydicom-data: pip install 'coread[demo]'")
    path = Path(spec.submodule_search_locations[0]) / "data" / "RG1_J2KR.dcm"
    return np.rint(open_object(path.read_bytes()).display() * 4095).astype(np.uint16)


def study(pixels: np.ndarray[Any, np.dtype[np.uint16]], number: int) -> tuple[str, bytes]:
    """Wrap the pixels as a study of its own."""
    uid = f"1.2.826.0.1.3680043.10.2.{number}"
    facts = {
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "PatientID": f"LATENCY-{number}",
        "BitsStored": 12,
    }
    identity = {"study_uid": uid, "series_uid": f"{uid}.1", "sop_uid": f"{uid}.1.1"}
    return uid, dicom_from_pixels(pixels, modality="DX", facts=facts, **identity)


def measure(folder: Path, peer: Peer, pid: int, count: int) -> dict[str, Any]:
    """Send studies one after another, then many at a time."""
    pixels = radiograph()
    database = Database(f"sqlite:///{folder / 'coread.sqlite'}")
    ledger = Ledger(database)
    reader = Registry.load(machine=Machine(os.cpu_count() or 1)).reader(READER)
    for number in range(3):  # warm both sides
        uid, data = study(pixels, 900_000 + number)
        one(peer, ledger, uid, data)
        bare(reader, data)
    memory = {"at_rest_mb": memory_mb(pid, "VmRSS")}
    pairs = []
    for number in range(count):
        uid, data = study(pixels, number)
        pairs.append((one(peer, ledger, uid, data) - QUIET_S, bare(reader, data)))
    check(folder, database, uid)
    burst = under_load(peer, ledger, pixels, max(20, count // 5))
    memory["under_load_mb"] = memory_mb(pid, "VmRSS")
    memory["peak_mb"] = memory_mb(pid, "VmHWM")
    database.close()
    size = f"{pixels.shape[0]} x {pixels.shape[1]}, 16 bits"
    facts = {"studies": count, "quiet_period_s": QUIET_S, "image": size}
    return facts | {"latency": summary(pairs), "burst": burst, "memory": memory}


def one(peer: Peer, ledger: Ledger, uid: str, data: bytes) -> float:
    """Send a study; return the seconds from the answer to the result."""
    send_store(peer, [data])
    began = time.perf_counter()
    wait_for(ledger, uid)
    return time.perf_counter() - began


def wait_for(ledger: Ledger, uid: str) -> None:
    """Ask until the results are there."""
    limit = time.monotonic() + 120
    while not ledger.events(uid, "results.filed"):
        if time.monotonic() > limit:
            raise SystemExit(f"no result of study {uid}")
        time.sleep(POLL_S)


def bare(reader: Any, data: bytes) -> float:
    """Read the same bytes by the same reader, without a clinic around it."""
    began = time.perf_counter()
    image = open_object(data)
    run(reader, Case(Study(image.header.ref.study_instance_uid, ()), 1, (image,)))
    return time.perf_counter() - began


def check(folder: Path, database: Database, uid: str) -> None:
    """Hold the clinic to what is measured: the objects are there."""
    kept = Archive(database, DiskStore(folder / "objects")).study(uid).instances
    kinds = {instance.header.facts.get("Modality", "") for instance in kept}
    resources = " ".join(Resources(database).of_study(uid))
    missing = {"SR", "PR"} - kinds
    if missing or "DiagnosticReport" not in resources:
        raise SystemExit(f"results are missing: {missing or 'FHIR'}; there is {kinds}")


def under_load(
    peer: Peer, ledger: Ledger, pixels: np.ndarray[Any, np.dtype[np.uint16]], count: int
) -> dict[str, Any]:
    """Send many studies over four associations at a time; return how long until the last is read."""
    studies = [study(pixels, 500_000 + number) for number in range(count)]
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: send_store(peer, [pair[1]]), studies))
    sent_s = time.perf_counter() - began
    for uid, _ in studies:
        wait_for(ledger, uid)
    all_s = time.perf_counter() - began
    return {"studies": count, "sent_s": round(sent_s, 2), "read_s": round(all_s, 2),
            "studies_per_s": round(count / all_s, 2)}  # fmt: skip


def memory_mb(pid: int, field: str) -> float:
    """Resident memory of a process and its children in MB."""
    pids = [pid, *children(pid)]
    return round(sum(field_kb(p, field) for p in pids) / 1024, 1)


def children(pid: int) -> list[int]:
    """Give the processes that a process has started."""
    listed = [Path(f"/proc/{pid}/task/{task.name}/children") for task in Path(f"/proc/{pid}/task").iterdir()]
    own = [int(child) for path in listed if path.exists() for child in path.read_text().split()]
    return [*own, *(grandchild for child in own for grandchild in children(child))]


def field_kb(pid: int, field: str) -> int:
    """Read one figure of /proc/<pid>/status."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def summary(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """Percentiles of both sides and of what the clinic adds."""
    clinic, model = np.array(pairs).T
    added = clinic - np.median(model)
    return {
        "clinic_s": percentiles(clinic),
        "bare_model_s": percentiles(model),
        "added_s": percentiles(added),
        "limit_added_s": {"p50": 0.3, "p95": 1.0},
        "holds": bool(np.percentile(added, 50) <= 0.3 and np.percentile(added, 95) <= 1.0),
    }


def percentiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Give p50, p95 and the largest, in seconds."""
    found = {"p50": np.percentile(values, 50), "p95": np.percentile(values, 95), "max": values.max()}
    return {name: round(float(value), 4) for name, value in found.items()}


def tell(result: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{result['studies']} studies, {result['image']}")
    print(f"quiet period of {result['quiet_period_s']} s subtracted")
    print(f"{'':28}{'p50 s':>9}{'p95 s':>9}{'max s':>9}")
    for name in ("clinic_s", "bare_model_s", "added_s"):
        row = result["latency"][name]
        print(f"{name:28}{row['p50']:9.3f}{row['p95']:9.3f}{row['max']:9.3f}")
    print(f"added at most 0.3 s (p50) and 1 s (p95): {'yes' if result['latency']['holds'] else 'NO'}")
    print(f"burst: {result['burst']}")
    print(f"memory: {result['memory']}")


if __name__ == "__main__":
    sys.exit(main())
