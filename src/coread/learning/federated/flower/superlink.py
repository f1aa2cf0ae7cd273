"""The coordinator's SuperLink: TLS, nodes known by key, state on disk; started anew if it dies."""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coread.errors import FederationRefused
from coread.learning.federated.flower.quiet import switches

_START_S = 90.0


@dataclass(frozen=True)
class Place:
    """Where SuperLink stands and with which certificate."""

    host: str
    port: int
    certificate: Path
    key: Path
    authority: Path
    folder: Path
    """For its state, log and secret."""

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def secret(self) -> bytes:
        """Known to this coordinator and its SuperLink; without it nobody else takes the driver's seat."""
        path = self.folder / "driver.secret"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
        return path.read_bytes()

    def command(self) -> list[str]:
        """What starts it."""
        files = {
            "--ssl-ca-certfile": self.authority,
            "--ssl-certfile": self.certificate,
            "--ssl-keyfile": self.key,
            "--database": self.folder / "superlink.db",
            "--superexec-auth-secret-file": self.folder / "driver.secret",
        }
        pairs = [str(word) for pair in files.items() for word in pair]
        module = "coread.learning.federated.flower.child"
        return [
            sys.executable, "-m", module, str(os.getpid()), *pairs,
            "--host", self.host, "--port", str(self.port),
            "--enable-supernode-auth", "--disable-runtime-dependency-installation", "--isolation", "process",
        ]  # fmt: skip


class SuperLink:
    """The running SuperLink; a thread starts it again whenever it dies."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.starts = 0
        self._stopping = threading.Event()
        self._process = self._started()
        self._watch = threading.Thread(target=self._keep_up, daemon=True, name="superlink-watch")

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._process.pid

    def _started(self) -> subprocess.Popen[bytes]:
        _demand_free(self.place)
        _ = self.place.secret
        self.starts += 1
        with (self.place.folder / "superlink.log").open("ab") as log:
            environment = {**os.environ, **switches(self.place.folder / "flower")}
            return subprocess.Popen(
                self.place.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )

    def wait(self) -> None:
        """Wait until it answers over TLS.

        Raises
        ------
        FederationRefused
            If it does not, or its certificate does not fit authority and host.
        """
        until = time.monotonic() + _START_S
        while not _answers(self.place):
            if time.monotonic() > until or (self._process.poll() is not None and self.starts > 2):
                log = (self.place.folder / "superlink.log").name
                raise FederationRefused(
                    "a SuperLink that does not start", "one that answers", f"see {log}", ""
                )
            time.sleep(0.1)

    def _keep_up(self) -> None:
        while not self._stopping.wait(0.2):
            if self._process.poll() is not None:
                try:
                    self._process = self._started()
                except FederationRefused:  # the port is not given back yet
                    continue

    @contextmanager
    def running(self) -> Iterator[SuperLink]:
        """Keep it up for a while."""
        try:
            self.wait()
            self._watch.start()
            yield self
        finally:
            self._stopping.set()
            if self._watch.ident:
                self._watch.join()
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _answers(place: Place) -> bool:
    context = ssl.create_default_context(cafile=str(place.authority))
    host = "127.0.0.1" if place.host == "0.0.0.0" else place.host  # noqa: S104 - asked, not bound
    try:
        with (
            socket.create_connection((host, place.port), timeout=2) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLCertVerificationError as fault:
        found = f"a server certificate that does not hold ({fault.verify_message})"
        expected = f"one of this authority for {host}"
        raise FederationRefused(
            found, expected, "make or fetch another certificate", place.address
        ) from fault
    except OSError:
        return False


def _demand_free(place: Place) -> None:
    """Refuse a port that is taken: a second federation needs one of its own."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((place.host, place.port))
        except OSError as fault:
            found = f"port {place.port} in use ({fault.strerror})"
            remedy = "stop the other process, or give this federation a port of its own"
            raise FederationRefused(found, "a free port", remedy, place.address) from fault
