"""How every command finds its settings and opens the clinic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coread.clinic import Clinic
from coread.gateways.doors import senders
from coread.settings import Settings, load

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings", "-s", help="TOML file; else COREAD_SETTINGS, else coread.toml here, else defaults."
    ),
]

_DEFAULT_FILE = Path("coread.toml")

COMMAND_LINE = "person:command-line"
"""Actor on record of what is done at the machine itself, where nobody logs in."""


def find_settings(given: Path | None) -> Settings:
    """Load the settings from the file given, the environment's, the folder's, or none."""
    named = given or (Path(found) if (found := os.environ.get("COREAD_SETTINGS")) else None)
    file = named or (_DEFAULT_FILE if _DEFAULT_FILE.is_file() else None)
    return load(file, os.environ)


def is_configured(given: Path | None) -> bool:
    """Tell whether there is a clinic here: a settings file is named, or lies in the working folder."""
    return given is not None or bool(os.environ.get("COREAD_SETTINGS")) or _DEFAULT_FILE.is_file()


def open_clinic(given: Path | None) -> Clinic:
    """Open the rooms without any door: nothing listens, nothing is read."""
    settings = find_settings(given)
    return Clinic(settings, senders(settings))


def wide_console() -> Console:
    """Give a console that cuts no identifier short where the output goes into a file or a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)
