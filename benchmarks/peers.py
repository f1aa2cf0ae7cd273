"""Start and stop the servers that we are measured against, and our own.

Each is one process on loopback with a fresh folder; ``with orthanc(folder) as server: ...``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_START_S = 60.0
ORTHANC_PLUGINS = Path("/usr/share/orthanc/plugins")


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    """DICOM port."""
    http_port: int
    """0 where it has none."""
    pid: int
    ae_title: str

    @property
    def peak_rss_mb(self) -> float:
        """Largest resident set since its start, in MB (10^6 bytes); children are not counted."""
        return _status_kb(self.pid, "VmHWM") * 1024 / 1e6

    @property
    def rss_mb(self) -> float:
        """Resident set now, in MB (10^6 bytes)."""
        return _status_kb(self.pid, "VmRSS") * 1024 / 1e6


def find(name: str) -> str | None:
    """Return the path of a program, also where Debian keeps its servers."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(tuned: bool) -> dict[str, str]:
    """Return our environment, with or without dcmtk's switch for TCP_NODELAY."""
    kept = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    return {**kept, "TCP_NODELAY": "1"} if tuned else kept


@contextlib.contextmanager
def coread(folder: Path, tuned: bool = True) -> Iterator[Server]:
    """Our own gateway as a hospital runs it: receiver, HTTP, synced files, index, ledger."""
    port, http_port = free_port(), free_port()
    settings = {
        "COREAD_DATA__FOLDER": str(folder / "data"),
        "COREAD_DIMSE__PORT": str(port),
        "COREAD_WEB__PORT": str(http_port),
        "COREAD_LOGIN__REQUIRED": "false",  # the peers ask nobody who is there
    }
    command = [str(Path(sys.executable).with_name("coread")), "gateway"]
    env = environment(tuned) | settings
    with _running(command, port, folder, env) as pid:
        yield Server("coread", port, http_port, pid, "COREAD")


@contextlib.contextmanager
def orthanc(folder: Path, tuned: bool = True, **settings: object) -> Iterator[Server]:
    """Debian's Orthanc with its own SQLite index, as it is configured by default, DICOMweb included."""
    port, http_port = free_port(), free_port()
    configuration = {
        "StorageDirectory": str(folder / "data"),
        "IndexDirectory": str(folder / "data"),
        "DicomPort": port,
        "DicomAet": "ORTHANC",
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(path) for path in sorted(ORTHANC_PLUGINS.glob("libOrthancDicomWeb.so*"))[:1]],
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    command = [find("Orthanc") or "Orthanc", str(folder / "orthanc.json")]
    with _running(command, port, folder, environment(tuned)) as pid:
        wait_for_port(http_port)
        yield Server("orthanc", port, http_port, pid, "ORTHANC")


@contextlib.contextmanager
def storescp(folder: Path, tuned: bool = True) -> Iterator[Server]:
    """Dcmtk's storescp, one process for each association; no index, no fsync."""
    port = free_port()
    (folder / "data").mkdir()
    command = [find("storescp") or "storescp", "--fork", "-od", str(folder / "data"), "+xa", str(port)]
    with _running(command, port, folder, environment(tuned)) as pid:
        yield Server("storescp", port, 0, pid, "STORESCP")


@contextlib.contextmanager
def pynetdicom(folder: Path, tuned: bool = True) -> Iterator[Server]:
    """The storescp that comes with pynetdicom; no index, no fsync."""
    port = free_port()
    (folder / "data").mkdir()
    command = [sys.executable, "-m", "pynetdicom", "storescp", str(port), "-q", "-od", str(folder / "data")]
    with _running(command, port, folder, environment(tuned)) as pid:
        yield Server("pynetdicom", port, 0, pid, "STORESCP")


@contextlib.contextmanager
def bare(folder: Path, tuned: bool = True) -> Iterator[Server]:
    """Our receive loop alone: fsync, but no digest, no index."""
    port = free_port()
    (folder / "data").mkdir()
    command = [sys.executable, str(HERE / "bare_receiver.py"), str(port), str(folder / "data")]
    with _running(command, port, folder, environment(tuned)) as pid:
        yield Server("bare", port, 0, pid, "COREAD")


def wait_for_port(port: int) -> None:
    """Return as soon as somebody listens on loopback `port`."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path, env: dict[str, str]) -> Iterator[int]:
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        try:
            wait_for_port(port)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)
