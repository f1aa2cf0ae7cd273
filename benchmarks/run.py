"""Run every benchmark and write the page that shows them.

    python benchmarks/run.py [--quick]

Each benchmark is a script of its own beside this file, and leaves JSON in
``benchmarks/results/``. A benchmark whose peer is not installed says so and is left out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import report

HERE = Path(__file__).parent
SCRIPTS = (
    "install.py",
    "intake.py",
    "latency.py",
    "dicomweb.py",
    "viewer.py",
    "reading_room.py",
    "kills.py",
    "ledger.py",
    "deidentify.py",
)
TAKES_QUICK = {*SCRIPTS} - {"install.py"}


def main() -> int:
    """Run all; a failing benchmark does not stop the next, but fails the whole."""
    quick = "--quick" in sys.argv[1:]
    failed = []
    for script in SCRIPTS:
        print(f"\n== {script}", flush=True)
        arguments = ["--quick"] if quick and script in TAKES_QUICK else []
        outcome = subprocess.run([sys.executable, str(HERE / script), *arguments], check=False)
        if outcome.returncode:
            failed.append(script)
    report.main()
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
