"""DICOMweb beside Debian's Orthanc: the same data, the same client, the same run.

    python benchmarks/dicomweb.py [--quick] [--repeats N]

One client sends one request at a time over one kept connection. Each server gets
the same objects by STOW-RS: one CT study of 125 slices of 0.5 MB, and many small
studies for the searches. A figure is the median over the repeats; each repeat runs
on fresh folders, servers in alternating order. *First* means the first request of its
kind on this study; *again* the later ones, which each server may answer from what it
remembers. The files are in the page cache of the system for both.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peers
from provenance import keep, provenance
from rich.console import Console
from rich.table import Table

from coread.gateways.dicomweb.multipart import encode_parts
from coread.testing import patients

STUDY = "2.25.1"
SLICES = 125
ROOTS = {"coread": "/dicomweb", "orthanc": "/dicom-web"}
SERVERS = {"coread": peers.coread, "orthanc": peers.orthanc}
CHUNK = 1 << 20

# Name, unit, whether more is better.
MEASURES = {
    "STOW 125 x 0.5 MB": ("instances/s", True),
    "STOW small studies": ("instances/s", True),
    "QIDO one study by UID, p50": ("ms", False),
    "QIDO by patient ID, p50": ("ms", False),
    "QIDO by name wildcard, p50": ("ms", False),
    "QIDO 25 newest by date, p50": ("ms", False),
    "QIDO series of a study, p50": ("ms", False),
    "QIDO 125 instances, p50": ("ms", False),
    "WADO metadata of 125, first": ("ms", False),
    "WADO metadata of 125, again": ("ms", False),
    "WADO study": ("MB/s", True),
    "WADO instance, p50": ("ms", False),
    "WADO frames, first": ("frames/s", True),
    "WADO frames, again": ("frames/s", True),
    "WADO rendered PNG 512 x 512": ("pictures/s", True),
}
REMARKS = [
    "Orthanc is Debian's 1.10.1 of 2022 with DICOMweb plugin 1.7, default settings; newer ones exist.",
    "CoRead syncs each object to disk and records its event before it answers STOW; Orthanc does not sync.",
    "The client is Python's http.client on the same two cores.",
]


class Client:
    """One kept connection to one server."""

    def __init__(self, server: peers.Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=120)
        self._root = ROOTS[server.name]

    def get(self, path: str, accept: str = "application/dicom+json") -> int:
        """Fetch and drop; return the number of bytes."""
        self._connection.request("GET", self._root + path, headers={"Accept": accept})
        response = self._connection.getresponse()
        if response.status not in (200, 204):
            raise RuntimeError(f"HTTP {response.status} for {path}: {response.read()[:300]!r}")
        size = 0
        while chunk := response.read(CHUNK):
            size += len(chunk)
        return size

    def json(self, path: str) -> Any:
        """Fetch JSON."""
        self._connection.request("GET", self._root + path, headers={"Accept": "application/dicom+json"})
        return json.loads(self._connection.getresponse().read() or b"[]")

    def store(self, objects: Sequence[bytes]) -> None:
        """Store all in one request."""
        body = b"".join(encode_parts("boundary0", "application/dicom", objects))
        kind = 'multipart/related; type="application/dicom"; boundary=boundary0'
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        self._connection.request("POST", f"{self._root}/studies", body, headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200 or len(answer["00081199"]["Value"]) != len(objects):
            raise RuntimeError(f"HTTP {response.status}: {str(answer)[:300]}")


def ct_slices() -> list[bytes]:
    """Make slices of 512 x 512, with the noise of a real one so that nothing compresses."""
    random = np.random.default_rng(0)
    return [
        patients.dicom_from_pixels(
            random.integers(-1000, 1000, (512, 512), dtype=np.int16),
            modality="CT",
            patient_id="SYN-CT",
            study_uid=STUDY,
            series_uid=f"{STUDY}.1",
            sop_uid=f"{STUDY}.1.{i + 1}",
            facts={"InstanceNumber": i + 1},
        )
        for i in range(SLICES)
    ]


def small_studies(count: int) -> list[bytes]:
    """Make studies of one small object each, over four years of days."""
    made = []
    for i in range(count):
        day = f"20{20 + i % 4:02d}{1 + i % 12:02d}{1 + i % 28:02d}"
        facts = {"PatientName": f"Synthetic^Person{i:05d}", "StudyDate": day, "AccessionNumber": f"A{i:05d}"}
        made.append(patients.ct_slice(i, facts=facts, study_uid=f"2.25.2.{i + 1}"))
    return made


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def median_ms(client: Client, paths: Sequence[str]) -> float:
    """Median time of one request each, in ms."""
    return 1000 * statistics.median(seconds(lambda path=path: client.get(path)) for path in paths)


def measure(
    client: Client, big: Sequence[bytes], small: Sequence[bytes], rounds: int
) -> Iterator[tuple[str, float]]:
    """Give each measure's figure for one fresh server."""
    yield "STOW 125 x 0.5 MB", len(big) / seconds(lambda: client.store(big))
    batches = [small[i : i + 50] for i in range(0, len(small), 50)]
    yield "STOW small studies", len(small) / seconds(lambda: [client.store(batch) for batch in batches])
    yield from searches(client, len(small), rounds)
    yield from retrievals(client, rounds)


