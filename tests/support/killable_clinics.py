"""Clinics whose workers are killed: what they read, where they send it, and how quick they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker_process import Probe

from coread import settings
from coread.clinic import Clinic
from coread.testing.growing import GROWING_READER
from coread.testing.readers import EXAMPLE_READERS

SIGNING_READERS = (*EXAMPLE_READERS, GROWING_READER)
_RULE = """
[[rule]]
name = "radiographs"
owner = "the tests"
when = {{ Modality = {modalities} }}
readers = {readers}
destinations = ["pacs", "records"]
"""
_READ = _RULE.format(modalities='["DX", "CT"]', readers='["example-brightness", "example-fails"]')
_SIGNED = _RULE.format(modalities='["DX"]', readers='["example-brightness"]')
_DESTINATIONS = """[
  {"name": "pacs", "kind": "dimse", "host": "pacs.example"},
  {"name": "records", "kind": "fhir", "url": "http://records.example"}
]"""


def _unheard(point: str) -> None:
    """Be told of a place, and do nothing."""


def _take(destination: Any, data: bytes) -> None:
    """Take everything, as a destination that never fails."""


_SENDERS: Mapping[str, Any] = {"dimse": _take, "fhir": _take}


def reading_clinic(folder: Path, url: str, probe: Probe = _unheard) -> Clinic:
    """Make a clinic with two readers, one of which fails by design."""
    return Clinic(_settings(folder, url, _READ), _SENDERS, EXAMPLE_READERS, probe)


def signing_clinic(folder: Path, url: str, probe: Probe = _unheard) -> Clinic:
    """Make a clinic with a reader, and one that answers where it is asked."""
    return Clinic(_settings(folder, url, _SIGNED), _SENDERS, SIGNING_READERS, probe)


def _settings(folder: Path, url: str, rules: str) -> settings.Settings:
    """Settings of a clinic that waits shortly and beats quickly."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.toml").write_text(rules, encoding="utf-8")
    environ = {
        "COREAD_DATA__FOLDER": str(folder),
        "COREAD_DATABASE__URL": url,
        "COREAD_ROUTING__RULES": str(folder / "rules.toml"),
        "COREAD_COMPLETENESS__QUIET_PERIOD_S": "0.2",
        "COREAD_COMPLETENESS__POLL_INTERVAL_S": "0.05",
        "COREAD_WORKFLOW__HEARTBEAT_S": "0.3",
        "COREAD_WORKFLOW__STALE_AFTER_S": "2",
        "COREAD_WORKFLOW__FIRST_RETRY_S": "0.1",
        "COREAD_READERS__WARM_UP": "false",
        "COREAD_DESTINATIONS": _DESTINATIONS,
    }
    return settings.load(None, environ)
