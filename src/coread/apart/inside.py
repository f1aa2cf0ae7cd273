"""What a child process gives up, and which limits it sets itself, before it touches what is strangers'."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import threading
import time
from contextlib import suppress

#: unshare(2): CLONE_NEWUSER | CLONE_NEWNET.
_OWN_NETWORK = 0x50000000
#: proc(5): where memory is short, the system ends a process of this mark before all others.
_FIRST_TO_END = "1000"
#: Seconds between two looks for the parent.
_LOOK_S = 1.0
#: Standard input, output and error.
_PIPES = 3


def shut_in() -> None:
    """Give up for good: writing files, core dumps, the network where the system allows it.

    What asks a whole service to end asks its children too. They leave that to their parent, which may want an
    answer yet, and ends them by force or by ending itself.
    """
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, signal.SIG_IGN)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as mark:  # noqa: PTH123  (starts sooner)
        mark.write(_FIRST_TO_END)
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(_OWN_NETWORK)


def open_nothing_more() -> None:
    """Open no file and no socket from now on, not even to read; everything must have been imported."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_PIPES, _PIPES))


def end_with_parent() -> None:
    """End this process soon after its parent, whatever it is computing; call it when shut in.

    A process of several threads cannot be given a network of its own any more.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def limit_memory(most_bytes: int) -> None:
    """Limit the address space of this process."""
    _limit(resource.RLIMIT_AS, most_bytes)


def limit_processor(seconds: float) -> None:
    """Limit the processor time from now on: it ends a child whose parent, that would, has gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)


def mapped_bytes() -> int:
    """Return the size of the process's address space, 0 where the system does not tell."""
    with suppress(OSError), open("/proc/self/statm", "rb") as statm:  # noqa: PTH123  (starts sooner)
        return int(statm.read().split()[0]) * resource.getpagesize()
    return 0


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    with suppress(ValueError, OSError):  # a system that does not know the limit, or is past it
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