def searches(client: Client, count: int, rounds: int) -> Iterator[tuple[str, float]]:
    """Search in several ways; every request asks for something else, as far as there is something else."""
    numbers = [7 * i % count for i in range(rounds)]
    yield (
        "QIDO one study by UID, p50",
        median_ms(client, [f"/studies?StudyInstanceUID=2.25.2.{n + 1}" for n in numbers]),
    )
    yield "QIDO by patient ID, p50", median_ms(client, [f"/studies?PatientID=SYN-{n:04d}" for n in numbers])
    names = [f"/studies?PatientName=Synthetic^Person{n:05d}*" for n in numbers]
    yield "QIDO by name wildcard, p50", median_ms(client, names)
    days = [f"/studies?StudyDate=2023{1 + n % 12:02d}01-&limit=25" for n in numbers]
    yield "QIDO 25 newest by date, p50", median_ms(client, days)
    yield (
        "QIDO series of a study, p50",
        median_ms(client, [f"/studies/2.25.2.{n + 1}/series" for n in numbers]),
    )
    yield "QIDO 125 instances, p50", median_ms(client, [f"/studies/{STUDY}/instances"] * max(5, rounds // 10))


def retrievals(client: Client, rounds: int) -> Iterator[tuple[str, float]]:
    """Retrieve in several ways."""
    study = f"/studies/{STUDY}"
    instances = [f"{study}/series/{STUDY}.1/instances/{STUDY}.1.{i + 1}" for i in range(SLICES)]
    yield "WADO metadata of 125, first", 1000 * seconds(lambda: client.get(f"{study}/metadata"))
    yield "WADO metadata of 125, again", median_ms(client, [f"{study}/metadata"] * 5)
    dicom, plain = (
        'multipart/related; type="application/dicom"',
        'multipart/related; type="application/octet-stream"',
    )
    rates = []
    for _ in range(5):
        begin = time.perf_counter()
        size = client.get(study, dicom)
        rates.append(size / 1e6 / (time.perf_counter() - begin))
    yield "WADO study", statistics.median(rates)
    times = [seconds(lambda path=path: client.get(path, dicom)) for path in instances[:rounds]]
    yield "WADO instance, p50", 1000 * statistics.median(times)
    for name in ("first", "again"):
        took = seconds(lambda: [client.get(f"{path}/frames/1", plain) for path in instances])
        yield f"WADO frames, {name}", SLICES / took
    pictures = instances[: max(10, rounds // 4)]
    took = seconds(lambda: [client.get(f"{path}/rendered", "image/png") for path in pictures])
    yield "WADO rendered PNG 512 x 512", len(pictures) / took


def run_once(name: str, big: Sequence[bytes], small: Sequence[bytes], rounds: int) -> dict[str, float]:
    """Measure one fresh server."""
    with (
        tempfile.TemporaryDirectory(prefix=f"dicomweb-{name}-") as place,
        SERVERS[name](Path(place)) as server,
    ):
        peers.wait_for_port(server.http_port)
        figures = dict(measure(Client(server), big, small, rounds))
        figures["peak memory MB"] = server.peak_rss_mb
        return figures


def versions() -> dict[str, str]:
    """Versions of Debian's packages."""
    found = {}
    for package in ("orthanc", "orthanc-dicomweb"):
        command = ["dpkg-query", "-W", "-f=${Version}", package]
        with contextlib.suppress(FileNotFoundError):
            found[package] = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return found


def rows_of(figures: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """Make one row for each measure: medians, ranges, and how many times better we are."""
    rows = []
    for measure_name, (unit, more_is_better) in (MEASURES | {"peak memory MB": ("MB", False)}).items():
        row: dict[str, Any] = {"measure": measure_name, "unit": unit}
        for server, repeats in figures.items():
            values = sorted(repeat[measure_name] for repeat in repeats)
            row[server] = round(statistics.median(values), 3)
            row[f"{server} range"] = [round(values[0], 3), round(values[-1], 3)]
        if "orthanc" in figures:
            ours, theirs = row["coread"], row["orthanc"]
            row["times better"] = round(ours / theirs if more_is_better else theirs / ours, 2)
        rows.append(row)
    return rows


def show(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Print the table."""
    table = Table(title="DICOMweb, medians")
    table.add_column("measure")
    for name in (*names, "unit", "times better"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for row in rows:
        cells = [f"{row[name]:.1f}" if isinstance(row[name], float) else str(row[name]) for name in names]
        table.add_row(row["measure"], *cells, row["unit"], str(row.get("times better", "")))
    Console(width=120).print(table)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one repeat, fewer studies and requests")
    parser.add_argument("--repeats", type=int, default=0)
    parser.add_argument("--name", default="dicomweb", help="name of the file in benchmarks/results")
    arguments = parser.parse_args()
    names = ["coread", "orthanc"] if peers.find("Orthanc") else ["coread"]
    if len(names) == 1:
        print("Orthanc is not installed (Debian's orthanc and orthanc-dicomweb): measured alone")
    repeats = arguments.repeats or (1 if arguments.quick else 5)
    big, small = ct_slices(), small_studies(200 if arguments.quick else 1000)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names if repeat % 2 == 0 else reversed(names):
            figures[name].append(run_once(name, big, small, 40 if arguments.quick else 200))
    rows = rows_of(figures)
    show(rows, names)
    result = {
        "benchmark": "dicomweb",
        **provenance("starlette", "uvicorn", "sqlalchemy", "pydicom"),
        "peer_versions": versions(),
        "load_average": os.getloadavg(),
        "repeats": repeats,
        "data": {"slices": SLICES, "slice_bytes": len(big[0]), "small_studies": len(small)},
        "remarks": REMARKS,
        "rows": rows,
    }
    print(f"-> {keep(arguments.name, result)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
