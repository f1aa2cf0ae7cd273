"""The stage: certificates, folders of a coordinator and its sites, and their processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coread.learning.federated.coordinator.folder import CoordinatorFolder, CoordinatorSettings
from coread.learning.federated.coordinator.keeping import Kept
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.sites.folder import SiteFolder, SiteSettings

HOST = "127.0.0.1"


def free_port() -> int:
    """Give a port of this machine that nobody uses now."""
    with socket.socket() as asked:
        asked.bind((HOST, 0))
        return int(asked.getsockname()[1])


@dataclass(frozen=True)
class Lent:
    """What a site of the trial brings."""

    data: Path
    select: Mapping[str, Any] = field(default_factory=dict)
    """Its part of a shared folder."""


class Trial:
    """One federation below one folder.

    Parameters
    ----------
    folder
        For everything but the data.
    sites
        What each site lends.
    paths
        Further folders from which tasks are imported.
    """

    def __init__(self, folder: Path, sites: Mapping[str, Lent], paths: tuple[Path, ...] = ()) -> None:
        self.folder, self._paths = folder.resolve(), paths
        self.authority, certificate, key = certificates(self.folder / "certificates")
        settings = CoordinatorSettings(
            "trial", HOST, free_port(), str(certificate), str(key), str(self.authority)
        )
        self.coordinator = CoordinatorFolder.made(self.folder / "coordinator", settings)
        self.sites = {name: self._site(name, lent) for name, lent in sites.items()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def _site(self, name: str, lent: Lent) -> SiteFolder:
        said, key = self.coordinator.settings, self.coordinator.key.public
        link = f"{said.host}:{said.port}"
        settings = SiteSettings(
            name, str(lent.data.resolve()), dict(lent.select), link, str(self.authority), key, "", 50
        )
        site = SiteFolder.made(self.folder / name, settings)
        self.coordinator.enrol(self.folder / name / "card.json")
        return site

    def freeze(self, draft: str) -> Plan:
        """Make a plan of a draft."""
        path = self.folder / "draft.toml"
        path.write_text(draft, encoding="utf-8")
        return self.coordinator.plan_of(self.coordinator.freeze(path).parent.name)

    def approve(self, plan: Plan, *names: str, by: str = "trial officer") -> None:
        """Let officers consent to what the plan needs, and approve it."""
        for name in names or tuple(self.sites):
            site = self.sites[name]
            site.keep_plan(plan)
            for need in plan.needs:
                site.approvals.consent(need, by)
            site.approvals.approve(plan, by)

    def start_site(self, name: str) -> subprocess.Popen[bytes]:
        """Start the process of a site."""
        return self._start(name, "site", "run", "--folder", str(self.folder / name))

    def start_coordinator(self, plan: Plan, wait_s: float = 60.0) -> subprocess.Popen[bytes]:
        """Start the process of the coordinator, which starts SuperLink."""
        folder, word = str(self.coordinator.folder), plan.sha256
        options = ("--folder", folder, "--plan", word, "--wait-s", str(wait_s))
        return self._start("coordinator", "federation", "run", *options)

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        paths = [*map(str, self._paths), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "OMP_NUM_THREADS": "1",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "coread.lab", *words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        self.processes[name] = process
        return process

    def kept(self, plan: Plan) -> Kept:
        """What the coordinator keeps of a plan."""
        return Kept(self.coordinator.folder, plan)

    def log(self, name: str) -> str:
        """What a process printed."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End all processes that this trial started."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Make an authority and a server's certificate by ``coread certificates dev``; good for this machine.

    Returns
    -------
    tuple
        Authority, certificate, key.
    """
    program = Path(sys.executable).with_name("coread")
    subprocess.run(
        [str(program), "certificates", "dev", str(folder), "--host", HOST], check=True, capture_output=True
    )
    return folder / "authority.pem", folder / "server.pem", folder / "server.key"


def until(true: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait until something is true.

    Raises
    ------
    TimeoutError
        If it does not become true in time.
    """
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s:g} s: {what}")
        time.sleep(0.1)
