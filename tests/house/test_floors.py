"""The floors hold, and the gate that holds them can fail."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "coread"

# Design rule: one library, one room. The key is a top-level import, the values where it may stand.
ONE_ROOM = {
    "pydicom": ("dicom", "governance/deidentify", "results/"),
    "gdcm": ("dicom",),
    "highdicom": ("results",),
    "pynetdicom": ("gateways/dimse",),
    "onnxruntime": ("readers/networks",),
    "dbos": ("workflow/engine.py",),
    "starlette": ("gateways",),
    "uvicorn": ("gateways",),
    "httpx": ("gateways", "learning/federated/flower"),
    "fhir": ("results/fhir", "gateways/fhir"),
    "reportlab": ("results/printed",),
    "sqlalchemy": ("archive", "casebook", "governance", "ledger", "workflow/engine.py"),
    "cryptography": (
        "ledger",
        "governance/vault",
        "gateways/audit",
        "gateways/certificates.py",
        "readers/vetting",
        "archive/sealed",
        "learning/federated",
    ),
    "rfc3161_client": ("gateways/audit",),
    "argon2": ("governance/passwords.py",),
    "rapidocr": ("governance/deidentify/pixels/rapid.py",),
    "joserfc": ("gateways/identity",),
    "segno": ("gateways/identity",),
    "jinja2": ("gateways",),
    "alembic": ("archive",),
    "torch": ("learning",),
    "pyarrow": ("learning/cohorts",),
    **dict.fromkeys(("pandas", "scipy", "sklearn", "matplotlib", "captum", "onnx"), ("learning",)),
    "flwr": ("learning/federated/flower",),
    "opacus": ("learning/federated/differential_privacy",),
    "typer": ("gateways/cli", "lab.py", "learning/federated/command_line"),
    "rich": ("gateways/cli", "lab.py", "learning"),
    "pydantic": ("settings/",),
}


def run_lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def strays(source: Path) -> list[str]:
    found = []
    for path in sorted(source.rglob("*.py")):
        place = path.relative_to(source).as_posix()
        for library in imported_names(path) & ONE_ROOM.keys():
            if not place.startswith(ONE_ROOM[library]):
                found.append(f"{place} imports {library}")
    return found


def test_imports_run_down_only():
    outcome = run_lint_imports(ROOT)
    assert outcome.returncode == 0, outcome.stdout


def test_the_gate_can_fail(tmp_path):
    shutil.copytree(
        SOURCE, tmp_path / "src" / "coread", ignore=shutil.ignore_patterns("*.onnx", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src/coread/domain/codes.py").write_text("import coread.gateways.statuses\n")
    program = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run(
        [str(program), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode != 0
    assert "coread.gateways" in outcome.stdout


def test_each_library_stays_in_its_room():
    assert strays(SOURCE) == []


def test_a_stray_library_is_seen(tmp_path):
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "noun.py").write_text("import sqlalchemy\n")
    assert strays(tmp_path) == ["domain/noun.py imports sqlalchemy"]


@pytest.mark.parametrize("module", ["coread.gateways.cli", "coread.clinic"])
def test_the_clinic_never_loads_the_lab(module):
    program = (
        f"import {module}, sys; print([m for m in ('torch', 'flwr', 'coread.learning') if m in sys.modules])"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == "[]"
