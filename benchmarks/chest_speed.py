"""How long one reading takes, and what CoRead's session costs over a bare one.

``python benchmarks/chest_speed.py`` needs no image data. The two sessions take turns, so that whatever else the
machine does falls on both alike; the median of their ratio is the figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from provenance import ROOT, keep, provenance

from coread.readers import Machine, open_bundle
from coread.readers.chest_radiograph import reader_of
from coread.readers.onnx import Session

BUNDLE = ROOT / "src" / "coread" / "readers" / "chest_radiograph" / "bundle"
TURNS = 40
THREADS = 2
LIMIT_MS, LIMIT_RATIO = 150.0, 1.10


def main() -> None:
    """Measure and keep."""
    bundle = open_bundle(BUNDLE)
    path, sha256 = bundle.weights()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    bare = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    ours = Session(path, sha256, THREADS)
    image = np.random.default_rng(0).random((1, 1, 224, 224)).astype(np.float32)
    display = picture()
    reader = reader_of(bundle, Machine(threads=THREADS))
    pairs = in_turns(lambda: ours.run({"image": image}), lambda: bare.run(None, {"image": image}))
    whole = in_turns(lambda: reader.read_display(display), lambda: None)[:, 0]
    ratio = pairs[:, 0] / pairs[:, 1]
    found = {
        **provenance("onnxruntime", "numpy"),
        "threads": THREADS, "turns": TURNS, "image": f"{display.shape[0]} x {display.shape[1]}",
        "network_ms": quantiles(pairs[:, 0]), "bare_network_ms": quantiles(pairs[:, 1]),
        "ratio_median": figure(ratio), "reading_ms": quantiles(whole),
        "limits": {"reading_ms": LIMIT_MS, "ratio": LIMIT_RATIO},
        "holds": bool(np.median(whole) <= LIMIT_MS and np.median(ratio) <= LIMIT_RATIO),
    }  # fmt: skip
    keep("chest_speed", found)
    print(
        {
            name: found[name]
            for name in ("network_ms", "bare_network_ms", "ratio_median", "reading_ms", "holds")
        }
    )


def picture() -> np.ndarray[Any, np.dtype[np.float32]]:
    """A chest-sized picture that passes the grey checks; whether the gate refuses it costs the same."""
    coarse = np.random.default_rng(1).random((64, 60))
    return np.kron(coarse, np.ones((32, 32))).astype(np.float32)


def in_turns(first: Callable[[], Any], second: Callable[[], Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Milliseconds [turn, 2] of two calls that take turns."""
    for call in (first, second) * 3:
        call()
    times = np.zeros((TURNS, 2))
    for turn in range(TURNS):
        for column, call in enumerate((first, second)):
            began = time.perf_counter()
            call()
            times[turn, column] = 1000 * (time.perf_counter() - began)
    return times


def quantiles(times: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Median and 95th percentile, ms."""
    return {"p50": round(float(np.median(times)), 2), "p95": round(float(np.quantile(times, 0.95)), 2)}


def figure(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Median with a bootstrap interval over turns."""
    drawn = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    lower, upper = np.quantile(np.median(values[drawn], axis=1), [0.025, 0.975])
    return {"value": float(np.median(values)), "lower": float(lower), "upper": float(upper), "n": len(values)}


if __name__ == "__main__":
    main()
