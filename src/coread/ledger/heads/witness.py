"""Witnesses: other systems that keep our heads, so that nobody can put an older ledger in its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from coread.errors import DestinationRefused, DestinationUnreachable
from coread.ledger.heads.head import SignedHead, newest, read_notes


class Witness(Protocol):
    """One other system."""

    @property
    def name(self) -> str:
        """Stable word, e.g. ``file``; what was sent is kept under it."""
        ...

    def send(self, head: SignedHead) -> bytes:
        """Let the witness keep a head, and return its receipt, which may be empty.

        Raises
        ------
        DeliveryFault
            Retriable if the witness is away.
        """
        ...

    def latest(self, origin: str) -> SignedHead | None:
        """Return the newest head of a log that the witness keeps; None if it keeps, or gives back, none.

        Raises
        ------
        DeliveryFault
            If it is away, or what it gives is no head.
        """
        ...


class FileWitness:
    """Adds each head to the end of a file; put it on another machine's disk, or one that is written once.

    Parameters
    ----------
    path
        Of the file; its folder must be there.
    """

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, head: SignedHead) -> bytes:
        """Add a head and wait until the disk has it.

        Raises
        ------
        DestinationUnreachable
            If the file cannot be written now.
        """
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            with os.fdopen(descriptor, "ab") as file:
                file.write(head.note.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._away(error) from error
        return b""

    def latest(self, origin: str) -> SignedHead | None:
        """Return the newest head of a log in the file.

        Raises
        ------
        DestinationUnreachable
            If the file's folder is away.
        DestinationRefused
            If the file holds anything but heads.
        """
        try:
            heads = read_notes(self._path.read_text(encoding="utf-8"))
            return newest(head for head in heads if head.head.origin == origin)
        except FileNotFoundError as error:
            if not self._path.parent.is_dir():
                raise self._away(error) from error
            return None
        except OSError as error:
            raise self._away(error) from error
        except ValueError as error:
            raise DestinationRefused(
                "a witness's file that does not hold heads alone",
                "signed tree heads one after another",
                "keep the file as evidence; let ledger.witness_file name another",
                where="ledger.witness_file",
            ) from error

    def _away(self, error: OSError) -> DestinationUnreachable:
        return DestinationUnreachable(
            f"a file that cannot be used ({error.strerror})",
            "a file to add to",
            "nothing: it is tried again",
            where="ledger.witness_file",
        )
