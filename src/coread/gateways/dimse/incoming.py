"""One data set on its way from the network to the disk."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Protocol

from coread.errors import CoReadError, LowDisk, ObjectTooLarge, StoreFault

#: How much of an object is kept in memory for the scan of its header.
HEAD_BYTES = 64 << 10

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Draft(Protocol):
    """A file that is being written, and that nobody sees yet; the archive's drafts are such."""

    def write(self, data: bytes | memoryview) -> object:
        """Append `data`, which may not be kept beyond the call; raises `LowDisk` when the disk fills up."""

    def discard(self) -> object:
        """Leave no trace."""


class Inbox(Protocol):
    """Who takes what arrives; the clinic's intake is one."""

    def draft(self) -> Draft:
        """Begin a file; raises `LowDisk` where there is no room."""

    def accept(self, draft: Any, head: bytes, source: str) -> object:
        """File the whole object, for good, before it returns; from here on the draft is the inbox's.

        `draft` is one that this inbox began, of its own kind; `head` holds the first 64 KiB of the
        file. Whatever is not filed is told by a `CoReadError`.
        """


class Incoming:
    """The object of one C-STORE. After a fault it swallows the rest, so that the association can go on.

    Parameters
    ----------
    begin
        Makes the draft.
    max_bytes
        Largest object that is kept.
    """

    def __init__(self, begin: Callable[[], Draft], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._head = bytearray()
        self._draft: Draft | None = None
        self._fault: CoReadError | None = None
        try:
            self._draft = begin()
        except CoReadError as error:
            self._fault = error
        except OSError as error:
            self._fault = _write_fault(error)

    @property
    def is_endless(self) -> bool:
        """Whether so much more than allowed has come that it is no use to wait for the end."""
        return self._size_bytes > 2 * self._max_bytes

    def write(self, fragment: bytes | memoryview) -> None:
        """Append to the draft what has just come."""
        self._size_bytes += len(fragment)
        if self._draft is None:
            return
        if self._size_bytes > self._max_bytes:
            self._give_up(_too_large(self._max_bytes))
            return
        if len(self._head) < HEAD_BYTES:
            self._head += fragment[: HEAD_BYTES - len(self._head)]
        try:
            self._draft.write(fragment)
        except CoReadError as error:
            self._give_up(error)
        except OSError as error:
            self._give_up(_write_fault(error))

    def hand_over(self, inbox: Inbox, source: str) -> object:
        """Give the whole object to `inbox`, or raise the fault that befell it on the way."""
        if self._fault is not None:
            raise self._fault
        draft, self._draft = self._draft, None
        assert draft is not None  # noqa: S101  a draft or a fault, see the constructor
        try:
            return inbox.accept(draft, bytes(self._head), source)
        except OSError as error:
            raise _write_fault(error) from error

    def discard(self) -> None:
        """Leave no trace of what was not handed over."""
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

    def _give_up(self, fault: CoReadError) -> None:
        self.discard()
        self._head.clear()
        self._fault = fault


def _too_large(max_bytes: int) -> ObjectTooLarge:
    return ObjectTooLarge(
        found=f"more than {max_bytes} bytes",
        expected=f"{max_bytes} bytes at most",
        remedy="raise dimse.max_object_mb if objects of this size are expected",
        where="C-STORE",
    )


def _write_fault(error: OSError) -> CoReadError:
    found = f"error {error.errno} of the operating system while writing"
    if error.errno in _NO_SPACE:
        return LowDisk(found=found, remedy="free disk space; the sender will try again", where="C-STORE")
    return StoreFault(found=found, remedy="check the disk", where="C-STORE")
