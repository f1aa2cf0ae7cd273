"""A neural network as a pure function.

Networks that come with CoRead are computed in this process, all others apart: see `coread.readers.networks`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.errors import BundleRefused, ReaderFailed
from coread.readers.contract import Machine
from coread.readers.networks.apart import Apart, Limits
from coread.readers.networks.network_child import Node
from coread.readers.networks.within import Within
from coread.readers.vetting.network import MOST_BYTES, check_network

Arrays = Mapping[str, npt.NDArray[Any]]

_OURS = Path(__file__).resolve().parents[1]
#: Values up to which OpenBLAS takes a dot product with one thread (interface/dot.c).
_SUMMED_BY_ONE = 10_000
_SCALED_DOWN = np.full(_SUMMED_BY_ONE, 0.1 / _SUMMED_BY_ONE, np.float32)
#: A network that computes longer is stopped: a loop in it may have no end.
LONGEST_RUN_S = 600.0
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
    memory_mb
        Most memory of a network that does not come with CoRead, MiB.

    Raises
    ------
    BundleRefused
        If the file is missing, is not the one of this hash, reaches outside itself
        (:func:`coread.readers.vetting.check_network`), or is no network that can be loaded here within its
        memory.
    """

    def __init__(
        self,
        path: Path,
        sha256: str,
        threads: int = 1,
        longest_s: float = LONGEST_RUN_S,
        memory_mb: int = Machine().memory_mb,
    ) -> None:
        weights = partial(_checked, path, sha256)
        self._network: Within | Apart
        if is_ours(path):
            self._network = Within(weights(), path.name, threads, longest_s)
        else:
            self._network = Apart(weights, path.name, Limits(threads, longest_s, memory_mb))
        self._inputs = {node.name: _Wanted(node) for node in self._network.inputs}

    @property
    def inputs(self) -> dict[str, tuple[int | None, ...]]:
        """Shape of each input, None where any size will do."""
        return {name: wanted.shape for name, wanted in self._inputs.items()}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self._network.outputs

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
            If an input does not fit, an output is not finite, the call took too long, or the process of a
            network that does not come with CoRead ended or wanted too much memory.
        BundleRefused
            If such a process had to be started anew, and the file is gone or is another by then.
        """
        self._check(inputs)
        outputs = dict(zip(self._network.outputs, self._network.run(dict(inputs)), strict=True))
        for name, values in outputs.items():
            if not _is_finite(values):
                raise ReaderFailed("an output that is not finite", "finite numbers", "", f"output {name}")
        return outputs

    def _check(self, inputs: Arrays) -> None:
        if inputs.keys() != self._inputs.keys():
            wanted = ", ".join(sorted(self._inputs))
            raise ReaderFailed(f"the inputs {', '.join(sorted(inputs)) or 'none'}", f"the inputs {wanted}")
        for name, values in inputs.items():
            if not self._inputs[name].fits(values):
                found = f"{values.dtype} of shape {values.shape}"
                raise ReaderFailed(found, self._inputs[name].told, "", f"input {name}")


def is_ours(path: Path) -> bool:
    """Whether a file lies in CoRead's own package, and so came with it."""
    return path.resolve().is_relative_to(_OURS)


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


class _Wanted:
    """An input as the network declares it, asked of the runtime once: each question costs time."""

    __slots__ = ("_dtype", "_fitted", "shape", "told")

    def __init__(self, node: Node) -> None:
        kind = _DTYPES.get(node.type)
        self._dtype = None if kind is None else np.dtype(kind)
        self._fitted: tuple[int, ...] | None = None
        self.shape = _shape(node)
        self.told = f"{node.type} of shape {list(node.shape)}"

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


def _shape(node: Node) -> tuple[int | None, ...]:
    """Fixed sizes of a network's input; None for a size that has a name or none."""
    return tuple(size if isinstance(size, int) else None for size in node.shape)


def _refused(found: str, expected: str, where: str) -> BundleRefused:
    return BundleRefused(found, expected, "fetch the bundle again, or pack it anew in the lab", where)
