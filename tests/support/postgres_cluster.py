"""A private PostgreSQL cluster for the tests.

PostgreSQL refuses to run as root: where the tests do, the cluster runs as the user ``postgres``
of Debian's package.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

_USER = "coread"


class Cluster:
    """One running server that listens on loopback only, in a folder of its own."""

    def __init__(self, initdb: str, pg_ctl: str) -> None:
        self._pg_ctl = pg_ctl
        # Not below pytest's folder, which nobody but its owner may enter.
        self._folder = Path(tempfile.mkdtemp(prefix="coread-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        self._data = self._folder / "data"
        self.port = _free_port()
        self._run(
            initdb, "-D", self._data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"
        )
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        # Without sync: what is tested is our transactions, not PostgreSQL's disk.
        self._control("start", "-o", f"{options} -c fsync=off", "-l", self._folder / "log")

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, *arguments: object) -> None:
        self._run(self._pg_ctl, "-D", self._data, "-w", *arguments)

    def _run(self, *command: object) -> None:
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        words = as_user + [str(word) for word in command]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, timeout=120)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
