"""The reading room under a morning's work: verdicts of fifty doctors, memory, weight of the page.

    python benchmarks/reading_room.py [--quick]

``coread serve`` runs in a process of its own, on SQLite. Fifty people log in over HTTP and decide on
findings, each with a session of its own; then the keepers are asked what stands there. Paced: each doctor
thinks between two verdicts; crowded: all press at once, without a pause, which no hospital sees. Findings
are made by this script, not by a model: it is the room that is measured. Then 200 studies are opened one
after the other, page, review and first image, while the server's memory is read.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from peers import free_port, wait_for_port
from provenance import ROOT, keep, provenance
from rich.console import Console
from rich.progress import track
from rich.table import Table

from coread.clinic import Clinic, now
from coread.domain import codes
from coread.domain.finding import Box, Confidence, Finding, Presence
from coread.domain.identity import derive_uid
from coread.domain.person import Role
from coread.domain.reading import Outcome, ReaderIdentity, Reading
from coread.settings import load
from coread.testing.patients import chest_radiograph

PASSWORD = "quiet river under seven bridges"
READER = ReaderIdentity("benchmark", "1.0", "CoRead", "00" * 32)
DOCTORS, STUDIES_EACH, FINDINGS_EACH = 50, 1, 10
THINK_S = 2.0
OPENED = 200
_console = Console(width=110)


def main() -> int:
    """Measure, print, keep."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--quick", action="store_true", help="50 studies opened instead of 200")
    opened = 50 if wanted.parse_args().quick else OPENED
    with tempfile.TemporaryDirectory(prefix="coread-room-") as folder:
        environ = {
            "COREAD_DATA__FOLDER": folder,
            "COREAD_DIMSE__PORT": "0",
            "COREAD_WEB__PORT": str(free_port()),
            "COREAD_REVIEW__NUDGE_RATE": "0",
        }
        studies = prepare(environ, opened)
        with served(environ) as (site, pid):
            doctors = [Doctor(site, f"doctor{number}") for number in range(DOCTORS)]
            runs = {
                "paced": verdicts(doctors, studies["paced"], THINK_S),
                "crowded": verdicts(doctors, studies["crowded"], 0.0),
            }
            memory = open_many(doctors[0], studies["opened"], pid)
            weight = page_weight(doctors[0], studies["opened"][0])
        kept = what_stands(environ, [*studies["paced"], *studies["crowded"]])
    result = {"verdicts": runs, "kept": kept, "memory": memory, "page": weight}
    keep("reading_room", {"benchmark": "reading_room"} | provenance("starlette", "sqlalchemy") | result)
    tell(result)
    lost = kept["expected"] - kept["decided"]
    return 1 if lost or kept["events"] != kept["expected"] else 0


def prepare(environ: dict[str, str], opened: int) -> dict[str, list[str]]:
    """File studies with readings, and make the doctors."""
    studies: dict[str, list[str]] = {"paced": [], "crowded": [], "opened": []}
    counts = {"paced": DOCTORS * STUDIES_EACH, "crowded": DOCTORS * STUDIES_EACH, "opened": opened}
    with Clinic(load(None, environ)) as clinic:
        for kind, count in counts.items():
            for number in track(range(count), f"studies: {kind}", console=_console, transient=True):
                studies[kind].append(_study(clinic, kind, number))
        for number in range(DOCTORS):
            clinic.people.add(
                f"doctor{number}", f"Doctor {number}", [Role.DOCTOR], PASSWORD,
                by="system", at=now(), is_temporary=False,
            )  # fmt: skip
    return studies


