"""What a task must be able to do so that its federation ends in a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coread.errors import FederationRefused
from coread.learning.federated.task import FederatedTask, Parameters, SiteData
from coread.learning.federated.tasks.cases import Judged

Float = NDArray[np.floating[Any]]


@runtime_checkable
class Packable(FederatedTask, Protocol):
    """A task whose network a shipped reader can run."""

    def judged(self, data: SiteData, parameters: Parameters, part: str) -> Judged:
        """What parameters say of the cases of a part."""
        ...

    def seen(self, data: SiteData, part: str) -> Float:
        """What the reader's gate will look at, of all cases of a part, [case, feature]."""
        ...

    def export(self, parameters: Parameters, path: Path) -> None:
        """Write the network as the reader runs it.

        Raises
        ------
        FederationRefused
            If there is no one network that all sites read with.
        """
        ...

    def described(self) -> Mapping[str, Any]:
        """Return the card's reader, finding, modalities, limits (also in Chinese) and attribution."""
        ...


def packable(task: FederatedTask) -> Packable:
    """Return the task as one that can be packed.

    Raises
    ------
    FederationRefused
        If no shipped reader runs its network.
    """
    if not isinstance(task, Packable):
        found, expected = f"the task {task.name!r}", "a task whose network a reader of the clinic runs"
        raise FederationRefused(found, expected, "plan it without a bundle (pack = false)", task.name)
    return task
