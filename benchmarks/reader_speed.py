"""How long a reader takes for one image, and what our session costs over a bare onnxruntime one.

    python benchmarks/reader_speed.py [--quick]

Each network of each shipped reader runs in our session and in two bare ones of the same number of threads, in
turns of changing order, on the same input. The ratio is that of calls of the same turn, so that what else the
machine does weighs on both; its median over the turns of one load, its geometric mean over the loads. All are
loaded anew many times, in several processes: where a session's memory happens to lie makes a small network up
to a fifth faster or slower. The second bare session against the first says how far two that are alike differ.

What our session computes itself is told by processor time with one thread, which waits for nobody. Readers
that read whole images are timed from pixels to answer.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from provenance import ROOT, keep, provenance

from coread.readers import Machine, open_bundle
from coread.readers.blood_smear.reader import BUNDLE as SMEAR
from coread.readers.blood_smear.reader import reader_of
from coread.readers.onnx import Session

READERS = ROOT / "src" / "coread" / "readers"
THREADS = 2
PAUSE_S = 0.02
LOADS = 30
PROCESSES = 5
PROCESSOR_LOADS = 10
OURS, BARE, OTHER = range(3)
"""Columns of what is timed: our session, a bare one, another bare one."""
MOST_OVERHEAD = 0.10
FIELD_LIMIT_MS = 500.0


def main() -> None:
    """Measure, print, keep."""
    repeats = LOADS if "--quick" in sys.argv[1:] else 600
    networks = [path for path in sorted(READERS.glob("*/bundle/*.onnx")) if _opens(path.parent)]
    result = {**provenance("onnxruntime", "numpy"), "threads": THREADS, "repeats": repeats}
    result |= {"loads": LOADS, "processes": PROCESSES, "load_average_before": round(os.getloadavg()[0], 2)}
    result["sessions"] = {f"{path.parents[1].name}/{path.name}": overhead(path, repeats) for path in networks}
    result["whole_images"] = {"blood-smear": smear(repeats)} if _opens(SMEAR) else {}
    for name, held in result["sessions"].items():
        print(f"{name:40s} ours {held['ours_ms']:7.2f} ms  bare {held['bare_ms']:7.2f} ms  {held['ratio']}")
        for beside in ("ratio_of_bare_sessions", "ratio_of_fastest", "ratio_of_processor_time"):
            print(f"{'':40s} {beside} {held[beside]}")
    for name, held in result["whole_images"].items():
        print(f"{name:40s} {held}")
    if "--quick" not in sys.argv[1:]:
        keep("reader_speed", result)


def _opens(folder: Path) -> bool:
    return (folder / "card.json").is_file()


def overhead(path: Path, repeats: int) -> dict[str, Any]:
    """Median times over all loads; our session over a bare one, and a bare one over another, with intervals.

    The ratio of each load's fastest calls stands beside: it tells what our session adds from what two threads
    lose by waiting for each other on a machine that is not theirs alone.
    """
    wall = np.array(_apart(path, range(LOADS), (THREADS, repeats // LOADS, PAUSE_S, "perf_counter")))
    spent = np.array(_apart(path, range(PROCESSOR_LOADS), (1, repeats // LOADS, 0.0, "thread_time")))
    ours_ms, bare_ms = (float(np.median(wall[:, which])) for which in (OURS, BARE))
    ratio = paired(wall, OURS, BARE)
    return {
        "ours_ms": ours_ms,
        "bare_ms": bare_ms,
        "ratio": ratio,
        "ratio_of_bare_sessions": paired(wall, OTHER, BARE),
        "ratio_of_fastest": paired(wall.min(axis=2, keepdims=True), OURS, BARE),
        "ratio_of_processor_time": paired(spent, OURS, BARE),
        "goal": f"<= {1 + MOST_OVERHEAD}",
        "met": ratio["value"] <= 1 + MOST_OVERHEAD,
    }


Manner = tuple[int, int, float, str]
"""Threads of a call, turns of a load, pause before a call in seconds, name of the clock."""


def _apart(path: Path, loads: range, manner: Manner) -> list[list[list[float]]]:
    """Milliseconds [load, session, turn], the loads dealt out over processes that run one after another."""
    digest = open_bundle(path.parent).files[path.name]
    parts = [list(loads)[first::PROCESSES] for first in range(PROCESSES)]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as one:
        made = [one.submit(_loaded_and_timed, path, digest, part, manner) for part in parts]
        return [load for each in made for load in each.result()]


def _loaded_and_timed(path: Path, digest: str, loads: list[int], manner: Manner) -> list[list[list[float]]]:
    threads, turns, pause, clock = manner
    return [
        in_turns(_sessions(path, digest, load, threads), turns, pause, getattr(time, clock), load)
        for load in loads
    ]


def _sessions(path: Path, digest: str, load: int, threads: int) -> tuple[Callable[[], Any], ...]:
    """Our session and two bare ones, loaded in changing order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    makers: list[Callable[[], Any]] = [lambda: Session(path, digest, threads)]
    makers += [
        lambda: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    ] * 2
    rng = np.random.default_rng(load)
    made = {int(which): makers[which]() for which in rng.permutation(len(makers))}
    inputs = {
        name: rng.random([size or 1 for size in shape]).astype(np.float32)
        for name, shape in made[OURS].inputs.items()
    }
    return (
        lambda: made[OURS].run(inputs),
        lambda: made[BARE].run(None, inputs),
        lambda: made[OTHER].run(None, inputs),
    )