def _study(clinic: Clinic, kind: str, number: int) -> str:
    uid = derive_uid("benchmark", kind, str(number))
    data = chest_radiograph(number, size_px=512, study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1")
    ref = clinic.intake.accept_bytes(data, "folder").instance.ref
    clinic.studies.complete_now(uid)
    clinic.studies.close(uid, now())
    clinic.studies.handed(uid, 1)
    findings = tuple(_finding(ref, at) for at in range(FINDINGS_EACH))
    clinic.readings.save(Reading(uid, 1, READER, Outcome.FINDINGS, (ref,), findings))
    return uid


def _finding(ref: Any, number: int) -> Finding:
    return Finding(
        codes.LUNG_OPACITY, Presence.PRESENT, Confidence(0.8, 0.7, 0.9), ref, codes.LUNG,
        derive_uid("finding", ref.sop_instance_uid, str(number)), f"Opacity {number + 1}",
        (Box(10.0 * number, 20, 30, 40),),
    )  # fmt: skip


@contextmanager
def served(environ: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Run ``coread serve``."""
    port = int(environ["COREAD_WEB__PORT"])
    with (Path(environ["COREAD_DATA__FOLDER"]) / "serve.log").open("w") as log:
        command = [sys.executable, "-c", "from coread.gateways.cli import main; main()", "serve"]
        process = subprocess.Popen(command, env=os.environ | environ, stdout=log, stderr=log)
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


class Doctor:
    """One browser session."""

    def __init__(self, site: str, login: str) -> None:
        self.http = httpx.Client(base_url=site, trust_env=False, timeout=60)
        answer = self.http.post("/api/v1/login", json={"login": login, "password": PASSWORD})
        answer.raise_for_status()
        self.csrf = answer.json()["csrf"]

    def decide_all(self, study_uid: str, think_s: float, began: threading.Barrier) -> list[float]:
        """Decide on every finding of a study; return the seconds that each verdict took."""
        review = self.http.get(f"/api/v1/studies/{study_uid}/review").json()
        revision = review["revision"]
        took = []
        began.wait()
        for finding in review["findings"]:
            time.sleep(random.uniform(0, 2 * think_s))
            sent = time.perf_counter()
            answer = self.http.post(
                f"/api/v1/studies/{study_uid}/findings/{finding['finding_uid']}/decision",
                json={"verdict": "accepted", "revision": revision, "key": str(uuid.uuid4()), "active_s": 2.0},
                headers={"X-CSRF-Token": self.csrf},
            )
            took.append(time.perf_counter() - sent)
            answer.raise_for_status()
            revision = answer.json()["revision"]
        return took


def verdicts(doctors: list[Doctor], studies: list[str], think_s: float) -> dict[str, Any]:
    """Let all doctors decide at one time, each on a study of its own."""
    began = threading.Barrier(len(doctors))
    took: list[float] = []
    faults: list[str] = []

    def work(doctor: Doctor, study: str) -> None:
        try:
            took.extend(doctor.decide_all(study, think_s, began))
        except (httpx.HTTPError, KeyError) as error:
            faults.append(f"{type(error).__name__}: {str(error)[:200]}")

    threads = [threading.Thread(target=work, args=pair) for pair in zip(doctors, studies, strict=True)]
    at = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(took)
    return {
        "doctors": len(doctors),
        "verdicts": len(took),
        "think_s": think_s,
        "per_s": round(len(took) / (time.perf_counter() - at), 1),
        "p50_ms": round(1000 * statistics.median(ordered), 1),
        "p95_ms": round(1000 * ordered[int(0.95 * len(ordered))], 1),
        "max_ms": round(1000 * ordered[-1], 1),
        "faults": faults,
    }


def what_stands(environ: dict[str, str], studies: list[str]) -> dict[str, int]:
    """Count in the casebook and the ledger what was decided."""
    decided = events = 0
    with Clinic(load(None, environ)) as clinic:
        person = clinic.people.find("doctor0")
        for uid in studies:
            review = clinic.desk.open(uid, person)
            decided += len(review.decisions)
            events += len(clinic.ledger.events(uid, "finding.decided"))
    return {"expected": len(studies) * FINDINGS_EACH, "decided": decided, "events": events}


def open_many(doctor: Doctor, studies: list[str], pid: int) -> dict[str, Any]:
    """Open every study as a browser does; read the server's memory on the way."""
    rss: list[float] = []
    for uid in track(studies, "opening studies", console=_console, transient=True):
        page = doctor.http.get(f"/studies/{uid}", headers={"Accept": "text/html"}).text
        doctor.http.get(f"/api/v1/studies/{uid}/review").raise_for_status()
        for image in re.findall(r'src="(/dicomweb/[^"]+)"', page):
            doctor.http.get(image.replace("&amp;", "&")).raise_for_status()
        doctor.http.get(f"/dicomweb/studies/{uid}/metadata").raise_for_status()
        rss.append(_rss_mb(pid))
    early = statistics.median(rss[len(rss) // 4 : len(rss) // 2])
    late = statistics.median(rss[-len(rss) // 4 :])
    return {
        "opened": len(studies),
        "second_quarter_mb": round(early, 1),
        "last_quarter_mb": round(late, 1),
        "growth_mb": round(late - early, 1),
        "peak_mb": round(max(rss), 1),
    }


def page_weight(doctor: Doctor, study: str) -> dict[str, Any]:
    """Sum what a browser fetches for a study page without its images, compressed: all of the viewer too."""
    page = doctor.http.get(f"/studies/{study}", headers={"Accept": "text/html"})
    static = ROOT / "src" / "coread" / "gateways" / "pages" / "static"
    files = [path for path in static.rglob("*") if path.is_file() and path.suffix != ".txt"]
    sizes = {path.relative_to(static).as_posix(): len(gzip.compress(path.read_bytes(), 9)) for path in files}
    viewer = sum(size for name, size in sizes.items() if name.startswith("viewer/"))
    total = sum(sizes.values()) + len(gzip.compress(page.content, 9))
    return {
        "total_kb": round(total / 1024, 1),
        "viewer_kb": round(viewer / 1024, 1),
        "files": len(files),
        "largest": dict(sorted(sizes.items(), key=lambda item: -item[1])[:5]),
    }


def _rss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def tell(result: dict[str, Any]) -> None:
    """Print what was measured."""
    table = Table(title="Verdicts over HTTP, ms (simulated doctors)")
    for heading in ("", "doctors", "verdicts", "a second", "p50", "p95", "max", "faults"):
        table.add_column(heading, justify="right")
    for name, run in result["verdicts"].items():
        figures = ("doctors", "verdicts", "per_s", "p50_ms", "p95_ms", "max_ms")
        table.add_row(name, *(str(run[figure]) for figure in figures), str(len(run["faults"])))
    _console.print(table)
    _console.print(f"stands: {result['kept']}")
    _console.print(f"memory: {result['memory']}")
    _console.print(
        f"page: {result['page']['total_kb']} KB compressed, viewer {result['page']['viewer_kb']} KB"
    )


if __name__ == "__main__":
    sys.exit(main())
