"""Decoding in processes of their own, for decoders that may fall or never end."""

from __future__ import annotations

import atexit
import os
import queue
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

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


def decode(task: Task, encoded: bytes) -> bytes:
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


class Child:
    """One decoding process; started when first needed and again after each of its ends."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, task: Task, encoded: bytes) -> bytes:
        """Return the decoded frame, empty where there is none; the process never outlives a failure."""
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.process = _started()
        try:
            return _exchange(self.process, task, encoded)
        except (OSError, EOFError):
            self.stop()
            return b""

    def stop(self) -> None:
        """End the process."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process = None


class _Pool:
    """The children; one that was used last is used first, so that no more start than are needed."""

    def __init__(self, size: int) -> None:
        self.children = tuple(Child() for _ in range(size))
        self.idle: queue.LifoQueue[Child] = queue.LifoQueue()
        for child in reversed(self.children):
            self.idle.put(child)

    @contextmanager
    def child(self) -> Iterator[Child]:
        """Lend a child; wait where all are at work."""
        child = self.idle.get()
        try:
            yield child
        finally:
            self.idle.put(child)

    def stop(self) -> None:
        """End all children."""
        for child in self.children:
            child.stop()


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", str(_SCRIPT)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _exchange(process: subprocess.Popen[bytes], task: Task, encoded: bytes) -> bytes:
    uid, *shape = astuple(task)
    deadline = time.monotonic() + TIMEOUT_S
    _send(process, TASK.pack(uid.encode("ascii"), *shape, len(encoded)) + encoded)
    (length,) = ANSWER.unpack(_receive(process, ANSWER.size, deadline))
    return _receive(process, min(length, task.size_bytes), deadline)


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None  # noqa: S101  (asked for in _started)
    view = memoryview(data)
    while view:
        view = view[process.stdin.write(view) :]


def _receive(process: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
    """Read exactly `size` bytes.

    Raises
    ------
    EOFError
        If the process has ended.
    TimeoutError
        If the deadline has passed.
    """
    assert process.stdout is not None  # noqa: S101  (asked for in _started)
    parts = bytearray()
    while len(parts) < size:
        if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        part = process.stdout.read(min(size - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


_POOL = _Pool(MAX_CHILDREN)
atexit.register(_POOL.stop)
