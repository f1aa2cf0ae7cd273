"""A sealed file as a file: any part of it is opened by its own pieces, the rest is not touched."""

from __future__ import annotations

import io
from typing import BinaryIO

from cryptography.exceptions import InvalidTag

from coread.archive.sealed.form import PIECE_BYTES, Sealing, sealed_bytes
from coread.errors import ChecksumMismatch


class SealedFile(io.RawIOBase):
    """Plain bytes of a sealed file, from any place.

    Parameters
    ----------
    file
        The sealed file; closed with this one.
    sealing
        Opens its pieces.
    size_bytes
        Plain size.
    """

    def __init__(self, file: BinaryIO, sealing: Sealing, size_bytes: int) -> None:
        super().__init__()
        self._file = file
        self._sealing = sealing
        self._size = size_bytes
        self._at = 0
        self._number = -1
        self._piece = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return the place in the plain bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the plain bytes."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("negative seek position")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into a buffer, at most to the end of one piece.

        Raises
        ------
        ChecksumMismatch
            If the piece was changed, moved or cut.
        """
        if self._at >= self._size or not len(buffer):
            return 0
        number, within = divmod(self._at, PIECE_BYTES)
        part = self._opened(number)[within : within + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        """Close the sealed file, too."""
        if not self.closed:
            self._file.close()
        super().close()

    def _opened(self, number: int) -> bytes:
        if number != self._number:
            start, end = sealed_bytes(number, self._size)
            self._file.seek(start)
            is_last = (number + 1) * PIECE_BYTES >= self._size
            try:
                self._piece = self._sealing.open(number, self._file.read(end - start), is_last=is_last)
            except InvalidTag as error:
                raise ChecksumMismatch(
                    "a sealed object that was changed, moved or cut",
                    "the bytes that were sealed",
                    "restore the file from a backup; run coread archive verify",
                ) from error
            self._number = number
        return self._piece
