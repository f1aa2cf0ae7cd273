"""A network within this process: for those that come with CoRead."""

from __future__ import annotations

import os
from typing import Any

import numpy.typing as npt
import onnxruntime

from coread.errors import BundleRefused, ReaderFailed
from coread.readers.networks.network_child import FAULTS, inputs_of, opened, outputs_of
from coread.readers.vetting.watch import Watch

_WATCH = Watch()
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_WATCH.forget)
_RUN_FAULTS = tuple(FAULTS.values())

ENDLESS = "a network that computes without end"
NO_NETWORK = (
    "a file that is no network for this runtime",
    "an ONNX network",
    "fetch the bundle again, or pack it anew in the lab",
)
"""What is found, what is expected, what to do."""


class Within:
    """A session of the runtime, stopped at its limit of time.

    Parameters
    ----------
    weights
        The network.
    name
        Of its file, for errors.
    threads
        Processor threads of one call.
    longest_s
        Seconds after which a call is stopped.

    Raises
    ------
    BundleRefused
        If it is no network that can be loaded here.
    """

    def __init__(self, weights: bytes, name: str, threads: int, longest_s: float) -> None:
        try:
            self._session = opened(weights, threads)
        except _RUN_FAULTS as fault:
            raise BundleRefused(*NO_NETWORK, name) from fault
        self.inputs, self.outputs = inputs_of(self._session), outputs_of(self._session)
        self._names = list(self.outputs)
        self._longest_s = longest_s
        self._spare: list[Any] = []

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Compute all outputs, and stop at the limit: the runtime looks at its flag between two operators.

        Raises
        ------
        ReaderFailed
            If it takes too long.
        """
        options = self._spare.pop() if self._spare else onnxruntime.RunOptions()
        with _WATCH.limited(self._longest_s, lambda: setattr(options, "terminate", True)) as call:
            try:
                outputs: list[npt.NDArray[Any]] = self._session.run(self._names, inputs, options)
            except _RUN_FAULTS as fault:
                if not call.is_over:
                    raise
                raise ReaderFailed(ENDLESS, f"an answer within {self._longest_s:g} s") from fault
        if call.ended_in_time():  # its flag was not set and will not be, which would stop the next call
            self._spare.append(options)
        return outputs
