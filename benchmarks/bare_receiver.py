"""Our receive loop alone: each object is written and synced, not digested, not looked at, not indexed.

    python benchmarks/bare_receiver.py PORT FOLDER

What it reaches bounds what a gateway on this machine can reach that also files what it receives.
"""

from __future__ import annotations

import itertools
import signal
import sys
from pathlib import Path

from coread.archive.uncached import UncachedFile
from coread.gateways.dimse import Address, Receiver


class Inbox:
    """Numbers and syncs; the draft is the open file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def draft(self) -> BareDraft:
        """Open the next file."""
        return BareDraft(self._folder / f"{next(self._numbers)}.dcm")

    def accept(self, draft: BareDraft, head: bytes, source: str) -> None:
        """Sync."""
        draft.file.finish(0o400)


class BareDraft:
    """A file that is being written."""

    def __init__(self, path: Path) -> None:
        self.file = UncachedFile(path, 0o600)

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        self.file.write(data, _ignore)

    def discard(self) -> None:
        """Leave it where it is."""
        self.file.close()


def _ignore(block: memoryview) -> None:
    """Digest nothing."""


def main() -> None:
    """Receive until told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    receiver = Receiver(Address(port=int(sys.argv[1])), Inbox(Path(sys.argv[2])))
    receiver.start()
    signal.sigwait([signal.SIGTERM])
    receiver.stop()


if __name__ == "__main__":
    main()
