"""Our receive loop alone: each object is written and synced, not digested, not looked at, not indexed.

    python benchmarks/bare_receiver.py PORT FOLDER

What it reaches bounds what a gateway on this machine can reach that also files what it receives.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

from coread.gateways.dimse import Address, Receiver


class Inbox:
    """Numbers and syncs; the draft is the open file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def draft(self) -> BareDraft:
        """Open the next file."""
        return BareDraft(os.open(self._folder / f"{next(self._numbers)}.dcm", os.O_CREAT | os.O_WRONLY))

    def accept(self, draft: BareDraft, head: bytes, source: str) -> None:
        """Sync."""
        os.fsync(draft.fd)
        os.close(draft.fd)


class BareDraft:
    """A file that is being written."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        os.write(self.fd, data)

    def discard(self) -> None:
        """Leave it where it is."""
        os.close(self.fd)


def main() -> None:
    """Receive until told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    receiver = Receiver(Address(port=int(sys.argv[1])), Inbox(Path(sys.argv[2])))
    receiver.start()
    signal.sigwait([signal.SIGTERM])
    receiver.stop()


if __name__ == "__main__":
    main()
