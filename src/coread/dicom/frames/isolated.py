"""Decoding in a process of its own, for the decoder that may take its process down with it."""

from __future__ import annotations

import atexit
import select
import subprocess
import sys
import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from coread.dicom.frames.gdcm_child import ANSWER, TASK
from coread.errors import BrokenPixelData

#: Longest time that one frame may take, in seconds. The largest films take about two.
TIMEOUT_S = 60.0

_CHILD = Path(__file__).with_name("gdcm_child.py")


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


def decode(task: Task, encoded: bytes) -> bytes:
    """Decode one frame to little endian values, colours interleaved.

    Raises
    ------
    BrokenPixelData
        If the decoder finds no frame of that size, ends, or does not answer within `TIMEOUT_S`.
    """
    with _LOCK:
        frame = _CHILD_PROCESS.ask(task, encoded)
    if len(frame) != task.size_bytes:
        raise BrokenPixelData(
            found="a frame that cannot be decoded",
            expected="a codestream that agrees with the Image Pixel module",
            remedy="send the object again; if it stays so, it is broken at the source",
            where="pixel data",
        )
    return frame


class _Child:
    """The decoding process; started when first needed and again after each of its ends."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, task: Task, encoded: bytes) -> bytes:
        """Return the decoded frame, empty where there is none; the child never outlives a failure."""
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.process = _started()
        try:
            return _exchange(self.process, task, encoded)
        except (OSError, EOFError):
            self.stop()
            return b""

    def stop(self) -> None:
        """End the child."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process = None


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", str(_CHILD)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _exchange(child: subprocess.Popen[bytes], task: Task, encoded: bytes) -> bytes:
    uid, *shape = astuple(task)
    deadline = time.monotonic() + TIMEOUT_S
    _send(child, TASK.pack(uid.encode("ascii"), *shape, len(encoded)) + encoded)
    (length,) = ANSWER.unpack(_receive(child, ANSWER.size, deadline))
    return _receive(child, min(length, task.size_bytes), deadline)


def _send(child: subprocess.Popen[bytes], data: bytes) -> None:
    assert child.stdin is not None  # noqa: S101  (asked for in _started)
    view = memoryview(data)
    while view:
        view = view[child.stdin.write(view) :]


def _receive(child: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
    """Read exactly `size` bytes.

    Raises
    ------
    EOFError
        If the child has ended.
    TimeoutError
        If the deadline has passed.
    """
    assert child.stdout is not None  # noqa: S101  (asked for in _started)
    parts = bytearray()
    while len(parts) < size:
        if not select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        part = child.stdout.read(min(size - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


_CHILD_PROCESS = _Child()
_LOCK = threading.Lock()
atexit.register(_CHILD_PROCESS.stop)
