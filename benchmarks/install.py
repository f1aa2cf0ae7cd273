"""Install time and size of the clinic, in a fresh virtual environment.

    python benchmarks/install.py [--cold]

``--cold`` installs without pip's cache.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from provenance import ROOT, keep, provenance


def size_mb(folder: Path) -> float:
    """Size of all files of a folder in MB (10^6 bytes)."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measure(cold: bool) -> dict[str, object]:
    """Install once and look at what lies there."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "venv"
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *(["--no-cache-dir"] if cold else []), f"{ROOT}[demo]"], check=True)
        install_s = time.perf_counter() - started
        listed = subprocess.run(
            [str(folder / "bin/python"), "-m", "pip", "list", "--format=freeze"],
            check=True, capture_output=True, text=True,
        ).stdout.splitlines()  # fmt: skip
        packages = {line.split("==")[0].lower() for line in listed}
        return {
            "install_s": round(install_s, 1),
            "size_mb": round(size_mb(folder)),
            "packages": len(packages),
            "holds_torch": "torch" in packages,
        }


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true")
    arguments = parser.parse_args()
    result = {"benchmark": "install", **provenance(), "cold_cache": arguments.cold, **measure(arguments.cold)}
    path = keep("install", result)
    print(
        f"{result['install_s']} s, {result['size_mb']} MB, {result['packages']} packages -> {path.relative_to(ROOT)}"
    )


if __name__ == "__main__":
    main()
