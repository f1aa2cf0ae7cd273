"""Writes the bill of materials of a clinic: CycloneDX 1.6 JSON of what `pip install coread[postgres]` brings.

    python security/sbom.py sbom.json

CycloneDX's own tool looks at the environment that runs this; what only developers need is left out, by the
requirements that each package itself declares. The result is checked against the schema of CycloneDX.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("postgres",)


def normal(name: str) -> str:
    """Return a package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(package: str, extras: tuple[str, ...] = ()) -> set[str]:
    """Return the names of a package and of all that it needs here."""
    found: set[str] = set()
    waiting = [(package, extras)]
    while waiting:
        name, wanted = waiting.pop()
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue  # for another system, or an extra that is not installed
        if normal(name) in found and not wanted:
            continue
        found.add(normal(name))
        for line in lines:
            asked = Requirement(line)
            holds = any(asked.marker is None or asked.marker.evaluate({"extra": e}) for e in ("", *wanted))
            if holds and (normal(asked.name) not in found or asked.extras):
                waiting.append((asked.name, tuple(asked.extras)))
    return found


def of_environment() -> dict[str, Any]:
    """Return the bill of the whole environment, as CycloneDX's tool writes it."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command = [str(tool), "environment", sys.executable, "--pyproject", str(ROOT / "pyproject.toml")]
    told = subprocess.run(
        [*command, "--output-reproducible", "--of", "JSON", "--output-file", "-"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    bill: dict[str, Any] = json.loads(told.stdout)
    return bill


def pruned(bill: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return a bill of these packages alone, without places on the machine that it was made on."""
    kept = [part for part in bill["components"] if normal(part["name"]) in names]
    refs = {part["bom-ref"] for part in kept} | {bill["metadata"]["component"]["bom-ref"]}
    for part in kept:
        links = [link for link in part.get("externalReferences", ()) if link["url"].startswith("http")]
        part["externalReferences"] = links
    depending = [
        {**line, "dependsOn": [ref for ref in line.get("dependsOn", ()) if ref in refs]}
        for line in bill["dependencies"]
        if line["ref"] in refs
    ]
    return {**bill, "components": kept, "dependencies": depending}


def main(out: Path) -> int:
    """Write the bill; the exit code is 1 where it is not valid."""
    bill = pruned(of_environment(), closure("coread", EXTRAS) - {"coread"})
    text = json.dumps(bill, indent=1, sort_keys=True, ensure_ascii=False)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        print(f"the bill of materials is not valid: {fault.data.message}", file=sys.stderr)
        return 1
    out.write_text(text + "\n", encoding="utf-8")
    print(f"{out.name}: {len(bill['components'])} components, valid CycloneDX 1.6")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "sbom.json")))
