"""A real federation on this machine: SuperLink over TLS, a coordinator and sites in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coread.gateways.certificates import make_development_certificates
from coread.learning.federated.coordinator.folder import CoordinatorFolder, CoordinatorSettings
from coread.learning.federated.coordinator.keeping import Kept
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.sites.folder import SiteFolder, SiteSettings

HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


class Federation:
    """Folders of a coordinator and its sites, and their processes.

    Parameters
    ----------
    folder
        For everything.
    sites
        Folder of data of each site.
    select
        What narrows each site's query.
    paths
        Folders from which tasks are imported.
    """

    def __init__(
        self,
        folder: Path,
        sites: Mapping[str, Path],
        select: Mapping[str, Mapping[str, Any]] | None = None,
        paths: tuple[Path, ...] = (HERE,),
    ) -> None:
        self.folder = folder
        self._paths = paths
        made = make_development_certificates(
            folder / "certificates", datetime.now(UTC), hosts=("127.0.0.1",), clients=(), days=2
        )
        self.authority = made.authority
        settings = CoordinatorSettings(
            "trial", "127.0.0.1", free_port(), str(made.server), str(made.server_key), str(made.authority)
        )
        self.coordinator = CoordinatorFolder.made(folder / "coordinator", settings)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.sites: dict[str, SiteFolder] = {}
        for name, data in sites.items():
            self.sites[name] = SiteFolder.made(folder / name, self.settings(name, data, (select or {}).get(name)))
            self.coordinator.enrol(folder / name / "card.json")

    def settings(self, name: str, data: Path, select: Mapping[str, Any] | None = None) -> SiteSettings:
        said = self.coordinator.settings
        link, key = f"{said.host}:{said.port}", self.coordinator.key.public
        return SiteSettings(name, str(data), dict(select or {}), link, str(self.authority), key, "", 1)

    def freeze(self, draft: str) -> Plan:
        path = self.folder / "draft.toml"
        path.write_text(draft, encoding="utf-8")
        return self.coordinator.plan_of(self.coordinator.freeze(path).parent.name)

    def approve(self, plan: Plan, *names: str) -> None:
        for name in names or tuple(self.sites):
            site = self.sites[name]
            site.keep_plan(plan)
            for need in plan.needs:
                site.approvals.consent(need, "officer")
            site.approvals.approve(plan, "officer")

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a command of coread-lab; its output goes to a log beside the folder."""
        paths = [*map(str, self._paths), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "coread.lab", *words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        self.processes[name] = process
        return process

    def start_site(self, name: str) -> subprocess.Popen[bytes]:
        return self.start(name, "site", "run", "--folder", str(self.folder / name))

    def start_coordinator(self, wait_s: float = 60.0) -> subprocess.Popen[bytes]:
        folder = str(self.folder / "coordinator")
        return self.start("coordinator", "federation", "run", "--folder", folder, "--wait-s", str(wait_s))

    def kept(self, plan: Plan) -> Kept:
        return Kept(self.folder / "coordinator", plan)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Federation:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def until(true: Callable[[], bool], within_s: float, what: str) -> None:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)


__all__ = ["Federation", "free_port", "until"]
