"""Decoding in processes of their own, for decoders that may fall, never end or want all memory."""

from __future__ import annotations

import atexit
import os
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from coread.apart.processes import Helper, Pool
from coread.dicom.frames.decoder_child import ANSWER, TASK
from coread.errors import BrokenPixelData

#: Longest time that one frame may take, in seconds. The largest films take about two.
TIMEOUT_S = 15.0
#: Most children at one time; they start when needed.
MAX_CHILDREN = min(4, os.cpu_count() or 1)

_SCRIPT = Path(__file__).with_name("decoder_child.py")


@dataclass(frozen=True, slots=True)
class Task:
    """One frame to decode."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int

    @property
    def size_bytes(self) -> int:
        """Size of the decoded frame."""
        return self.rows * self.columns * self.samples_per_pixel * self.bits_allocated // 8


def decode(task: Task, encoded: bytes) -> bytearray:
    """Decode one frame to little endian values, colours interleaved.

    Raises
    ------
    BrokenPixelData
        If the decoder finds no frame of that size, ends, or does not answer within `TIMEOUT_S`.
    """
    with _POOL.child() as child:
        frame = child.ask(task, encoded)
    if len(frame) != task.size_bytes:
        raise BrokenPixelData(
            found="a frame that cannot be decoded",
            expected="a codestream that agrees with the Image Pixel module",
            remedy="send the object again; if it stays so, it is broken at the source",
            where="pixel data",
        )
    return frame


class Child(Helper):
    """One decoding process; started when first needed and again after each of its ends."""

    def ask(self, task: Task, encoded: bytes) -> bytearray:
        """Return the decoded frame, empty where there is none; the process never outlives a failure.

        A child that has worked before may have been ended meanwhile, or be left with too little memory: what
        it cannot decode is asked of a fresh one before it is taken for broken.
        """
        has_worked = self.process is not None
        frame = self._asked(task, encoded)
        if frame is None and has_worked:
            frame = self._asked(task, encoded)
        return bytearray() if frame is None else frame

    def _asked(self, task: Task, encoded: bytes) -> bytearray | None:
        """Return the child's answer, empty where it is late, None where it ends."""
        if not self.is_alive:
            self.start(_SCRIPT)
        try:
            return self._exchange(task, encoded)
        except TimeoutError:
            self.stop()
            return bytearray()
        except (OSError, EOFError):
            self.stop()
            return None

    def _exchange(self, task: Task, encoded: bytes) -> bytearray:
        uid, *shape = astuple(task)
        deadline = time.monotonic() + TIMEOUT_S
        self.send([TASK.pack(uid.encode("ascii"), *shape, len(encoded)), encoded], deadline)
        (length,) = ANSWER.unpack(self.receive(ANSWER.size, deadline))
        return self.receive(min(length, task.size_bytes), deadline)


_POOL = Pool(MAX_CHILDREN, Child)
atexit.register(_POOL.stop)
