"""What is trained at a site, in plain arrays: the seam between the science and the wires.

Nothing here, and nothing that crosses it, knows of torch or Flower. A task may use torch behind it; the
same task and strategy run in one process (a simulation) and over a real deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coread.errors import RecipeUnavailable

Parameters = dict[str, NDArray[np.float32]]
"""Names of a ``state_dict`` to float32 arrays; counters (integers in torch) are float32 too on the way."""


COUNTS = frozenset({"cases", "positives", "patients", "examples"})
"""Figures of an evaluation that count; no gain is made of them, and small ones do not leave a site."""


@dataclass(frozen=True)
class SiteData:
    """What a site lends to a task: a folder, and those of its patients that take part."""

    site: str
    """Name of the site in the federation."""
    folder: Path
    """Where the site's images lie; never leaves the site's processes."""
    query: Mapping[str, Any] = field(default_factory=dict)
    """What the plan asks for, e.g. ``{"vendor": "GE MEDICAL SYSTEMS"}``; the task knows its words."""
    lent: frozenset[str] | None = None
    """Names of the images of a cohort that may take part now; None where nobody has to be asked."""


@dataclass(frozen=True)
class Update:
    """What a site gives for one round."""

    parameters: Parameters
    """The site's parameters after its local updates (not the difference)."""
    examples: int
    """Number of training examples behind it; the weight in an average."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """E.g. the training loss. Plain numbers."""
    extra: Parameters = field(default_factory=dict)
    """Further arrays that a strategy asks for, e.g. the change of SCAFFOLD's control variate."""


@dataclass(frozen=True)
class Count:
    """How many cases a site has for a task; it stays at the site, which shows it suppressed if small."""

    patients: Mapping[str, int]
    """By part: train, val, test."""
    examples: Mapping[str, int]
    """By part."""
    labels: Mapping[str, int]
    """Training examples by label."""


@runtime_checkable
class FederatedTask(Protocol):
    """What a site trains and measures. Same inputs, same outputs: all chance comes from `seed`."""

    name: str

    def initial(self, seed: int) -> Parameters:
        """Parameters before the first round; the same on every machine for one seed."""
        ...

    def count(self, data: SiteData) -> Count:
        """Count the cases that the query finds, without loading pixels.

        Raises
        ------
        CohortRefused
            If the site's folder is not what the task reads.
        """
        ...

    def local(
        self, data: SiteData, parameters: Parameters, instructions: Mapping[str, Any], seed: int
    ) -> Update:
        """Train on the site's own training patients.

        Parameters
        ----------
        data
            The site's.
        parameters
            Those of the federation before this round.
        instructions
            Plain values from the strategy; ``steps`` is the number of local updates. Arrays among them (e.g.
            SCAFFOLD's control variate) stand under ``arrays``, a `Parameters`.
        seed
            Of this site in this round.
        """
        ...

    def evaluate(self, data: SiteData, parameters: Parameters, part: str) -> Mapping[str, float]:
        """Measure parameters on a part (``val`` or ``test``) of the site's own patients; plain numbers."""
        ...


def task_of(place: str, options: Mapping[str, Any]) -> FederatedTask:
    """Make the task that a plan names.

    Parameters
    ----------
    place
        ``package.module:factory``; the factory takes the plan's model options as keywords.
    options
        Plain values.

    Raises
    ------
    RecipeUnavailable
        If it cannot be imported here, or is no task.
    """
    remedy = "install the version of the lab that the plan names: pip install 'coread[lab]'"
    module, _, name = place.partition(":")
    try:
        factory = cast(Callable[..., object], getattr(import_module(module), name))
    except (ImportError, AttributeError, ValueError) as fault:
        raise RecipeUnavailable(str(fault), "module:factory of a task", remedy, place) from fault
    task = factory(**options)
    if not isinstance(task, FederatedTask):
        raise RecipeUnavailable(f"a {type(task).__name__}", "a federated task", remedy, place)
    return task
