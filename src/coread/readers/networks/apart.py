"""A network in kept processes of its own: for those that do not come with CoRead."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.apart.messages import Facts, packed, unpacked
from coread.apart.processes import Helper, Pool
from coread.errors import BundleRefused, ReaderFailed
from coread.readers.networks.network_child import FAULTS, NO_MEMORY, Node
from coread.readers.networks.within import ENDLESS, NO_NETWORK

#: Longest time that a process may take to start and load its network, in seconds.
LONGEST_LOAD_S = 120.0
#: A process that computed nothing for so long ends by itself and gives its memory back, in seconds.
IDLE_S = 300.0
#: Most processes of one network at one time, where its threads leave cores for them; they start when needed.
MOST_CHILDREN = 4

_SCRIPT = Path(__file__).with_name("network_child.py")
_TELL = "report it to the reader's maker; the next study is read by a fresh process"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process of a network may use."""

    threads: int
    """Processor threads of one call."""
    longest_s: float
    """Seconds of one call."""
    memory_mb: int
    """Memory beside what the runtime's libraries hold, MiB."""


class Apart:
    """A network that is computed elsewhere; what happens there, happens to no other study.

    Parameters
    ----------
    weights
        Gives the network, whenever a process is started, or refuses it.
    name
        Of its file, for errors.
    limits
        Of each process.

    Raises
    ------
    BundleRefused
        If it is no network that can be loaded within the limits.
    """

    def __init__(self, weights: Callable[[], bytes], name: str, limits: Limits) -> None:
        size = max(1, min(MOST_CHILDREN, (os.cpu_count() or 1) // limits.threads))
        self._pool = Pool(size, partial(Child, weights, name, limits))
        weakref.finalize(self, self._pool.stop)
        with self._pool.child() as child:
            self.inputs, self.outputs = child.described()

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Compute all outputs.

        Raises
        ------
        ReaderFailed
            If the process ends, wants more memory than it may, or takes too long.
        """
        with self._pool.child() as child:
            outputs = child.ask(inputs)
        return outputs


class _NoAnswer(Exception):
    """What is to be said where a process gave no outputs."""

    def __init__(self, found: str, expected: str, remedy: str = _TELL, *, may_pass: bool = False) -> None:
        super().__init__(found)
        self.told = found, expected, remedy
        self.may_pass = may_pass
        """Whether a fresh process may fare better."""


class Child(Helper):
    """One process of a network; started when first needed and again after each of its ends."""

    def __init__(self, weights: Callable[[], bytes], name: str, limits: Limits) -> None:
        super().__init__()
        self._weights, self._name, self._limits = weights, name, limits

    def described(self) -> tuple[tuple[Node, ...], tuple[str, ...]]:
        """Start, load the network, and return its inputs and the names of its outputs.

        Raises
        ------
        BundleRefused
            If it cannot be loaded.
        """
        try:
            return self._loaded()
        except _NoAnswer as fault:
            raise BundleRefused(*fault.told, self._name) from None

    def ask(self, inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the outputs, in the network's order.

        A process that has worked before may have been ended meanwhile, by itself, the system or a person, or
        be left with too little memory: what it cannot compute is asked of a fresh one before it fails.

        Raises
        ------
        ReaderFailed
            If there are none.
        """
        has_worked = self.process is not None
        try:
            return self._asked(inputs)
        except _NoAnswer as fault:
            if has_worked and fault.may_pass:
                return self.ask(inputs)
            raise ReaderFailed(*fault.told, self._name) from None

    def _asked(self, inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        if not self.is_alive:
            self._loaded()
        told, outputs = self._exchanged({"inputs": [*inputs]}, [*inputs.values()], self._limits.longest_s)
        if "fault" in told:
            kind = fault if (fault := str(told["fault"])) in FAULTS else "odd outputs"
            raise _NoAnswer(f"a network that cannot compute its inputs ({kind})", "outputs of numbers")
        return outputs

    def _loaded(self) -> tuple[tuple[Node, ...], tuple[str, ...]]:
        weights = np.frombuffer(self._weights(), np.uint8)
        limits = self._limits
        orders = {"threads": limits.threads, "memory_bytes": limits.memory_mb << 20, "idle_s": IDLE_S}
        orders |= {"load_s": LONGEST_LOAD_S, "run_s": limits.longest_s}
        self.start(_SCRIPT)
        told, _ = self._exchanged(orders, [weights], LONGEST_LOAD_S)
        try:
            inputs = tuple(Node(str(name), str(kind), tuple(shape)) for name, kind, shape in told["inputs"])
            return inputs, tuple(map(str, told["outputs"]))
        except (KeyError, TypeError, ValueError):
            self.stop()
            raise _NoAnswer(*NO_NETWORK) from None

    def _exchanged(
        self, facts: Facts, arrays: Sequence[npt.NDArray[Any]], longest_s: float
    ) -> tuple[Facts, list[npt.NDArray[Any]]]:
        """Send a message and return the answer; where there is none, the process is ended."""
        deadline = time.monotonic() + longest_s
        try:
            self.send(packed(facts, arrays), deadline)
            told, found = unpacked(lambda size: self.receive(size, deadline))
        except TimeoutError:
            self.stop()
            raise _NoAnswer(ENDLESS, f"an answer within {longest_s:g} s") from None
        except (OSError, EOFError):
            found_it = f"a network that ended its process ({_end(self.stop())})"
            raise _NoAnswer(found_it, "an answer", may_pass=True) from None
        except ValueError:
            self.stop()
            raise _NoAnswer("an answer that cannot be read", "arrays of numbers", may_pass=True) from None
        if told.get("fault") == NO_MEMORY:
            self.stop()
            raise self._wanting_memory()
        return told, found

    def _wanting_memory(self) -> _NoAnswer:
        most = f"{self._limits.memory_mb} MiB"
        remedy = "raise readers.memory_mb if its maker says that it needs more"
        return _NoAnswer(
            f"a network that wants more than {most} of memory", f"at most {most}", remedy, may_pass=True
        )


def _end(status: int) -> str:
    """Name how a process ended."""
    try:
        return Signals(-status).name
    except ValueError:
        return f"status {status}"
