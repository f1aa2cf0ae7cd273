"""Asks whether a package of the clinic has a known vulnerability, by pip-audit, and holds us to an answer.

    python security/scan.py [requirements/clinic.txt]

Each finding must be answered in ``docs/security/answers.toml`` with a reason and a date, or this fails. Where
neither of the two services can be reached this says ``not scanned, service unreachable`` and passes. Where it
could not look pip-audit itself says that nothing was found, so every package that was skipped counts here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / "clinic.txt"
ANSWERS = ROOT / "docs" / "security" / "answers.toml"

UNREACHABLE = "not scanned, service unreachable"
SERVICES = ("pypi", "osv")
_PATIENCE_S = 300
_LEAST_REASON = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One known vulnerability of one package."""

    package: str
    version: str
    id: str
    aliases: frozenset[str]
    fixed_in: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What one service said."""

    findings: tuple[Finding, ...]
    audited: int
    skipped: tuple[str, ...]
    """Packages that it does not know."""


def audit(pins: Path, service: str) -> Looked | None:
    """Ask one service about pinned packages; None where it cannot be reached."""
    tool = Path(sys.executable).with_name("pip-audit")
    command = [str(tool), "--requirement", str(pins), "--disable-pip", "--no-deps", "--format", "json"]
    try:
        told = subprocess.run(
            [*command, "--vulnerability-service", service, "--progress-spinner", "off", "--timeout", "15"],
            capture_output=True, text=True, check=False, timeout=_PATIENCE_S,
        )  # fmt: skip
        return read(json.loads(told.stdout))
    except (subprocess.TimeoutExpired, ValueError):
        return None


def read(told: Mapping[str, Any]) -> Looked | None:
    """Read pip-audit's JSON; None where it knew no package at all, as behind a mirror of packages alone."""
    packages = told["dependencies"]
    skipped = tuple(p["name"] for p in packages if "skip_reason" in p)
    findings = tuple(
        Finding(p["name"], p["version"], v["id"], frozenset(v["aliases"]), ", ".join(v["fix_versions"]))
        for p in packages
        for v in p.get("vulns", ())
    )
    return None if len(skipped) == len(packages) else Looked(findings, len(packages) - len(skipped), skipped)


def faults(looked: Looked, answers: Iterable[Mapping[str, Any]], today: date) -> list[str]:
    """Return what nobody has answered, and answers that are none."""
    good, found = [], []
    for answer in answers:
        is_whole = (
            isinstance(answer.get("date"), date) and len(str(answer.get("reason", ""))) >= _LEAST_REASON
        )
        if not is_whole or answer["date"] > today:
            found.append(f"{answer.get('id', 'an answer')}: no reason in words, or no date")
        else:
            good.append(answer)
    known = {(str(a.get("package")).lower(), str(a.get("id"))) for a in good}
    for one in looked.findings:
        if not any((one.package.lower(), id) in known for id in {one.id, *one.aliases}):
            fixed = one.fixed_in or "no release yet"
            found.append(f"{one.package} {one.version}: {one.id} is not answered (fixed in {fixed})")
    return [*found, *(f"{name}: not known to the service" for name in looked.skipped)]


def look(pins: Path) -> Looked | None:
    """Ask the services one after the other, the first package alone to begin with: silence costs little."""
    first = next(line.split()[0] for line in pins.read_text().splitlines() if "==" in line)
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "one.txt"
        probe.write_text(first + "\n")
        for service in SERVICES:
            if audit(probe, service) is not None:
                return audit(pins, service)
    return None


def main(pins: Path = PINS, answers: Path = ANSWERS) -> int:
    """Look, and say what was found; the exit code is 1 where something is not answered."""
    looked = look(pins)
    if looked is None:
        print(f"vulnerabilities: {UNREACHABLE}")
        return 0
    told = tomllib.loads(answers.read_text(encoding="utf-8")).get("answer", [])
    found = faults(looked, told, date.today())
    for line in found:
        print(line)
    print(f"vulnerabilities: {looked.audited} packages, {len(looked.findings)} findings, {len(found)} open")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
