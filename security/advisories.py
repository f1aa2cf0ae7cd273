"""Known vulnerabilities out of a file that was carried in: OSV's export, a zip of JSON records.

A hospital without a line to the internet brings the export of PyPI on a stick (docs/security.md).
Versions are compared as PEP 440 says, ranges and lists of versions as the OSV schema says
(https://ossf.github.io/osv-schema/, version 1.6, "Evaluation"). What cannot be compared counts as affected: a
person looks, and answers.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

ECOSYSTEM = "PyPI"
#: Largest record that is read, unpacked: the longest of PyPI's are below 1 MB.
_RECORD_BYTES = 32 << 20
_COMPARABLE = frozenset(("ECOSYSTEM", "SEMVER"))


class NotAnExport(Exception):
    """A file that is no export of OSV, or of another ecosystem."""


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
    """What one source of advisories said."""

    findings: tuple[Finding, ...]
    audited: int
    skipped: tuple[str, ...]
    """Packages that it does not know."""
    as_of: str = ""
    """Newest change of an advisory in the file; empty for a service."""
    uncovered: tuple[str, ...] = ()
    """Releases that it does not speak of, as ``name version``: of these nothing is said."""


def normal(name: str) -> str:
    """Return a package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def of_pins(text: str) -> list[tuple[str, str]]:
    """Return (name, version) of each line ``name==version`` of a requirements file."""
    return sorted(set(re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\\s]+)", text)))


def of_bill(bill: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (name, version) of each PyPI component of a CycloneDX bill of materials."""
    parts = bill.get("components", ())
    return sorted(
        (part["name"], str(part["version"]))
        for part in parts
        if str(part.get("purl", "pkg:pypi/")).startswith("pkg:pypi/") and part.get("version")
    )


def look(export: Path, components: Iterable[tuple[str, str]]) -> Looked:
    """Look for each component in an export.

    Parameters
    ----------
    export
        The zip.
    components
        Name and version of each package.

    Raises
    ------
    NotAnExport
        If the file is no zip of OSV records, or holds none for PyPI: then nobody has looked.
    """
    versions: dict[str, list[str]] = {}
    for name, version in components:
        versions.setdefault(normal(name), []).append(version)
    found: list[Finding] = []
    newest, known = "", 0
    for record in _records(export):
        affected = [a for a in record.get("affected", ()) if _is_ours(a)]
        known += bool(affected)
        newest = max(newest, str(record.get("modified", ""))) if affected else newest
        if not record.get("withdrawn"):
            found += _of_record(record, affected, versions)
    if not known:
        raise NotAnExport(f"{export.name} holds no advisory for {ECOSYSTEM}: nobody has looked")
    return Looked(tuple(_once(found)), sum(map(len, versions.values())), (), newest[:10])


def _records(export: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with zipfile.ZipFile(export) as packed:
            for entry in packed.infolist():
                if entry.filename.endswith(".json"):
                    if entry.file_size > _RECORD_BYTES:
                        raise NotAnExport(f"{export.name}: {entry.filename} is larger than any advisory")
                    record = json.loads(packed.read(entry))
                    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
                        raise NotAnExport(f"{export.name}: {entry.filename} is no OSV record")
                    yield record
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise NotAnExport(f"{export.name} is no zip of OSV records ({error})") from error


def _is_ours(affected: Mapping[str, Any]) -> bool:
    return str(affected.get("package", {}).get("ecosystem", "")).split(":")[0] == ECOSYSTEM


def _of_record(
    record: Mapping[str, Any], affected: Sequence[Mapping[str, Any]], versions: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    aliases = frozenset(map(str, record.get("aliases", ())))
    for one in affected:
        name = normal(str(one["package"].get("name", "")))
        for version in versions.get(name, ()):
            if is_affected(one, version):
                yield Finding(name, version, record["id"], aliases, _fixed_in(one, version))


def is_affected(affected: Mapping[str, Any], version: str) -> bool:
    """Tell whether one entry of ``affected`` means a version; in doubt it does."""
    listed = [str(v) for v in affected.get("versions", ())]
    ranges = [r for r in affected.get("ranges", ()) if r.get("type") in _COMPARABLE]
    if not listed and not ranges:
        return True  # says nothing that can be compared: a commit of Git, or all versions
    if any(_same(version, other) for other in listed):
        return True
    return any(_is_within(r.get("events", ()), version) for r in ranges)


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _is_within(events: Sequence[Mapping[str, str]], version: str) -> bool:
    """Walk a range's events in their order of versions; the last one at or before this version decides.

    ``last_affected`` ends a range after its version, ``fixed`` and ``limit`` before.
    """
    try:
        here = Version(version)
        steps = sorted(_steps(events))
    except InvalidVersion:
        return True
    within = False
    for at, is_after, opens in steps:
        if here > at or (here == at and not is_after):
            within = opens
    return within


def _steps(events: Sequence[Mapping[str, str]]) -> Iterator[tuple[Version, bool, bool]]:
    """Give (version, whether it takes effect only after that version, whether it opens or ends)."""
    for event in events:
        for kind, value in event.items():
            if kind == "introduced":
                yield Version("0.dev0" if value == "0" else value), False, True
            elif kind in {"fixed", "limit"} and value != "*":
                yield Version(value), False, False
            elif kind == "last_affected":
                yield Version(value), True, False


def _fixed_in(affected: Mapping[str, Any], version: str) -> str:
    named = {e["fixed"] for r in affected.get("ranges", ()) for e in r.get("events", ()) if "fixed" in e}
    try:
        later = sorted(Version(fixed) for fixed in named if Version(fixed) > Version(version))
    except InvalidVersion:
        return ", ".join(sorted(named))
    return ", ".join(map(str, later))


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give each vulnerability of a package once: GitHub and PyPA both number it, as aliases of each other."""
    seen: set[tuple[str, str, str]] = set()
    for one in sorted(findings, key=lambda f: (f.package, f.version, f.id)):
        keys = {(one.package, one.version, id) for id in {one.id, *one.aliases}}
        if not keys & seen:
            yield one
        seen |= keys
