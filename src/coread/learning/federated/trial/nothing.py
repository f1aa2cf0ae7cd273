"""A task that does nothing, with parameters of any size: what is left is the cost of a federation itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from coread.learning.federated.task import Count, Parameters, SiteData, Update


@dataclass(frozen=True)
class Nothing:
    """Parameters go out and come back as they are.

    Attributes
    ----------
    values
        Number of float32 values in all.
    arrays
        In so many arrays.
    """

    values: int = 10
    arrays: int = 1
    name: str = "nothing"

    def initial(self, seed: int) -> Parameters:
        """Draw parameters."""
        rng = np.random.default_rng(seed)
        size = self.values // self.arrays
        return {f"array{at}": rng.normal(size=size).astype(np.float32) for at in range(self.arrays)}

    def count(self, data: SiteData) -> Count:
        """Say a round number."""
        return Count({"train": 100, "val": 100, "test": 100}, {"train": 100}, {})

    def local(
        self, data: SiteData, parameters: Parameters, instructions: Mapping[str, Any], seed: int
    ) -> Update:
        """Give back what came."""
        return Update(parameters, 100)

    def evaluate(self, data: SiteData, parameters: Parameters, part: str) -> Mapping[str, float]:
        """Measure nothing."""
        return {"cases": 100.0}


def nothing(values: int = 10, arrays: int = 1) -> Nothing:
    """Make the task, as a plan names it."""
    return Nothing(values, arrays)
