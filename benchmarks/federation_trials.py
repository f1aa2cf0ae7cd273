"""Why the outlining federation fell short, on validation patients: norms, length of rounds, rates, strategies.

    python benchmarks/federation_trials.py --data FOLDER --work FOLDER [--out FILE]

LIDC-IDRI by vendor, seed 0, mean Dice over all validation nodules (319); no test patient is looked at. Every
trial makes the updates named (of one site; pooled: as many, each on as many windows as the four sites are
shown together). Kept trial by trial in WORK; a stopped run goes on. No intervals: these are choices, not results.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from provenance import RESULTS, provenance

from coread.learning.federated.simulation.comparators import ALL
from coread.learning.federated.simulation.federation import Plan, federate
from coread.learning.federated.strategies.averaging import LocalPlan
from coread.learning.federated.strategies.catalogue import DEFAULT, strategy_of
from coread.learning.federated.studies.vendors import BATCH_NORM
from coread.learning.federated.task import SiteData
from coread.learning.federated.tasks.sites import lidc_sites, nodule_outline

PLAN = LocalPlan(rounds=96, steps=5, batch=8, rate=3e-3, decay=1e-2)
LONG = {"rounds": 24, "steps": 20}


@dataclass(frozen=True)
class Trial:
    """One way of training; `of` names one site, ``pooled``, or nobody for the federation."""

    name: str
    norm: str = "batch"
    strategy: str = DEFAULT
    local: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    of: str = ""


def _pooled(name: str, norm: str, **local: Any) -> Trial:
    return Trial(name, norm, "fedavg", {**LONG, **local}, {}, ALL)


def _alone(site: str, norm: str, **local: Any) -> Trial:
    rate, moments = local.get("rate", 3e-3), ", moments" if local.get("moments") else ""
    return Trial(f"{site} alone, {norm}, {rate:g}{moments}", norm, "fedavg", {**LONG, **local}, {}, site)


TRIALS = (
    Trial("group, rounds of 20, 0.01", "group", local={**LONG, "rate": 1e-2}),
    Trial("group, rounds of 20, 0.003", "group", local=LONG),
    Trial("group, rounds of 5, 0.003", "group"),
    Trial("group, FedAvg, rounds of 20, 0.01", "group", "fedavg", {**LONG, "rate": 1e-2}),
    Trial("batch, rounds of 5, 0.01", local={"rate": 1e-2}),
    Trial("batch, rounds of 5, 0.003"),
    Trial("batch, rounds of 5, 0.003, moments kept", local={"moments": True}),
    Trial("batch, rounds of 2, 0.003, moments kept", local={"rounds": 240, "steps": 2, "moments": True}),
    Trial("batch, rounds of 5, 0.01, FedBN", "batch", "fedbn", {"rate": 1e-2}, {"private": BATCH_NORM}),
    Trial("batch, rounds of 5, 0.01, FedAvg", "batch", "fedavg", {"rate": 1e-2}),
    Trial("batch, rounds of 5, 0.01, FedAdam", "batch", "fedadam", {"rate": 1e-2}, {"rate": 0.003}),
    _pooled("pooled, group, 0.01", "group", rate=1e-2),
    _pooled("pooled, group, 0.003", "group"),
    _pooled("pooled, batch, 0.01", "batch", rate=1e-2),
    _pooled("pooled, batch, 0.003", "batch"),
    _pooled("pooled, batch, 0.003, moments kept", "batch", moments=True),
    _alone("GE", "group"),
    _alone("GE", "batch", moments=True),
    _alone("Toshiba", "group"),
    _alone("Toshiba", "batch"),
    _alone("Toshiba", "batch", moments=True),
)


def main() -> int:
    """Run what is not kept yet, keep the JSON of what is there."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--data", type=Path, required=True)
    wanted.add_argument("--work", type=Path, required=True)
    wanted.add_argument("--kept-only", action="store_true", help="write what is kept, run nothing")
    wanted.add_argument("--out", type=Path, default=RESULTS / "federation_trials.json")
    given = wanted.parse_args()
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for trial in TRIALS:
        kept = given.work / f"{trial.name}.json"
        if not kept.exists() and not given.kept_only:
            kept.write_text(json.dumps(tried(trial, given.data, given.work)))
        if kept.exists():
            found[trial.name] = {**json.loads(kept.read_text()), **asdict(trial)}
            print(f"{trial.name:45} {found[trial.name]['dice']:.4f}", flush=True)
    head = {"evidence_grade": "retrospective, simulated federation; validation patients, one seed"}
    told = {**provenance("numpy", "torch"), **head, "plan": asdict(PLAN), "trials": found}
    given.out.write_text(json.dumps(told, indent=1) + "\n")
    return 0


def tried(trial: Trial, data: Path, work: Path) -> dict[str, Any]:
    """Mean Dice over all validation nodules, and by vendor."""
    task, local = nodule_outline(norm=trial.norm), replace(PLAN, **trial.local)
    sites = lidc_sites(data)
    among = {trial.of: sites.get(trial.of, SiteData(ALL, data))} if trial.of else sites
    local = replace(local, batch=local.batch * len(sites)) if trial.of == ALL else local
    plan = Plan(task, strategy_of(trial.strategy, local, trial.options), local.rounds, 0)
    held = federate(among, plan, work / f"{trial.name}.npz")
    read = {name: held.at(name) if name in among else held.parameters for name in sites}
    dice = {name: task.judged(sites[name], read[name], "val").score for name in sites}
    mean = float(np.concatenate(list(dice.values())).mean())
    return {
        "dice": round(mean, 4),
        "sites": {name: round(float(one.mean()), 4) for name, one in dice.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
