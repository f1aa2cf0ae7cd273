"""Asks whether a package of the clinic has a known vulnerability, and holds us to an answer.

    python security/scan.py [requirements/clinic.txt] [--advisories all.zip] [--bill sbom.json]

Two services are asked by pip-audit, else the pages of PyPI's projects (`newest`); with ``--advisories``
nobody is asked, and OSV's export is searched that was carried in (`advisories`). Each finding must be
answered in ``docs/security/answers.toml`` with a reason and a date, or this fails; an answer with ``expires``
is none from that day on. Where nobody can be reached this says ``not scanned, service unreachable`` and
passes; a file that cannot be read fails. What the pages of projects do not cover is named.
Where it could not look pip-audit itself says that nothing was found, so each package that was skipped counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import advisories
import newest
from advisories import Finding, Looked

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / "clinic.txt"
ANSWERS = ROOT / "docs" / "security" / "answers.toml"

UNREACHABLE = "not scanned, service unreachable"
SERVICES = ("pypi", "osv")
_PATIENCE_S = 300
_LEAST_REASON = 20


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
        expires = answer.get("expires", date.max)
        if not is_whole or answer["date"] > today:
            found.append(f"{answer.get('id', 'an answer')}: no reason in words, or no date")
        elif not isinstance(expires, date) or expires <= today:
            found.append(f"{answer.get('id', 'an answer')}: the answer has expired; look again")
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
    return newest.look(advisories.of_pins(pins.read_text()))


def carried_in(export: Path, pins: Path, bill: Path | None) -> Looked:
    """Search an export for the components of a bill of materials, else for the pins."""
    components = (
        advisories.of_bill(json.loads(bill.read_text(encoding="utf-8")))
        if bill is not None
        else advisories.of_pins(pins.read_text())
    )
    return advisories.look(export, components)


def main(
    pins: Path = PINS, answers: Path = ANSWERS, export: Path | None = None, bill: Path | None = None
) -> int:
    """Look, and say what was found; the exit code is 1 where something is not answered."""
    try:
        looked = look(pins) if export is None else carried_in(export, pins, bill)
    except advisories.NotAnExport as fault:
        print(f"vulnerabilities: not scanned, {fault}")
        return 1
    if looked is None:
        print(f"vulnerabilities: {UNREACHABLE}")
        return 0
    told = tomllib.loads(answers.read_text(encoding="utf-8")).get("answer", [])
    found = faults(looked, told, date.today())
    for line in found:
        print(line)
    counts = f"{looked.audited} packages, {len(looked.findings)} findings, {len(found)} open"
    counts += f", not scanned: {', '.join(looked.uncovered)}" if looked.uncovered else ""
    print(f"vulnerabilities: {counts}" + (f", advisories as of {looked.as_of}" if looked.as_of else ""))
    return int(bool(found))


def asked() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("pins", type=Path, nargs="?", default=PINS)
    parser.add_argument("--answers", type=Path, default=ANSWERS)
    parser.add_argument("--advisories", type=Path, help="OSV's export of PyPI, a zip that was carried in")
    parser.add_argument("--bill", type=Path, help="a CycloneDX bill of materials instead of the pins")
    return parser.parse_args()


if __name__ == "__main__":
    given = asked()
    sys.exit(main(given.pins, given.answers, given.advisories, given.bill))
