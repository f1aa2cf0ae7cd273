"""How long a reader takes for one image, and what our session costs over a bare onnxruntime one.

    python benchmarks/reader_speed.py [--quick]

Each network of each shipped reader runs in our session and in a bare one of the same number of threads, in
turns, on the same input, and both are loaded anew several times: where a session's memory happens to lie
makes a small network up to a fifth faster or slower, two bare sessions alike. Readers that read whole images are timed from pixels to answer.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
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
MOST_OVERHEAD = 0.10
FIELD_LIMIT_MS = 500.0


def main() -> None:
    """Measure, print, keep."""
    repeats = LOADS if "--quick" in sys.argv[1:] else 600
    networks = [path for path in sorted(READERS.glob("*/bundle/*.onnx")) if _opens(path.parent)]
    result = {**provenance("onnxruntime", "numpy"), "threads": THREADS, "repeats": repeats}
    result["sessions"] = {f"{path.parents[1].name}/{path.name}": overhead(path, repeats) for path in networks}
    result["whole_images"] = {"blood-smear": smear(repeats)} if _opens(SMEAR) else {}
    for name, held in result["sessions"].items():
        print(f"{name:40s} ours {held['ours_ms']:7.2f} ms  bare {held['bare_ms']:7.2f} ms  {held['ratio']}")
        print(f"{'':40s} fastest calls {held['ratio_of_fastest']['value']:.3f}")
    for name, held in result["whole_images"].items():
        print(f"{name:40s} {held}")
    if "--quick" not in sys.argv[1:]:
        keep("reader_speed", result)


def _opens(folder: Path) -> bool:
    return (folder / "card.json").is_file()


def overhead(path: Path, repeats: int) -> dict[str, Any]:
    """Median times over all loads; the geometric mean of the loads' ratios, with its interval over loads.

    The ratio of each load's fastest calls stands beside: it tells what our session adds from what two threads
    lose by waiting for each other on a machine that is not theirs alone.
    """
    digest = open_bundle(path.parent).files[path.name]
    loads = [in_turns(_sessions(path, digest, load), repeats // LOADS) for load in range(LOADS)]
    medians = np.median(np.array(loads), axis=2)
    ratio, low, high = mean_ratio(medians)
    fastest = mean_ratio(np.min(np.array(loads), axis=2))
    ours_ms, bare_ms = (float(value) for value in np.median(medians, axis=0))
    return {
        "ours_ms": ours_ms,
        "bare_ms": bare_ms,
        "ratio": {"value": ratio, "lower": low, "upper": high, "n": LOADS},
        "ratio_of_fastest": dict(zip(("value", "lower", "upper"), fastest, strict=True)),
        "goal": f"<= {1 + MOST_OVERHEAD}",
        "met": ratio <= 1 + MOST_OVERHEAD,
    }


def _sessions(path: Path, digest: str, load: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Our session and a bare one, loaded in changing order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    ours = Session(path, digest, THREADS) if load % 2 else None
    bare = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    ours = ours or Session(path, digest, THREADS)
    rng = np.random.default_rng(load)
    inputs = {
        name: rng.random([size or 1 for size in shape]).astype(np.float32)
        for name, shape in ours.inputs.items()
    }
    return (lambda: ours.run(inputs)), (lambda: bare.run(None, inputs))


def in_turns(calls: tuple[Callable[[], Any], ...], repeats: int) -> list[list[float]]:
    """Milliseconds of each call, called in turns in changing order so that a busy machine is busy for all.

    Each comes after a pause: the threads of a session made by default spin on after its call, and would hold
    a core that the next call needs.
    """
    for call in calls:
        call()
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats):
        for which in (range(len(calls)), reversed(range(len(calls))))[turn % 2]:
            time.sleep(PAUSE_S)
            start = time.perf_counter()
            calls[which]()
            taken[which].append((time.perf_counter() - start) * 1000)
    return taken


def mean_ratio(medians: NDArray[np.float64]) -> tuple[float, float, float]:
    """First over second, geometric mean over the loads (rows), with the 95 % interval of drawing loads."""
    ratios = np.log(medians[:, 0] / medians[:, 1])
    drawn = np.random.default_rng(0).integers(0, len(ratios), (2000, len(ratios)))
    low, high = np.quantile(ratios[drawn].mean(axis=1), [0.025, 0.975])
    return float(np.exp(ratios.mean())), float(np.exp(low)), float(np.exp(high))


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
