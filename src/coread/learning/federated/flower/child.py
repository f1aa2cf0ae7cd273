"""Run SuperLink as a child that ends when its parent does, also when that was killed.

``python -m coread.learning.federated.flower.child <pid of the parent> <arguments of flower-superlink>``
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time


def end_with(parent: int, every_s: float = 0.2) -> None:
    """Watch the parent from a thread; once it has gone, end this process at once."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def main() -> None:
    """Start SuperLink."""
    end_with(int(sys.argv[1]))
    sys.argv = ["flower-superlink", *sys.argv[2:]]
    from flwr.superlink.cli import flower_superlink  # noqa: PLC0415 - the watch stands first

    flower_superlink()


if __name__ == "__main__":
    main()
