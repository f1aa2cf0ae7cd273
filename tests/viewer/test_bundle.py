"""What ships is what the source builds, light, and with the licences of all that is in it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from viewer_site import STATIC

VIEWER = Path(__file__).resolve().parents[2] / "viewer"
_NODE = (20, 19)
_SOURCES = ("package.json", "package-lock.json", "vite.config.ts", "tsconfig.json", "src", "scripts")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(*names: str) -> dict[str, str]:
    found = [VIEWER / name for name in names]
    paths = [path for name in found for path in ([name] if name.is_file() else sorted(name.rglob("*")))]
    return {path.relative_to(VIEWER).as_posix(): _digest(path) for path in paths if path.is_file()}


def test_the_bundle_was_built_after_the_last_change_of_its_source() -> None:
    manifest = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["sources"] == _files(*_SOURCES), 'run "npm run build" in viewer/'


def test_no_shipped_file_was_changed_by_hand() -> None:
    manifest = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
    shipped = {path.name: _digest(path) for path in STATIC.iterdir() if path.name != "manifest.json"}
    assert manifest["files"] == shipped


def test_the_whole_bundle_is_under_three_megabytes_compressed() -> None:
    code = [path for path in STATIC.iterdir() if path.suffix in {".js", ".wasm", ".css"}]
    assert sum(len(gzip.compress(path.read_bytes())) for path in code) < 3_000_000


def test_every_package_that_is_bundled_brings_its_licence() -> None:
    notices = (STATIC / "NOTICES.txt").read_text(encoding="utf-8")
    for name in ("@cornerstonejs/core", "@cornerstonejs/tools", "@kitware/vtk.js", "comlink", "OpenJPEG",
                 "CharLS", "OpenJPH"):  # fmt: skip
        assert re.search(rf"^{re.escape(name)}[ ,]", notices, re.MULTILINE), name
    assert not re.search(r"GNU (LESSER |AFFERO )?GENERAL PUBLIC LICENSE", notices)


def test_no_registry_is_named_in_the_lockfile() -> None:
    assert '"resolved"' not in (VIEWER / "package-lock.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def npm() -> str:
    """Give npm with the packages of the lockfile in place, or skip where there is no Node."""
    program, node = shutil.which("npm"), shutil.which("node")
    required = os.environ.get("COREAD_REQUIRE_PEERS") == "1"
    version = subprocess.run(
        [node or "false", "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not program or found < _NODE:
        (pytest.fail if required else pytest.skip)("Node 20.19 or later is not installed")
    if not (VIEWER / "node_modules").is_dir():
        if not required:
            pytest.skip('the packages are not here (run "npm ci" in viewer/)')
        subprocess.run([str(program), "ci"], cwd=VIEWER, check=True, capture_output=True)
    return str(program)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("script", ["verify", "check", "test"])
def test_source_and_bundle_agree_and_the_source_passes_its_own_tests(npm: str, script: str) -> None:
    outcome = subprocess.run(
        [npm, "run", "--silent", script], cwd=VIEWER, capture_output=True, text=True, check=False, timeout=280
    )
    assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr[-2000:]
