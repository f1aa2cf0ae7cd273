"""Decoding in processes of their own, for decoders that may fall, never end or want all memory."""

from __future__ import annotations

import atexit
import fcntl
import os
import queue
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from coread.dicom.frames.decoder_child import ANSWER, TASK
from coread.errors import BrokenPixelData

#: Longest time that one frame may take, in seconds. The largest films take about two.
TIMEOUT_S = 15.0
#: Most children at one time; they start when needed.
MAX_CHILDREN = min(4, os.cpu_count() or 1)

_SCRIPT = Path(__file__).with_name("decoder_child.py")
#: What a child sees of the environment, in which secrets may stand, and how its libraries are to behave.
_SEEN = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_QUIET = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: Room in a pipe, where the system lets it be chosen: a frame then takes fewer turns of both processes.
_PIPE_BYTES = 1 << 20


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


class Child:
    """One decoding process; started when first needed and again after each of its ends."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

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
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.process = _started()
        try:
            return _exchange(self.process, task, encoded)
        except TimeoutError:
            self.stop()
            return bytearray()
        except (OSError, EOFError):
            self.stop()
            return None

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
    process = subprocess.Popen(
        [sys.executable, "-I", str(_SCRIPT)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _SEEN if name in os.environ} | _QUIET,
    )
    assert process.stdin is not None  # noqa: S101  (asked for above)
    os.set_blocking(process.stdin.fileno(), False)
    for pipe in (process.stdin, process.stdout):
        with suppress(AttributeError, OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
    return process


def _exchange(process: subprocess.Popen[bytes], task: Task, encoded: bytes) -> bytearray:
    uid, *shape = astuple(task)
    deadline = time.monotonic() + TIMEOUT_S
    _send(process, TASK.pack(uid.encode("ascii"), *shape, len(encoded)) + encoded, deadline)
    (length,) = ANSWER.unpack(_receive(process, ANSWER.size, deadline))
    return _receive(process, min(length, task.size_bytes), deadline)


def _send(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> None:
    """Write all of `data`.

    Raises
    ------
    OSError
        If the process has ended, or, as a TimeoutError, if the deadline has passed.
    """
    assert process.stdin is not None  # noqa: S101  (asked for in _started)
    waiting = memoryview(data)
    while waiting:
        if not select.select([], [process.stdin], [], max(0.0, deadline - time.monotonic()))[1]:
            raise TimeoutError
        waiting = waiting[os.write(process.stdin.fileno(), waiting) :]


def _receive(process: subprocess.Popen[bytes], size: int, deadline: float) -> bytearray:
    """Read exactly `size` bytes.

    Raises
    ------
    EOFError
        If the process has ended.
    TimeoutError
        If the deadline has passed.
    """
    assert process.stdout is not None  # noqa: S101  (asked for in _started)
    received = bytearray(size)
    waiting = memoryview(received)
    while waiting:
        if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        count = os.readv(process.stdout.fileno(), [waiting])
        if not count:
            raise EOFError
        waiting = waiting[count:]
    return received


_POOL = _Pool(MAX_CHILDREN)
atexit.register(_POOL.stop)
