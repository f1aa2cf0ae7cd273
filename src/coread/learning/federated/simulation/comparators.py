"""What a federation is held against: each site alone, all data in one place, the mean of the lone sites.

Matched: each site alone makes as many local updates as in the federation; the pooled model makes as many
updates, each on as many images as all sites together are shown in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from coread.learning.federated.simulation.federation import Federated, Plan, federate
from coread.learning.federated.strategies.averaging import Averaging, LocalPlan
from coread.learning.federated.task import Parameters, SiteData
from coread.learning.federated.tasks.cases import Judged

ALL = "pooled"
"""Name of the place where all data lie together."""


def alone(
    sites: Mapping[str, SiteData], plan: Plan, local: LocalPlan, keep: Path | None = None
) -> dict[str, Federated]:
    """Each site by itself, by the same code: a federation of one."""
    lone = replace(plan, strategy=Averaging(local))
    return {
        name: federate({name: data}, lone, keep / f"alone-{name}.npz" if keep else None)
        for name, data in sites.items()
    }


def pooled(
    together: SiteData, members: int, plan: Plan, local: LocalPlan, keep: Path | None = None
) -> Federated:
    """All data in one place.

    Parameters
    ----------
    together
        The data of all sites as those of one.
    members
        Number of sites; a batch is so many times as large.
    plan, local
        Of the federation.
    keep
        Folder to go on from.
    """
    large = replace(local, batch=local.batch * members)
    whole = replace(plan, strategy=Averaging(large))
    return federate({ALL: together}, whole, keep / "pooled.npz" if keep else None)


class Judging(Protocol):
    """A task that tells what it says of each case."""

    def judged(self, data: SiteData, parameters: Parameters, part: str) -> Judged:
        """What parameters say of the cases of a part."""
        ...


def ensemble(task: Judging, models: Sequence[Parameters], data: SiteData, part: str) -> Judged:
    """The mean score of several models: every site sends its own once, nothing is trained together."""
    said = [task.judged(data, parameters, part) for parameters in models]
    return replace(said[0], score=np.mean([one.score for one in said], axis=0))
