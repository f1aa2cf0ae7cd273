"""A neural network as a pure function. The only home of onnxruntime."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from coread.errors import BundleRefused, ReaderFailed
from coread.readers.vetting.network import MOST_BYTES, check_network
from coread.readers.vetting.watch import Watch

Arrays = Mapping[str, npt.NDArray[Any]]

_ERRORS_ONLY = 3
#: Values up to which OpenBLAS takes a dot product with one thread (interface/dot.c).
_SUMMED_BY_ONE = 10_000
_SCALED_DOWN = np.full(_SUMMED_BY_ONE, 0.1 / _SUMMED_BY_ONE, np.float32)
#: A network that computes longer is stopped: a loop in it may have no end.
LONGEST_RUN_S = 600.0
_WATCH = Watch()
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_WATCH.forget)
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class Session:
    """An ONNX network on the processor: the same inputs give the same outputs.

    Parameters
    ----------
    path
        The network, in one file without external data.
    sha256
        Hex digest that the file must have. The bytes that were hashed are the bytes that are loaded.
    threads
        Processor threads of one call.
    longest_s
        Seconds after which a call is stopped.

    Raises
    ------
    BundleRefused
        If the file is missing, is not the one of this hash, reaches outside itself
        (:func:`coread.readers.vetting.check_network`), or is no network that can be loaded here.
    """

    def __init__(self, path: Path, sha256: str, threads: int = 1, longest_s: float = LONGEST_RUN_S) -> None:
        self._longest_s = longest_s
        self._session = _loaded(_checked(path, sha256), threads, path.name)
        self._inputs = {node.name: _Wanted(node) for node in self._session.get_inputs()}
        self._outputs = [node.name for node in self._session.get_outputs()]
        self._spare: list[Any] = []

    @property
    def inputs(self) -> dict[str, tuple[int | None, ...]]:
        """Shape of each input, None where any size will do."""
        return {name: wanted.shape for name, wanted in self._inputs.items()}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(self._outputs)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute all outputs.

        Parameters
        ----------
        inputs
            Array of each input by name, of exactly the network's type and shape.

        Returns
        -------
        dict
            Array of each output by name, all finite.

        Raises
        ------
        ReaderFailed
            If an input does not fit, an output is not finite, or the call took too long.
        """
        self._check(inputs)
        outputs = dict(zip(self._outputs, self._computed(inputs), strict=True))
        for name, values in outputs.items():
            if not _is_finite(values):
                raise ReaderFailed("an output that is not finite", "finite numbers", "", f"output {name}")
        return outputs

    def _computed(self, inputs: Arrays) -> list[npt.NDArray[Any]]:
        """Compute, and stop at the limit: the runtime looks at its flag between two operators."""
        options = self._spare.pop() if self._spare else onnxruntime.RunOptions()
        with _WATCH.limited(self._longest_s, lambda: setattr(options, "terminate", True)) as call:
            try:
                outputs: list[npt.NDArray[Any]] = self._session.run(self._outputs, dict(inputs), options)
            except _RUN_FAULTS as fault:
                if not call.is_over:
                    raise
                found = "a network that computes without end"
                raise ReaderFailed(found, f"an answer within {self._longest_s:g} s") from fault
        if call.ended_in_time():  # its flag was not set and will not be, which would stop the next call
            self._spare.append(options)
        return outputs

    def _check(self, inputs: Arrays) -> None:
        if inputs.keys() != self._inputs.keys():
            wanted = ", ".join(sorted(self._inputs))
            raise ReaderFailed(f"the inputs {', '.join(sorted(inputs)) or 'none'}", f"the inputs {wanted}")
        for name, values in inputs.items():
            if not self._inputs[name].fits(values):
                found = f"{values.dtype} of shape {values.shape}"
                raise ReaderFailed(found, self._inputs[name].told, "", f"input {name}")


def _checked(path: Path, sha256: str) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _refused("a network beyond all measure", f"at most {MOST_BYTES >> 20} MiB", path.name)
        weights = path.read_bytes()
    except OSError as fault:
        raise _refused("a file that is missing or cannot be read", "the network", path.name) from fault
    found = hashlib.sha256(weights).hexdigest()
    if found != sha256.lower():
        raise _refused(f"weights of SHA-256 {found[:12]}…", f"SHA-256 {sha256[:12]}…", path.name)
    check_network(weights, path.name)
    return weights


def _loaded(weights: bytes, threads: int, name: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except _LOAD_FAULTS as fault:
        raise _refused("a file that is no network for this runtime", "an ONNX network", name) from fault


class _Wanted:
    """An input as the network declares it, asked of the runtime once: each question costs time."""

    __slots__ = ("_dtype", "_fitted", "shape", "told")

    def __init__(self, node: Any) -> None:
        kind = _DTYPES.get(node.type)
        self._dtype = None if kind is None else np.dtype(kind)
        self._fitted: tuple[int, ...] | None = None
        self.shape = _shape(node)
        self.told = f"{node.type} of shape {node.shape}"

    def fits(self, values: npt.NDArray[Any]) -> bool:
        """Whether an array may be given; a shape that was right the last time is right again."""
        if values.dtype != self._dtype:
            return False
        if values.shape == self._fitted:
            return True
        if values.ndim != len(self.shape) or not all(map(_agrees, self.shape, values.shape)):
            return False
        self._fitted = values.shape
        return True


def _agrees(wanted: int | None, found: int) -> bool:
    return wanted is None or wanted == found


def _is_finite(values: npt.NDArray[Any]) -> bool:
    """Whether all values are finite.

    A sum is finite only if all of them are, and costs least: it makes no array of its own, in memory that is
    cold after a network has run. So many are summed at a time as one thread takes, so much scaled down that
    no sum of finite numbers overflows.
    """
    flat = values.ravel()
    parts = (flat[start : start + _SUMMED_BY_ONE] for start in range(0, flat.size, _SUMMED_BY_ONE))
    return all(math.isfinite(part.dot(_SCALED_DOWN[: part.size])) for part in parts)


_KINDS = (
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoModel",
    "NotImplemented",
    "RuntimeException",
)
_LOAD_FAULTS = tuple(getattr(onnxruntime.capi.onnxruntime_pybind11_state, kind) for kind in _KINDS)
_RUN_FAULTS = (*_LOAD_FAULTS, RuntimeError)


def _shape(node: Any) -> tuple[int | None, ...]:
    """Fixed sizes of a network's input; None for a size that has a name or none."""
    return tuple(size if isinstance(size, int) else None for size in node.shape)


def _refused(found: str, expected: str, where: str) -> BundleRefused:
    return BundleRefused(found, expected, "fetch the bundle again, or pack it anew in the lab", where)
