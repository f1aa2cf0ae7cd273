"""One arm of a study with one seed: trained, and what its models say of each site's patients kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from coread.learning.federated.simulation.comparators import ALL, alone, pooled
from coread.learning.federated.simulation.federation import Federated, Plan, federate
from coread.learning.federated.strategies.averaging import LocalPlan
from coread.learning.federated.strategies.catalogue import strategy_of
from coread.learning.federated.task import FederatedTask, Parameters, SiteData
from coread.learning.federated.tasks.cases import Cases, Judged, joined
from coread.learning.federated.tasks.heads import HeadTask, standardised
from coread.learning.runs.files import replace_file

PARTS = ("val", "test")

Said = dict[tuple[str, str], Judged]
"""What each model says of each site's patients, by (model, site); a federation is one model named ``all``."""

FEDERATION = "all"


class Task(FederatedTask, Protocol):
    """A task that tells what it says of each case."""

    def judged(self, data: SiteData, parameters: Parameters, part: str) -> Judged:
        """What parameters say of the cases of a part."""
        ...


@dataclass(frozen=True, eq=False)
class Setting:
    """What all arms of a study share.

    Attributes
    ----------
    task, sites, local
        What is trained, where, and what a site does in a round.
    together, pooled_task
        All data as those of one site, and the task that reads them.
    """

    task: Task
    sites: Mapping[str, SiteData]
    local: LocalPlan
    together: SiteData
    pooled_task: Task


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Attributes
    ----------
    name
        Of the arm; ``alone`` and ``pooled`` are the comparators.
    strategy, options
        By name, see `coread.learning.federated.strategies.catalogue`.
    local
        Changes to the local plan.
    task
        Another task than the setting's.
    without
        Sites that take no part.
    """

    name: str
    strategy: str = ""
    options: Mapping[str, Any] | None = None
    local: Mapping[str, Any] | None = None
    task: Task | None = None
    without: tuple[str, ...] = ()


def said_by(setting: Setting, arm: Arm, seed: int, out: Path) -> dict[str, Said]:
    """What the models of an arm say, by part; trained if it is not on disk yet.

    Parameters
    ----------
    setting, arm, seed
        What is trained.
    out
        Folder of the study.
    """
    kept = out / "said" / f"{arm.name}-{seed}.npz"
    if not kept.exists():
        models = _models(setting, arm, seed, out / "going")
        scores = {
            f"{part}|{model}|{site}": _judged(setting, arm, parameters, site, part).score
            for part in parts_of(arm)
            for (model, site), parameters in models.items()
        }
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(kept, partial(_savez, scores))
    with np.load(kept) as held:
        return {part: _said(setting, held, part) for part in parts_of(arm)}


def parts_of(arm: Arm) -> tuple[str, ...]:
    """Parts on which an arm is measured: validation only where something is chosen by it."""
    return ("test",) if arm.without or arm.name == "alone" else PARTS


def _savez(scores: dict[str, Any], file: Any) -> None:
    np.savez(file, **scores)


def _said(setting: Setting, held: Any, part: str) -> Said:
    found: Said = {}
    for name in held.files:
        of_part, model, site = name.split("|")
        if of_part == part:
            truth = _truth(setting, site, part)
            found[model, site] = replace(truth, score=held[name])
    return found


def _truth(setting: Setting, site: str, part: str) -> Judged:
    """Truth and patients of a site's part; they are those of any parameters."""
    return setting.task.judged(setting.sites[site], setting.task.initial(0), part)


def _judged(setting: Setting, arm: Arm, parameters: Parameters, site: str, part: str) -> Judged:
    return (arm.task or setting.task).judged(setting.sites[site], parameters, part)


def _models(setting: Setting, arm: Arm, seed: int, going: Path) -> dict[tuple[str, str], Parameters]:
    """Parameters by (model, site that reads with them)."""
    local = replace(setting.local, **dict(arm.local or {}))
    task = arm.task or setting.task
    sites = {name: data for name, data in setting.sites.items() if name not in arm.without}
    strategy = strategy_of(arm.strategy or "fedavg", local, arm.options)
    plan = Plan(task, strategy, local.rounds, seed)
    place = going / f"{arm.name}-{seed}"
    if arm.name == "alone":
        lone = alone(sites, plan, local, place)
        return {(model, site): held.parameters for model, held in lone.items() for site in setting.sites}
    if arm.name == "pooled":
        whole = replace(plan, task=setting.pooled_task)
        held = pooled(setting.together, len(sites), whole, local, place)
        return {(FEDERATION, site): held.parameters for site in setting.sites}
    found: Federated = federate(sites, plan, place.with_suffix(".npz"))
    return {(FEDERATION, site): found.at(site) for site in setting.sites}


def pooled_head(task: HeadTask, sites: Mapping[str, SiteData]) -> HeadTask:
    """The task of one place that holds all data: each source is standardised as the sites would do it.

    Parameters
    ----------
    task
        Of the federation.
    sites
        Its sites.
    """
    start = task.initial(0)

    def cases(data: SiteData) -> Cases:
        return joined([_ready(task, one, start) for one in sites.values()])

    reference = np.stack([np.zeros(task.features), np.ones(task.features)]).astype(np.float32)
    whole = cases(SiteData(ALL, next(iter(sites.values())).folder))
    return replace(task, cases_of=lambda data: whole, norm="reference", reference=reference)


def _ready(task: HeadTask, data: SiteData, start: Parameters) -> Cases:
    held = task.cases_of(data)
    return replace(held, features=standardised(held.features, task.statistics(data, start, first=True)))
