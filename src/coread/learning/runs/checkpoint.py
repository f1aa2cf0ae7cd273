"""Steps that a killed process goes on with as if it had never been killed.

A checkpoint holds network, optimiser and whatever else has a state, the step reached, and the state of every
random generator, written as one file at once. As the file is taken between two steps, the moment at which it
is taken changes nothing: the steps after it draw the same numbers again. (Measured, not hoped for:
``tests/learning/test_runs_kill.py`` kills a training at random moments and compares weights bit for bit.)
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch

from coread.errors import RunRefused
from coread.learning.runs.files import plain
from coread.learning.runs.run import Run

EVERY_S = 60.0
"""Seconds of work that a kill may cost."""


class Stateful(Protocol):
    """What torch's modules, optimisers and schedules are."""

    def state_dict(self) -> Any:
        """Give the whole state."""
        ...

    def load_state_dict(self, state: Any) -> Any:
        """Take a state up."""
        ...


def random_states() -> dict[str, Any]:
    """States of Python's, numpy's and torch's global generators, as plain values and tensors."""
    kind, gauss = random.getstate()[0], random.getstate()[2]
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [kind, list(random.getstate()[1]), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Put the global generators back to what `random_states` gave."""
    kind, numbers, gauss = states["python"]
    random.setstate((kind, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class Checkpoint:
    """Keeps the parts of one training of a run.

    Call `steps` once and train inside the loop::

        seed_everything(run.seed)
        net, optimiser = ...
        keeper = Checkpoint(run, "nodule", plan, net=net, optimiser=optimiser)
        for step in keeper.steps(total):
            keeper.notes["loss"] = one_step(net, optimiser, step)

    Parameters
    ----------
    run, name
        Where the file lies.
    plan
        Everything beside data, code and seed that decides the result; another plan is refused.
    parts
        What has a state.
    every_s
        Seconds between two checkpoints.

    Raises
    ------
    RunRefused
        If the run's folder holds a checkpoint of another plan.
    """

    def __init__(
        self, run: Run, name: str, plan: Any, *, every_s: float = EVERY_S, **parts: Stateful
    ) -> None:
        self.notes: dict[str, Any] = {}
        """Plain values that live with the steps: losses, the best score so far."""
        self.step = 0
        self._run, self._name, self._plan, self._parts = run, name, plain(plan, 15), parts
        self._every_s, self._saved_at = every_s, time.monotonic()
        self._take_up(run.load(name))

    def _take_up(self, state: Any | None) -> None:
        if state is None:
            return
        if state["plan"] != self._plan:
            found, expected = f"plan {self._plan}", f"plan {state['plan']}"
            raise RunRefused(found, expected, "choose another folder for another plan", self._name)
        for name, part in self._parts.items():
            part.load_state_dict(state["parts"][name])
        self.step, self.notes = state["step"], state["notes"]
        restore_random_states(state["random"])

    def steps(self, total: int, text: str = "training") -> Iterator[int]:
        """Count from the step reached to `total`, keeping a checkpoint now and then and at the end."""
        while self.step < total:
            yield self.step
            self.step += 1
            self._run.progress(text, self.step / total)
            if self.step == total or time.monotonic() - self._saved_at >= self._every_s:
                self.save()

    def save(self) -> None:
        """Keep everything now; to be called between steps only."""
        self._run.save(
            self._name,
            {
                "plan": self._plan,
                "step": self.step,
                "notes": self.notes,
                "parts": {name: part.state_dict() for name, part in self._parts.items()},
                "random": random_states(),
            },
        )
        self._saved_at = time.monotonic()
