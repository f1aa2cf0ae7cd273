"""FedAdam and FedYogi: the coordinator takes the mean change of the sites for a gradient.

Reddi et al., ICLR 2021, arXiv:2003.00295, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from coread.learning.federated.strategies import State
from coread.learning.federated.strategies.arrays import difference, out_of, under
from coread.learning.federated.strategies.averaging import Averaging
from coread.learning.federated.task import Parameters, Update


@dataclass(frozen=True)
class Adaptive:
    """A server optimiser over averaging.

    Attributes
    ----------
    averaging
        How the sites are averaged.
    kind
        Whose second moment.
    rate, first, second, floor
        Step size, decay of the two moments and what is added to the root: as in the paper's section 5, but
        the rate, which is tuned on validation patients.
    """

    averaging: Averaging
    kind: Literal["adam", "yogi"] = "adam"
    rate: float = 0.01
    first: float = 0.9
    second: float = 0.99
    floor: float = 1e-3

    def begin(self, parameters: Parameters) -> State:
        """Give the state before the first round; second moments begin at the floor's square."""
        zeros = {name: 0 * array for name, array in parameters.items()}
        squares = {
            name: np.full_like(array, self.floor**2, dtype=np.float32) for name, array in parameters.items()
        }
        return State(parameters, {**under("first", zeros), **under("second", squares)}, {"round": 0})

    def instructions(self, state: State, round_: int) -> Mapping[str, Any]:
        """As for averaging."""
        return self.averaging.instructions(state, round_)

    def combine(self, state: State, updates: Mapping[str, Update]) -> State:
        """Average, then step along the moments of the change."""
        after = self.averaging.combine(state, updates)
        change = difference(after.parameters, state.parameters)
        first, second = (out_of(name, state.arrays) for name in ("first", "second"))
        first = {n: self.first * first[n] + (1 - self.first) * change[n] for n in change}
        second = {n: self._squares(second[n], change[n] ** 2) for n in change}
        parameters = {
            name: np.asarray(
                state.parameters[name] + self.rate * first[name] / (np.sqrt(second[name]) + self.floor),
                dtype=np.float32,
            )
            for name in change
        }
        arrays = {**after.arrays, **under("first", first), **under("second", second)}
        return replace(after, parameters=parameters, arrays=arrays)

    def _squares(self, before: Any, square: Any) -> Any:
        kept = 1 - self.second
        if self.kind == "yogi":
            return before - kept * square * np.sign(before - square)
        return self.second * before + kept * square
