"""Commands that keep running: serve, gateway, worker."""

from __future__ import annotations

import logging
import signal
import threading

import typer
from rich.console import Console

from coread.clinic import Role
from coread.gateways.cli.opening import SettingsFile, find_settings
from coread.gateways.doors import Doors

_console = Console(highlight=False)
_LOOK_S = 1.0


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(serve)
    app.command()(gateway)
    app.command()(worker)


def serve(settings: SettingsFile = None) -> None:
    """Run the whole clinic in one process: receive, read, answer."""
    _keep_open(settings, "all")


def gateway(settings: SettingsFile = None) -> None:
    """Run only the doors: receive and answer; workers elsewhere read."""
    _keep_open(settings, "gateway")


def worker(settings: SettingsFile = None) -> None:
    """Run only a worker: read what gateways have received (PostgreSQL for more than one)."""
    _keep_open(settings, "worker")


def _keep_open(given: SettingsFile, role: Role) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    for chatty in ("alembic", "highdicom", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    doors = Doors(find_settings(given), role)
    wanted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: wanted.set())
    with doors:
        _say_where(doors, role)
        while not wanted.wait(_LOOK_S):
            _check_alive(doors)


def _check_alive(doors: Doors) -> None:
    """End the process if its worker broke: an init system starts it anew, and nothing is lost."""
    if doors.clinic.worker and not doors.clinic.worker.alive:
        _console.print("The worker broke; see the log. This process ends, so that it can be started anew.")
        raise typer.Exit(70)


def _say_where(doors: Doors, role: Role) -> None:
    _console.print(f"CoRead is open ({role}). Stop with Ctrl-C; nothing is lost.")
    if doors.receiver and doors.web:
        wanted = doors.clinic.settings.dimse
        _console.print(f"  DICOM     {wanted.ae_title} at {wanted.host}:{doors.receiver.port}")
        _console.print(f"  DICOMweb  {doors.web.url}/dicomweb")
        _console.print(f"  FHIR      {doors.web.url}/fhir")
        _console.print(f"  Pages     {doors.web.url}/")
        for name in doors.clinic.settings.in_clear():
            _console.print(f"  without TLS: {name}", style="bold red", markup=False)
        if not doors.clinic.people.list():
            _console.print(
                "Nobody can log in yet. Make the first account:\n"
                "  coread person add LOGIN --name NAME --role administrator --role doctor"
            )
