"""The DICOM upper layer on one connection: PDUs in, PDUs out (PS3.8 section 9.3).

This is the hot loop of intake. Bytes go from the socket into one reused buffer and from there, as
views, to whoever takes the fragment: nothing is joined, nothing is decoded. The association's
negotiation is elsewhere (:mod:`coread.gateways.dimse.negotiation`).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = 0x04, 0x05, 0x06, 0x07

# Reasons of an A-ABORT by the service provider (PS3.8 table 9-26).
NOT_SPECIFIED, UNRECOGNISED_PDU, UNEXPECTED_PDU, INVALID_VALUE = 0, 1, 2, 6

#: One reused buffer per connection. It stays in the processor's cache, and holds a whole PDU of most senders.
BUFFER_BYTES = 256 << 10
#: An A-ASSOCIATE-RQ of 128 contexts with 60 transfer syntaxes each takes 200 KB.
MAX_ASSOCIATE_BYTES = 1 << 20

_PDU_HEAD = struct.Struct(">BxI")
_PDV_HEAD = struct.Struct(">IBB")
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)

Sink = Callable[[memoryview], object]


class PeerGone(Exception):
    """The peer closed, reset or aborted; there is nobody left to answer."""


class ProtocolFault(Exception):
    """The peer broke the protocol, or fell silent; the answer is an A-ABORT.

    Parameters
    ----------
    text
        What happened, for the log; holds nothing of a data set.
    reason
        Reason of the A-ABORT (PS3.8 table 9-26).
    """

    def __init__(self, text: str, reason: int = NOT_SPECIFIED) -> None:
        super().__init__(text)
        self.reason = reason


class Pdv(NamedTuple):
    """The head of one presentation data value (PS3.8 annex E.2)."""

    size_bytes: int
    """Bytes of the fragment that follows."""
    context_id: int
    is_command: bool
    is_last: bool


class Connection:
    """One connected socket with its receive buffer.

    Parameters
    ----------
    sock
        The socket; TLS or not. This object closes it.
    max_pdu_bytes
        Largest P-DATA-TF that is taken; what was announced to the peer.
    """

    def __init__(self, sock: socket.socket, max_pdu_bytes: int) -> None:
        self._sock = sock
        self._max_pdu_bytes = max_pdu_bytes
        self._view = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0
        self._left_in_pdu = 0
        self._is_stopped = False
        # Nagle's algorithm against delayed acknowledgement costs 40 ms per message; a sender that has
        # it on is freed by our acknowledging at once (see `_fill`), we ourselves by not having it on.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_at_most(self, seconds: float) -> None:
        """Give the peer up after `seconds` of silence, from now on."""
        self._sock.settimeout(seconds)

    def next_pdu(self) -> tuple[int, int]:
        """Return type and length of the next PDU; its body follows."""
        return _PDU_HEAD.unpack(self._take(6))

    def body(self, size_bytes: int) -> bytes:
        """Return `size_bytes` of the current PDU; only for what is small and not P-DATA."""
        whole = bytearray()
        self.pour(size_bytes, whole.extend)
        return bytes(whole)

    def next_pdv(self) -> Pdv | None:
        """Return the head of the next PDV, or None when the peer asks for release.

        Raises
        ------
        ProtocolFault
            If the PDU or the PDV is not what may come here, or too large.
        PeerGone
            If the peer aborted or vanished.
        """
        if self._left_in_pdu == 0:
            kind, size = self.next_pdu()
            if kind != P_DATA_TF:
                self._expect_release(kind, size)
                return None
            self._left_in_pdu = self._checked_pdu_size(size)
        length, context_id, control = _PDV_HEAD.unpack(self._take(6))
        self._left_in_pdu -= 4 + length
        if length < 2 or self._left_in_pdu < 0 or 0 < self._left_in_pdu < 6:
            raise ProtocolFault("a PDV whose length does not fit its PDU", INVALID_VALUE)
        return Pdv(length - 2, context_id, bool(control & 1), bool(control & 2))

    def pour(self, size_bytes: int, sink: Sink) -> None:
        """Hand exactly `size_bytes` to `sink`, in views that are valid during the call only."""
        while size_bytes:
            if self._start == self._end:
                self._fill()
            stop = min(self._end, self._start + size_bytes)
            sink(self._view[self._start : stop])
            size_bytes -= stop - self._start
            self._start = stop

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise PeerGone("the peer does not take our answer") from error

    def send_fragments(
        self, context_id: int, data: bytes | memoryview, peer_max_pdu_bytes: int, *, is_command: bool
    ) -> None:
        """Send a command set or a data set, in as many PDUs as the peer's maximum asks for.

        Parameters
        ----------
        context_id
            Presentation context.
        data
            The encoded set.
        peer_max_pdu_bytes
            Largest P-DATA-TF that the peer takes; 0: any.
        is_command
            Whether `data` is a command set.
        """
        # Fragments are of even length (PS3.8 annex E.1).
        chunk = max(min(peer_max_pdu_bytes or BUFFER_BYTES, BUFFER_BYTES) - 6, 2) & ~1
        for at in range(0, max(len(data), 1), chunk):
            part = data[at : at + chunk]
            control = is_command | (at + chunk >= len(data)) << 1
            head = _PDU_HEAD.pack(P_DATA_TF, len(part) + 6) + _PDV_HEAD.pack(
                len(part) + 2, context_id, control
            )
            self.send(head + part)

    def send_release(self, kind: int = RELEASE_RP) -> None:
        """Agree to the peer's release, or ask for ours."""
        self.send(_PDU_HEAD.pack(kind, 4) + bytes(4))

    def send_abort(self, reason: int) -> None:
        """Abort as service provider; a peer that is already gone does not matter."""
        try:
            self._sock.sendall(_PDU_HEAD.pack(ABORT, 4) + bytes((0, 0, 2, reason)))
        except OSError:
            return

    def linger(self, seconds: float) -> None:
        """Wait until the peer closes (ARTIM, PS3.8 section 9.1.5), lest a reset overtake our last PDU."""
        deadline = time.monotonic() + seconds
        try:
            socket.socket.shutdown(self._sock, socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self._sock.settimeout(left)
                if not self._sock.recv_into(self._view):
                    return
        except OSError:
            return

    def stop_receiving(self) -> None:
        """Wake the thread that waits for the peer, from another one; it then aborts."""
        self._is_stopped = True
        try:
            socket.socket.shutdown(self._sock, socket.SHUT_RD)
        except OSError:
            return

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _take(self, size_bytes: int) -> memoryview:
        """Return a few bytes as one view, valid until the next read."""
        while self._end - self._start < size_bytes:
            self._fill()
        self._start += size_bytes
        return self._view[self._start - size_bytes : self._start]

    def _fill(self) -> None:
        """Read what is there into the buffer, after what is not yet taken (a few bytes at most)."""
        rest = self._end - self._start
        self._view[:rest] = self._view[self._start : self._end]
        self._start = 0
        try:
            count = self._sock.recv_into(self._view[rest:])
            if _QUICKACK is not None:  # not sticky: the kernel forgets it (tcp(7))
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except TimeoutError as error:
            raise ProtocolFault("the peer fell silent") from error
        except OSError as error:
            raise PeerGone("the connection broke") from error
        if count == 0:
            if self._is_stopped:
                raise ProtocolFault("we stop receiving")
            raise PeerGone("the peer closed the connection")
        self._end = rest + count

    def _checked_pdu_size(self, size_bytes: int) -> int:
        if not 6 <= size_bytes <= self._max_pdu_bytes:
            raise ProtocolFault(f"a P-DATA-TF of {size_bytes} bytes", INVALID_VALUE)
        return size_bytes

    def _expect_release(self, kind: int, size_bytes: int) -> None:
        if kind == ABORT:
            raise PeerGone("the peer aborted")
        if kind == RELEASE_RQ and size_bytes == 4:
            self._take(4)
            return
        known = ASSOCIATE_RQ <= kind <= ABORT
        raise ProtocolFault(f"a PDU of type {kind}", UNEXPECTED_PDU if known else UNRECOGNISED_PDU)
