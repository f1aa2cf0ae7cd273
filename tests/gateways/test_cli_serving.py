"""The commands that keep running, started and stopped as an init system does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import typer

from coread.clinic import Clinic, now
from coread.domain.person import Permission, Role
from coread.gateways import dimse
from coread.gateways.cli import serving
from coread.gateways.cli.opening import find_settings
from coread.gateways.doors import Doors
from coread.settings import load
from coread.testing.patients import chest_radiograph

PROGRAM = [sys.executable, "-u", "-c", "from coread.gateways.cli import main; main()"]


class Running:
    """One command in a process of its own."""

    def __init__(self, folder: Path, command: str) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COREAD_")}
        environ |= {"COREAD_DATA__FOLDER": str(folder), "COREAD_DIMSE__PORT": "0", "COREAD_WEB__PORT": "0"}
        environ |= {"COREAD_READERS__WARM_UP": "false"}
        self.process = subprocess.Popen(
            [*PROGRAM, command], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        if command != "worker":
            self.said += "".join(self.process.stdout.readline() for _ in range(4))

    def stop(self, number: int) -> tuple[int, str]:
        """Signal the process; give its exit code and what it logged."""
        self.process.send_signal(number)
        _, logged = self.process.communicate(timeout=60)
        return self.process.returncode, logged


def token_for_images(folder: Path) -> dict[str, str]:
    """Make a person who owns a token; give the header that a program sends."""
    with Clinic(load(None, {"COREAD_DATA__FOLDER": str(folder)})) as clinic:
        at = now()
        person = clinic.people.add("viewer", "Viewer", [Role.DOCTOR], by="system", at=at)
        scopes, until = frozenset({Permission.SEE_IMAGES}), at + timedelta(days=1)
        secret = clinic.tokens.issue("viewer", person.id, scopes, at, until, by="system")
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("command", ["serve", "gateway"])
def test_an_open_clinic_says_where_it_is_answers_and_stops(tmp_path, command):
    token = token_for_images(tmp_path)
    running = Running(tmp_path, command)
    port = int(re.search(r"COREAD at 127\.0\.0\.1:(\d+)", running.said)[1])
    url = re.search(r"DICOMweb\s+(http://\S+)", running.said)[1]
    dimse.send_store(dimse.Peer("127.0.0.1", port, "COREAD"), [chest_radiograph(1)])
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{url}/studies").status_code == 401
        assert len(client.get(f"{url}/studies", headers=token).json()) == 1
    code, logged = running.stop(signal.SIGTERM)
    assert code == 0, logged
    assert "Traceback" not in logged


def test_a_clinic_without_people_says_how_to_make_the_first(tmp_path):
    running = Running(tmp_path, "gateway")
    said = "".join(running.process.stdout.readline() for _ in range(2))
    assert "coread person add" in said
    assert running.stop(signal.SIGTERM)[0] == 0


def test_a_worker_alone_starts_and_stops(tmp_path):
    running = Running(tmp_path, "worker")
    assert "worker" in running.said
    code, logged = running.stop(signal.SIGINT)
    assert code == 0, logged


def test_a_process_whose_worker_broke_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COREAD_READERS__WARM_UP", "false")
    with Doors(find_settings(None), "worker") as doors:
        serving._check_alive(doors)
        doors.clinic.worker._stopped.set()
        with pytest.raises(typer.Exit) as ended:
            serving._check_alive(doors)
    assert ended.value.exit_code == 70
