"""A worker that publishes, in a process of its own, to be killed.

    python signing_process.py FOLDER DATABASE_URL [CRASH_POINT]

It prints ``ready`` when it works and ends when its input is closed. At the crash point it kills itself as
the power company would.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from coread import settings
from coread.clinic import Clinic
from coread.testing.growing import GROWING_READER
from coread.testing.readers import EXAMPLE_READERS

READERS = (*EXAMPLE_READERS, GROWING_READER)
RULES = """
[[rule]]
name = "radiographs"
owner = "the tests"
when = { Modality = ["DX"] }
readers = ["example-brightness"]
destinations = ["pacs", "records"]
"""
DESTINATIONS = [
    {"name": "pacs", "kind": "dimse", "host": "pacs.example"},
    {"name": "records", "kind": "fhir", "url": "http://records.example"},
]


def ward_settings(folder: Path, database_url: str) -> settings.Settings:
    """Settings of a clinic for tests: it waits shortly and beats quickly."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.toml").write_text(RULES, encoding="utf-8")
    environ = {
        "COREAD_DATA__FOLDER": str(folder),
        "COREAD_DATABASE__URL": database_url,
        "COREAD_ROUTING__RULES": str(folder / "rules.toml"),
        "COREAD_COMPLETENESS__QUIET_PERIOD_S": "0.2",
        "COREAD_COMPLETENESS__POLL_INTERVAL_S": "0.05",
        "COREAD_WORKFLOW__HEARTBEAT_S": "0.3",
        "COREAD_WORKFLOW__STALE_AFTER_S": "2",
        "COREAD_WORKFLOW__FIRST_RETRY_S": "0.1",
        "COREAD_READERS__WARM_UP": "false",
        "COREAD_DESTINATIONS": json.dumps(DESTINATIONS),
    }
    return settings.load(None, environ)


def main() -> None:
    """Work until the input is closed or the crash point is reached."""
    folder, url, *crash = sys.argv[1:]

    def probe(point: str) -> None:
        if [point] == crash:
            os.kill(os.getpid(), signal.SIGKILL)

    def take(destination, data: bytes) -> None:
        """Take everything, as a destination that never fails."""

    clinic = Clinic(ward_settings(Path(folder), url), {"dimse": take, "fhir": take}, READERS, probe)
    with clinic.start("worker"):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
