"""The process in which a stranger's network is computed, so that its end is not the clinic's.

An operator of the standard may end its whole process (a division of -2**31 by -1 does), a loop may have no
end, and a shape may ask for all memory. Run as a script, this gives up files, sockets and the network for
good, gets one network by standard input, and computes it for each message that follows until that closes or
nothing came for a while. Where it ends or is late, its parent (`coread.readers.networks.apart`) starts anew.

Messages are those of `coread.apart.messages`. The first tells of ``threads``, ``memory_bytes`` beside what
the libraries hold, ``load_s``, ``run_s`` and ``idle_s``, and brings the network's bytes; the answer tells of
its ``inputs`` and ``outputs``. Each further one brings the ``inputs`` that it names, and all outputs answer
it. Instead of an answer stands a ``fault``: one of `FAULTS`, or `NO_MEMORY`, or `ODD_OUTPUT`.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import onnxruntime

from coread.apart import inside
from coread.apart.messages import MOST_PARTS, Buffer, packed, rest, unpacked

_KINDS = (
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoModel",
    "NotImplemented",
    "RuntimeException",
)
#: What the runtime raises, by name.
FAULTS: Mapping[str, type[Exception]] = {
    **{kind: getattr(onnxruntime.capi.onnxruntime_pybind11_state, kind) for kind in _KINDS},
    "RuntimeError": RuntimeError,
}
NO_MEMORY, ODD_OUTPUT = "memory", "output"

_ERRORS_ONLY = 3
#: Address space of each thread: its stack, and the reserve of its heap.
_PER_THREAD_BYTES = 80 << 20
#: What stands in the runtime's messages where memory was not to be had.
_WANTING_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")
_IN, _OUT = 0, 1


class Node(NamedTuple):
    """An input as a network declares it."""

    name: str
    type: str
    """As the runtime writes it, e.g. ``tensor(float)``."""
    shape: tuple[int | str | None, ...]
    """A size that is not fixed has a name, or none."""


def opened(weights: bytes, threads: int) -> Any:
    """Load a network into a session of the runtime that gives the same outputs for the same inputs.

    Raises
    ------
    Exception
        One of `FAULTS`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def inputs_of(session: Any) -> tuple[Node, ...]:
    """Return what a session of the runtime wants."""
    return tuple(Node(node.name, node.type, tuple(node.shape)) for node in session.get_inputs())


def outputs_of(session: Any) -> tuple[str, ...]:
    """Return the names of what a session of the runtime gives."""
    return tuple(node.name for node in session.get_outputs())


def serve(began_with_bytes: int) -> None:
    """Get a network, then compute until there is nothing more to do."""
    orders, weights = unpacked(_take)
    threads = orders["threads"]
    inside.limit_memory(began_with_bytes + orders["memory_bytes"] + threads * _PER_THREAD_BYTES)
    inside.limit_processor(orders["load_s"] * threads)
    session = _answered(lambda: opened(weights.pop().tobytes(), threads), _described)
    while session is not None and select.select([_IN], [], [], orders["idle_s"])[0]:
        asked, arrays = unpacked(_take)
        inside.limit_processor(orders["run_s"] * threads)
        inputs = dict(zip(asked["inputs"], arrays, strict=True))
        _answered(partial(session.run, None, inputs), partial(packed, {}))


def _answered(compute: Callable[[], Any], told: Callable[[Any], list[bytes | memoryview]]) -> Any:
    """Compute, answer what came of it, and return that; None where a fault came of it."""
    try:
        found = compute()
        answer = told(found)
    except MemoryError:
        found, answer = None, packed({"fault": NO_MEMORY})
    except (AttributeError, ValueError):
        found, answer = None, packed({"fault": ODD_OUTPUT})
    except tuple(FAULTS.values()) as fault:
        found, answer = None, packed({"fault": _name(fault)})
    _give(answer)
    return found


def _described(session: Any) -> list[bytes | memoryview]:
    return packed({"inputs": inputs_of(session), "outputs": outputs_of(session)})


def _name(fault: Exception) -> str:
    if any(words in str(fault) for words in _WANTING_MEMORY):
        return NO_MEMORY
    return next(name for name, kind in FAULTS.items() if isinstance(fault, kind))


def _take(size: int) -> bytearray:
    """Read exactly so many bytes.

    Raises
    ------
    EOFError
        If there are no more.
    """
    taken = bytearray(size)
    waiting = memoryview(taken)
    while waiting:
        count = os.readv(_IN, [waiting])
        if not count:
            raise EOFError
        waiting = waiting[count:]
    return taken


def _give(parts: Sequence[Buffer]) -> None:
    waiting = rest(parts)
    while waiting:
        waiting = rest(waiting, os.writev(_OUT, waiting[:MOST_PARTS]))


if __name__ == "__main__":
    inside.shut_in()
    inside.end_with_parent()
    mapped_bytes = inside.mapped_bytes()
    inside.open_nothing_more()
    with suppress(EOFError, BrokenPipeError):
        serve(mapped_bytes)
