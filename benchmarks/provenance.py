"""What every result of a benchmark carries: command, commit, machine, versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


#: What figures come from; results and pages, which benchmarks themselves write, are not among it.
_SOURCE = ("src", "pyproject.toml", "requirements", "benchmarks/*.py")


def commit() -> str:
    """Commit of the tree, with a mark if it holds uncommitted changes to the source."""
    changed = _git("status", "--porcelain", "--", *_SOURCE)
    head = _git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{head}-dirty" if changed else head


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system, without the machine's name."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(pages * page_bytes / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def provenance(*packages: str) -> dict[str, Any]:
    """Give the facts without which a figure means nothing."""
    script = Path(sys.argv[0]).resolve()
    name = str(script.relative_to(ROOT)) if script.is_relative_to(ROOT) else script.name
    return {
        "command": " ".join(["python", name, *sys.argv[1:]]),
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {package: version(package) for package in ("coread", *packages)},
    }


def keep(name: str, result: dict[str, Any]) -> Path:
    """Write one benchmark's result as JSON and return where."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return path
