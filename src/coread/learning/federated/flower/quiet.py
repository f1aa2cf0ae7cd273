"""Flower's switches: no telemetry, no look for updates, no installation of packages, no coloured log."""

from __future__ import annotations

import os
from pathlib import Path


def switches(home: Path) -> dict[str, str]:
    """Environment under which every process of a federation runs.

    Parameters
    ----------
    home
        Flower's own folder; nothing is written to the user's.
    """
    return {
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_HOME": str(home.resolve()),
    }


def switch_off(home: Path) -> None:
    """Set the switches for this process; to be called before anything of Flower is imported."""
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(switches(home))
