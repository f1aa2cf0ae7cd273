"""What it costs that a network is computed in a process of its own.

    python benchmarks/networks_apart.py [--quick]

Each network of each shipped reader runs within this process, as CoRead's own do, and a copy of it apart, as those
of others do: in turns of changing order, on the same input, of equal bits. What is told is the median over the
turns of the difference of both calls of one turn, with the interval of drawing turns anew; beside it the
difference of the fastest twentieth of both, which the other work of a busy machine weighs on least. A network that does
next to nothing (a sum over 512 x 512 values) tells what the way there and back costs by itself. Beside stand the
time until a fresh process has answered its first call, and the memory that a kept one holds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from provenance import ROOT, keep, provenance

from coread.readers import onnx
from coread.readers.onnx import Session
from coread.testing.networks import _field as field
from coread.testing.networks import _tensor as tensor

READERS = ROOT / "src" / "coread" / "readers"
SIDE = 512
GOAL_MS = 3.0
"""Most that the way there and back may add to one image of 512 x 512 values of 32 bits."""
Inputs = dict[str, NDArray[np.float32]]


def main() -> None:
    """Measure, print, keep."""
    quick = "--quick" in sys.argv[1:]
    turns = 30 if quick else 200
    result = {**provenance("onnxruntime", "numpy"), "turns": turns, "load_average_before": os.getloadavg()[0]}
    result["networks"] = {}
    with TemporaryDirectory() as folder:
        for name, within, inputs in cases(Path(folder)):
            held = result["networks"][name] = cost(within, inputs, Path(folder) / "copy.onnx", turns)
            print(f"{name:34s}", {key: value for key, value in held.items() if not isinstance(value, dict)})
            print(f"{'':34s}", held["added_ms"])
    added = result["networks"][f"sum of 1 x {SIDE} x {SIDE}"]["added_ms"]["value"]
    result |= {"goal": f"<= {GOAL_MS} ms", "met": added <= GOAL_MS}
    if not quick:
        keep("networks_apart", result)


def cases(folder: Path) -> Iterator[tuple[str, Path, Inputs]]:
    """Networks with an input each: those that add up an image, then those of the readers."""
    for channels in (1, 3):
        path = folder / f"sum{channels}.onnx"
        path.write_bytes(summing(channels))
        yield f"sum of {channels} x {SIDE} x {SIDE}", path, drawn({"x": (1, channels, SIDE, SIDE)})
    for path in sorted(READERS.glob("*/bundle/*.onnx")):
        shapes = opened(path, is_ours=True).inputs
        yield f"{path.parents[1].name}/{path.name}", path, drawn(shapes)


def summing(channels: int) -> bytes:
    """A network that adds up all values of an image."""
    node = field(1, b"x") + field(2, b"y") + field(4, b"ReduceSum")
    graph = field(1, node) + field(2, b"g")
    graph += field(11, tensor("x", [1, channels, SIDE, SIDE])) + field(12, tensor("y", [1, 1, 1, 1]))
    return field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 13))


def drawn(shapes: Any) -> Inputs:
    """Random values; a size that is not fixed is 1."""
    rng = np.random.default_rng(0)
    return {name: rng.random([size or 1 for size in shape], np.float32) for name, shape in shapes.items()}


def opened(path: Path, *, is_ours: bool) -> Session:
    """Load a network as one of CoRead's own, or as another's."""
    asked, onnx.is_ours = onnx.is_ours, lambda _: is_ours
    try:
        return Session(path, hashlib.sha256(path.read_bytes()).hexdigest())
    finally:
        onnx.is_ours = asked


def cost(path: Path, inputs: Inputs, copy: Path, turns: int) -> dict[str, Any]:
    """Times of both ways, what one adds to the other, and what a process takes."""
    shutil.copy(path, copy)
    within = opened(path, is_ours=True)
    start = time.perf_counter()
    apart = opened(copy, is_ours=False)
    fresh = apart.run(inputs)
    fresh_ms = (time.perf_counter() - start) * 1000
    expected = within.run(inputs)
    assert all(fresh[name].tobytes() == expected[name].tobytes() for name in expected)
    taken = in_turns((lambda: within.run(inputs), lambda: apart.run(inputs)), turns)
    fastest = np.quantile(taken, 0.05, axis=1)
    return {
        "input_bytes": sum(each.nbytes for each in inputs.values()),
        "within_ms": float(np.median(taken[0])),
        "apart_ms": float(np.median(taken[1])),
        "added_ms": interval(taken[1] - taken[0]),
        "added_to_the_fastest_ms": float(fastest[1] - fastest[0]),
        "first_answer_of_a_fresh_process_ms": fresh_ms,
        "memory_of_a_kept_process_mib": held_mib(apart),
    }


def in_turns(calls: tuple[Callable[[], Any], ...], turns: int) -> NDArray[np.float64]:
    """Milliseconds [call, turn], called in turns in an order drawn for each."""
    taken = np.zeros((len(calls), turns))
    for turn in range(turns):
        for which in np.random.default_rng(turn).permutation(len(calls)):
            time.sleep(0.01)
            start = time.perf_counter()
            calls[which]()
            taken[which, turn] = (time.perf_counter() - start) * 1000
    return taken


def interval(values: NDArray[np.float64]) -> dict[str, Any]:
    """Median with the 95 % interval of drawing turns anew."""
    drawn_turns = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.quantile(np.median(values[drawn_turns], axis=1), [0.025, 0.975])
    return {"value": float(np.median(values)), "lower": float(low), "upper": float(high), "n": len(values)}


def held_mib(session: Session) -> float:
    """Memory of a session's process that is its own (proc(5): Pss), MiB."""
    rows = (
        Path(f"/proc/{session._network._pool.children[0].process.pid}/smaps_rollup").read_text().splitlines()
    )  # type: ignore[union-attr]
    return next(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
