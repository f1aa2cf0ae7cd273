"""From three real sources to a reader that a clinic can install: the whole way, over TLS, on this machine.

    python benchmarks/federation_reader.py --data FOLDER --work FOLDER

Three site processes and a coordinator train the chest federation on published radiographs under secure
aggregation and pack it; the packed bundle is then opened as a clinic opens it, and shown test images of the
sources and images of other kinds. Features are kept in WORK; the trial itself begins anew each time.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from provenance import keep, provenance

from coread.evaluation.decisions import wilson_interval
from coread.learning.federated.tasks.chest import SOURCES
from coread.learning.federated.trial.staging import Lent, Trial
from coread.readers import Machine, open_bundle
from coread.readers.chest_radiograph.reader import reader_of
from coread.readers.contract import Unfit

MOST = 200
LIMIT_S = 1800.0
_DRAFT = """
name = "chest-together"
title = {{en = "Opacities on chest radiographs", zh = "胸片致密影"}}
purpose = {{en = "To read radiographs of adults and children", zh = "判读成人与儿童胸片"}}
task = "coread.learning.federated.tasks.sites:chest_opacity"
options = {{norm = "shared", look = "plain", cache = "{cache}"}}
needs = ["image:chest-radiograph", "label:opacity"]
rounds = 24
pack = true
least_sites = 2
least_cases = 20
strategy = {{name = "site-balanced", local = {{steps = 20, batch = 32, rate = 1e-3}}}}
privacy = {{secure_aggregation = true, threshold = 2, largest_value = 64.0}}
patience = {{round_s = 900, absent_s = 120, ask_s = 10}}
"""


def main() -> None:
    """Train, pack, open, read, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    told = parser.parse_args()
    result, bundle = trained(told.data, told.work)
    report = {site: _figures(held) for site, held in result["packed"]["sites"].items()}
    seen = {kind: refusals(bundle, pictures) for kind, pictures in _kinds(told.data)}
    keep(
        "federation_reader",
        {
            **provenance("numpy", "torch", "flwr"),
            "command": "python benchmarks/federation_reader.py --data DATA --work WORK",
            "evidence_grade": "retrospective; real processes on one machine",
            "rounds": result["rounds"],
            "secure_aggregation": result["secure_aggregation"],
            "sites": report,
            "refused_by_the_packed_reader": seen,
        },
    )
    for kind, share in seen.items():
        print(f"{kind:16s} refused {share['value']:.3f} ({share['lower']:.3f} to {share['upper']:.3f})")


def trained(data: Path, work: Path) -> tuple[dict[str, Any], Path]:
    """Run the federation and pack it; return its result and the folder of the bundle."""
    shutil.rmtree(work / "trial", ignore_errors=True)
    with Trial(work / "trial", {name: Lent(data, {"source": name}) for name in SOURCES}) as trial:
        plan = trial.freeze(_DRAFT.format(cache=work.resolve() / "cache"))
        trial.approve(plan)
        for site in SOURCES:
            trial.start_site(site)
        if trial.start_coordinator(plan, 300.0).wait(LIMIT_S):
            sys.exit(trial.log("coordinator"))
        result = trial.kept(plan).read("result")
        folder, out = str(trial.coordinator.folder), work / "trial" / "reader"
        words = ("federation", "bundle", "--folder", folder, "--out", str(out))
        subprocess.run([sys.executable, "-m", "coread.lab", *words], check=True)
    return result, next(out.rglob("card.json")).parent


def refusals(bundle: Path, pictures: Iterator[NDArray[np.float32]]) -> dict[str, float]:
    """Share of the pictures that the packed reader refuses, with its 95 % interval."""
    reader = reader_of(open_bundle(bundle), Machine(1))
    answers = [isinstance(reader.read_display(picture), Unfit) for picture in islice(pictures, MOST)]
    share = wilson_interval(sum(answers), len(answers))
    return {"value": share.value, "lower": share.lower, "upper": share.upper, "n": len(answers)}


def _figures(held: dict[str, Any]) -> dict[str, Any]:
    return {name: held[name] for name in ("counts", "auc", "gain", "calibration") if name in held}


def _kinds(data: Path) -> Iterator[tuple[str, Iterator[NDArray[np.float32]]]]:
    for name in ("cxr_nih", "cxr_paediatric"):
        yield name, map(_grey, _listed(data / name))
    yield "blood_bccd", map(_grey, sorted((data / "blood_bccd" / "images").glob("*.jpg")))
    yield "pocus_lung", map(_middle, sorted((data / "pocus_lung" / "clips").glob("*.npz")))


def _listed(folder: Path) -> list[Path]:
    """Test images, evenly over the list."""
    with (folder / "cases.csv").open(encoding="utf-8") as file:
        rows = [row["file"] for row in csv.DictReader(file) if row["split"] == "test"]
    return [folder / "images" / row for row in rows[:: max(1, len(rows) // MOST)]]


def _grey(path: Path) -> NDArray[np.float32]:
    return np.asarray(Image.open(path).convert("L"), np.float32) / 255


def _middle(path: Path) -> NDArray[np.float32]:
    frames = np.load(path)["frames"]
    return np.asarray(frames[len(frames) // 2], np.float32) / 255


if __name__ == "__main__":
    main()
