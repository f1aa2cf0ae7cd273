"""Findings that only one site has labelled: what masking the rows is worth, beside two ways of not doing it.

    python benchmarks/federation_labels.py --data FOLDER --cache FOLDER [--out FILE]

Sites: adults (NIH; opacity, oedema and effusion labelled), children (Guangzhou; opacity, and whether it is
bacterial), CC BY collection (opacity). One head on the frozen trunk. Each finding is measured on
the test patients of the site that has its label; 3 seeds; intervals by drawing patients. Rounds, updates and
rate are those of the chest study; nothing was chosen here.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from provenance import RESULTS, provenance

from coread.learning.federated.simulation.federation import Plan, federate
from coread.learning.federated.strategies.averaging import LocalPlan
from coread.learning.federated.strategies.catalogue import DEFAULT, strategy_of
from coread.learning.federated.studies.figures import Draws, figure, measured, weights_of
from coread.learning.federated.task import Parameters, SiteData
from coread.learning.federated.tasks import chest
from coread.learning.federated.tasks.cases import Cases, Remembered
from coread.learning.federated.tasks.findings import FindingsTask, Labelled

FINDINGS = ("opacity", "oedema", "effusion", "bacterial", "opacity, most labels lost")
COLUMNS = {"oedema": "Edema", "effusion": "Effusion"}
LOST, KEPT = "opacity, most labels lost", 0.3
"""The same labels as opacity, of which each site has this share of its training images left, by chance."""
HOME = {"opacity": "nih", "oedema": "nih", "effusion": "nih", "bacterial": "paediatric", LOST: "nih"}
"""On whose test patients a finding is measured."""
LOCAL = LocalPlan(rounds=20, steps=20, batch=32, rate=1e-3, decay=0.1)
SEEDS = (0, 1, 2)


def labelled(data: SiteData, cache: Path) -> Labelled:
    """Cases of a source with what is known of each finding."""
    held: Cases = chest.cases_of(data, cache)
    _, rows, _ = chest._rows(data)
    target = np.full((len(rows), len(FINDINGS)), np.nan, np.float32)
    target[:, 0] = held.target
    for at, row in enumerate(rows):
        for finding, column in COLUMNS.items():
            if column in row:
                target[at, FINDINGS.index(finding)] = float(row[column])
        if data.site == "paediatric":
            target[at, FINDINGS.index("bacterial")] = float(row["label"] == "bacteria")
    gone = (np.asarray(held.part) == "train") & (np.random.default_rng(0).random(len(rows)) >= KEPT)
    target[:, FINDINGS.index(LOST)] = np.where(gone, np.nan, held.target)
    return Labelled(held.features, target, tuple(held.patients), np.asarray(held.part))


def main() -> int:
    """Train every way with every seed, print, keep the JSON."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--data", type=Path, required=True)
    wanted.add_argument("--cache", type=Path, required=True)
    wanted.add_argument("--out", type=Path, default=RESULTS / "federation_labels.json")
    given = wanted.parse_args()
    torch.set_num_threads(1)
    cases = Remembered(lambda data: labelled(data, given.cache))  # type: ignore[arg-type, return-value]
    sites = {name: SiteData(name, given.data, {"source": name}) for name in chest.SOURCES}
    task = FindingsTask("chest-findings", cases, chest.FEATURES, FINDINGS)  # type: ignore[arg-type]
    found: dict[str, Any] = {"findings": {}, "test": {}}
    draws: dict[str, dict[str, Draws]] = {}
    for way in ("masked", "diluted", "absent", "alone"):
        models = [trained(replace(task, missing="masked" if way == "alone" else way), sites, seed, way) for seed in SEEDS]  # fmt: skip
        draws[way] = {name: drawn(task, sites, models, name) for name in FINDINGS}
    for name in FINDINGS:
        said = task.judged(sites[HOME[name]], task.initial(0), "test", name)
        n = len(said.truth)
        found["findings"][name] = {way: figure(held[name], n) for way, held in draws.items()} | {
            "positives": int(said.truth.sum()),
            "measured_at": HOME[name],
            "masked_less_absent": figure(draws["masked"][name] - draws["absent"][name], n),
            "masked_less_diluted": figure(draws["masked"][name] - draws["diluted"][name], n),
        }
    found.pop("test")
    head = {
        "evidence_grade": "retrospective, simulated federation",
        "seeds": list(SEEDS),
        "local": vars(LOCAL),
    }
    given.out.write_text(json.dumps({**provenance("numpy", "torch"), **head, **found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 0


def trained(task: FindingsTask, sites: dict[str, SiteData], seed: int, way: str) -> dict[str, Parameters]:
    """Parameters by site that reads with them."""
    groups = [{name: data} for name, data in sites.items()] if way == "alone" else [sites]
    made: dict[str, Parameters] = {}
    for some in groups:
        held = federate(some, Plan(task, strategy_of(DEFAULT, LOCAL), LOCAL.rounds, seed))
        made |= dict.fromkeys(some, held.parameters)
    return made


def drawn(
    task: FindingsTask, sites: dict[str, SiteData], models: list[dict[str, Parameters]], finding: str
) -> Draws:
    """Mean over the seeds of the area on the patients of the finding's home."""
    home = HOME[finding]
    said = [task.judged(sites[home], model[home], "test", finding) for model in models]
    weights = weights_of(home, said[0].patients)
    return np.asarray(np.mean([measured(one, weights) for one in said], axis=0))


if __name__ == "__main__":
    sys.exit(main())
