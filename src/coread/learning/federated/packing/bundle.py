"""Writing the bundle of a finished federation, and the small package in which a clinic installs it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coread.errors import FederationRefused
from coread.learning.federated.packing.packed import Packable
from coread.learning.federated.packing.words import card_of
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.task import Parameters
from coread.learning.runs.bundle_check import check_bundle
from coread.learning.runs.files import plain, write_json
from coread.readers.bundle import CALIBRATION, CARD, EVALUATION, WEIGHTS, Bundle

GATE = "gate.npz"
GRADE = "retrospective"


@dataclass(frozen=True)
class Finished:
    """What a coordinator keeps of a finished federation.

    Attributes
    ----------
    plan
        Its plan.
    parameters
        The final ones.
    result
        As ``result.json``: its member ``packed`` holds ``curve``, ``gate`` and ``sites``.
    maker
        Name of the federation.
    """

    plan: Plan
    parameters: Parameters
    result: Mapping[str, Any]
    maker: str


def make_bundle(finished: Finished, task: Packable, folder: Path) -> Bundle:
    """Write the bundle, and open it as a clinic does.

    Parameters
    ----------
    finished
        The federation.
    task
        What it trained.
    folder
        To write; made if it is not there.

    Raises
    ------
    FederationRefused
        If the plan has no bundle, a site would lose by more than its interval, no site could be measured,
        or the network is not one for all sites.
    BundleRefused
        If the card claims more than the evaluation holds.
    """
    packed = demanded(finished.result)
    folder.mkdir(parents=True, exist_ok=True)
    task.export(finished.parameters, folder / WEIGHTS)
    write_json(folder / CALIBRATION, packed["curve"])
    gate: dict[str, Any] = {name: np.asarray(held) for name, held in packed["gate"].items()}
    np.savez_compressed(folder / GATE, **gate)
    report = plain(report_of(finished, _digest(folder / WEIGHTS)))
    write_json(folder / EVALUATION, report)
    files = {name: _digest(folder / name) for name in (WEIGHTS, CALIBRATION, GATE, EVALUATION)}
    card = card_of(finished.plan, task.described(), report, finished.maker)
    write_json(folder / CARD, {**card, "files": files})
    return check_bundle(folder)


def demanded(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the sites gave for a bundle, or refuse.

    Raises
    ------
    FederationRefused
        If they gave nothing, none could measure, or one loses by more than its interval.
    """
    packed: Mapping[str, Any] = result.get("packed") or {}
    if not packed:
        remedy = "plan the federation with pack = true"
        raise FederationRefused("a plan without a bundle", "a plan that says so", remedy, result["plan"])
    measured = {site: held for site, held in packed["sites"].items() if "auc" in held}
    if not measured:
        found = "no site that could measure the model"
        raise FederationRefused(found, "11 test cases of either kind at one site", "", result["plan"])
    losing = [
        f"{site} ({held['gain']['value']:+.3f}, {held['gain']['lower']:+.3f} to {held['gain']['upper']:+.3f})"
        for site, held in sorted(measured.items())
        if held["gain"]["upper"] < 0
    ]
    if losing:
        found = f"a model that is worse than the site's own at {', '.join(losing)}"
        remedy = "agree on another plan: a personal head, own normalisation, or without this site"
        raise FederationRefused(found, "no site that loses by more than its interval", remedy, result["plan"])
    return packed


def report_of(finished: Finished, weights_sha256: str) -> dict[str, Any]:
    """What ``evaluation.json`` holds: figures of each site, and facts of the federation."""
    plan, result, packed = finished.plan, finished.result, finished.result["packed"]
    return {
        "weights_sha256": weights_sha256,
        "threshold": packed["curve"]["threshold"],
        "explanation_passed": False,
        "evidence_grade": GRADE,
        "sites": packed["sites"],
        "federation": {
            "plan": plan.name,
            "plan_sha256": plan.sha256,
            "code_sha256": plan.code_sha256,
            "versions": dict(plan.versions),
            "sites": sorted(plan.sites),
            "rounds": plan.rounds,
            "took_part": result["took_part"],
            "strategy": plan.strategy.get("name", ""),
            "secure_aggregation": plan.privacy.secure_aggregation,
            "epsilon_spent": packed.get("epsilon_spent", {}),
            "delta": plan.privacy.differential.get("delta"),
        },
    }


_PROJECT = """[build-system]
requires = ["setuptools>=71"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
description = "A reader that several hospitals trained together, for CoRead."
requires-python = ">=3.11"
dependencies = ["coread"]

[project.entry-points."coread.readers"]
{name} = "{package}:reader"

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
{package} = ["bundle/*"]
"""

_READER = '''"""The reader that the entry point names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coread.readers import Machine, open_bundle
from {module} import {maker}

if TYPE_CHECKING:
    from coread.readers import Reader


def reader(machine: Machine) -> Reader:
    """Make the reader from the bundle that ships with it."""
    return {maker}(open_bundle(Path(__file__).parent / "bundle"), machine)
'''


def package_at(plan: Plan, task: Packable, root: Path) -> Path:
    """Write the package round a bundle; return the folder in which the bundle belongs."""
    package = plan.name.replace("-", "_")
    module, _, maker = str(task.described()["reader"]).partition(":")
    home = root / "src" / package
    home.mkdir(parents=True, exist_ok=True)
    words = {"name": plan.name, "package": package, "version": "1.0.0"}
    (root / "pyproject.toml").write_text(_PROJECT.format(**words), encoding="utf-8")
    (home / "__init__.py").write_text(_READER.format(module=module, maker=maker), encoding="utf-8")
    return home / "bundle"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