def in_turns(
    calls: tuple[Callable[[], Any], ...], turns: int, pause: float, clock: Callable[[], float], load: int
) -> list[list[float]]:
    """Milliseconds of each call [session, turn], called in turns in an order drawn for each turn of each load.

    Each comes after a pause: the threads of a session made by default spin on after its call, and would hold
    a core that the next call needs.
    """
    for call in calls:
        call()
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(turns):
        for which in np.random.default_rng([load, turn]).permutation(len(calls)):
            time.sleep(pause)
            start = clock()
            calls[which]()
            taken[which].append((clock() - start) * 1000)
    return taken


def paired(taken: NDArray[np.float64], first: int, second: int) -> dict[str, Any]:
    """One session over another: of times [load, session, turn], with the 95 % interval of drawing loads."""
    ratios = np.median(np.log(taken[:, first] / taken[:, second]), axis=1)
    drawn = np.random.default_rng(0).integers(0, len(ratios), (2000, len(ratios)))
    low, high = np.quantile(ratios[drawn].mean(axis=1), [0.025, 0.975])
    value, lower, upper = (float(np.exp(each)) for each in (ratios.mean(), low, high))
    return {"value": value, "lower": lower, "upper": upper, "n": len(ratios)}


def smear(repeats: int) -> dict[str, Any]:
    """From the pixels of a field to boxes, counts and names."""
    reader = reader_of(open_bundle(SMEAR), Machine(THREADS))
    folder = Path(os.environ.get("COREAD_SHARED_DATA", ROOT.parent / "shared" / "data")) / "blood_bccd"
    files = sorted((folder / "images").glob("*.jpg"))[: max(10, repeats // 6)]
    images = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    reader.read_colour(images[0])
    taken = []
    for image in images:
        start = time.perf_counter()
        reader.read_colour(image)
        taken.append((time.perf_counter() - start) * 1000)
    median, slow = (float(np.quantile(taken, q)) for q in (0.5, 0.95))
    return {
        "median_ms": median, "p95_ms": slow, "fields": len(taken), "goal": f"p95 <= {FIELD_LIMIT_MS:.0f} ms",
        "met": slow <= FIELD_LIMIT_MS,
    }  # fmt: skip


if __name__ == "__main__":
    main()
