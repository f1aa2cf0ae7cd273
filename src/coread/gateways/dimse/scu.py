"""The calling end: C-ECHO and C-STORE to another application entity.

It stands on the same connection as the receiving end rather than on pynetdicom's own service user,
which waits in sleeps, leaves Nagle's algorithm on (10 to 20 objects/s to most peers), decodes and
encodes what it sends, and does not close a socket that could not connect.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coread.dicom import data_set_offset, scan_header
from coread.domain.study import Header
from coread.errors import DestinationRefused, DestinationUnreachable
from coread.gateways.dimse import messages
from coread.gateways.dimse.messages import Command
from coread.gateways.dimse.negotiation import (
    IMPLICIT_LITTLE,
    VERIFICATION,
    Agreement,
    Context,
    Refusal,
    agreed,
    propose,
    rejected,
)
from coread.gateways.dimse.tls import TlsFiles, client_context
from coread.gateways.dimse.upper_layer import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    BUFFER_BYTES,
    MAX_ASSOCIATE_BYTES,
    RELEASE_RQ,
    Connection,
    PeerGone,
    ProtocolFault,
)

_MAX_CONTEXTS = 128
_FOR_NOW = 2  # result of an A-ASSOCIATE-RJ, PS3.8 table 9-21
_HEAD_BYTES = 64 << 10
_MAX_RESPONSE_BYTES = 16 << 10
_FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another application entity, and how to call it."""

    host: str
    port: int
    ae_title: str = "ANY-SCP"
    calling_ae_title: str = "COREAD"
    """Our title."""
    timeout_s: float = 30.0
    """Of silence, in each phase, after which the peer is given up."""
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the peer said of one object that it took."""

    sop_instance_uid: str
    status: int
    """Status (0000,0900): 0x0000, or a warning 0xBxxx (PS3.4 table B.2-1)."""

    @property
    def is_warning(self) -> bool:
        """Whether the peer took it with a reservation."""
        return self.status != messages.SUCCESS


def echo(peer: Peer) -> None:
    """Ask `peer` whether it is there (C-ECHO).

    Raises
    ------
    DestinationUnreachable
        If there is no connection, no answer, or a refusal for now.
    DestinationRefused
        If the peer refuses for good, or answers with another status than success.
    """
    context = Context(VERIFICATION, IMPLICIT_LITTLE)
    with _call(peer, [context]) as call:
        call.perform(context, Command(messages.C_ECHO_RQ, 1, False, VERIFICATION, ""))


def send_store(peer: Peer, objects: Sequence[bytes]) -> tuple[Receipt, ...]:
    """Send whole objects (PS3.10 files), each in its own transfer syntax and byte for byte.

    Parameters
    ----------
    peer
        Who shall keep them.
    objects
        Files; scanned for their identifiers, never decoded.

    Returns
    -------
    tuple of Receipt
        One for each object, in the order given: the peer has said that it took all of them.

    Raises
    ------
    DestinationUnreachable
        If there is no connection, it breaks, the peer falls silent, or has no room for now. Some
        objects may have been taken; to send them again does no harm.
    DestinationRefused
        If the peer does not take the kind of object, or answers with a failure.
    InputFault
        If an object is no DICOM file.
    """
    headers = [scan_header(memoryview(data)[:_HEAD_BYTES], total_bytes=len(data)) for data in objects]
    receipts: list[Receipt] = []
    for part in _parts(headers):
        with _call(peer, list(dict.fromkeys(map(_kind, headers[part])))) as call:
            for header, data in zip(headers[part], objects[part], strict=True):
                receipts.append(_send(call, header, data))
    return tuple(receipts)


def _parts(headers: Sequence[Header]) -> Iterator[slice]:
    """Cut where an association would need more contexts than there are IDs."""
    start, kinds = 0, set[Context]()
    for index, header in enumerate(headers):
        kinds.add(_kind(header))
        if len(kinds) > _MAX_CONTEXTS:
            yield slice(start, index)
            start, kinds = index, {_kind(header)}
    if headers:
        yield slice(start, len(headers))


def _kind(header: Header) -> Context:
    """Return what to propose: a context with two syntaxes would leave the choice to the peer."""
    return Context(header.ref.sop_class_uid, header.transfer_syntax_uid)


def _send(call: _Call, header: Header, data: bytes) -> Receipt:
    call.messages_sent += 1
    number = call.messages_sent & 0xFFFF
    ref = header.ref
    command = Command(messages.C_STORE_RQ, number, True, ref.sop_class_uid, ref.sop_instance_uid)
    data_set = memoryview(data)[data_set_offset(data) :]
    return Receipt(ref.sop_instance_uid, call.perform(_kind(header), command, data_set))


class _Call:
    """An association that we asked for."""

    def __init__(self, peer: Peer, connection: Connection, agreement: Agreement) -> None:
        self.messages_sent = 0
        self._peer = peer
        self._connection = connection
        self._agreement = agreement
        self._ids = {context: at for at, context in agreement.contexts.items()}

    def perform(self, context: Context, command: Command, data_set: bytes | memoryview | None = None) -> int:
        """Send a request and return its status, which says that the peer has done it."""
        if context not in self._ids:
            raise self._not_taken(context)
        context_id, peer_max = self._ids[context], self._agreement.peer_max_pdu_bytes
        self._connection.send_fragments(context_id, messages.request(command), peer_max, is_command=True)
        if data_set is not None:
            self._connection.send_fragments(context_id, data_set, peer_max, is_command=False)
        return _checked(messages.status_in(self._read_response(), command), self._peer)

    def _read_response(self) -> bytes:
        whole = bytearray()
        while True:
            pdv = self._connection.next_pdv()
            if pdv is None or not pdv.is_command or len(whole) + pdv.size_bytes > _MAX_RESPONSE_BYTES:
                raise ProtocolFault("something else than a response")
            self._connection.pour(pdv.size_bytes, whole.extend)
            if pdv.is_last:
                return bytes(whole)

    def _not_taken(self, context: Context) -> DestinationRefused:
        return DestinationRefused(
            found="an object of a kind that the peer does not take",
            expected=f"SOP class {context.sop_class_uid} in {context.transfer_syntax_uid} to be accepted",
            remedy="allow it at the peer, or leave this kind of result out of the destination's rule",
            where=str(self._peer),
        )


@contextlib.contextmanager
def _call(peer: Peer, contexts: list[Context]) -> Iterator[_Call]:
    """Hold an association with `peer`; what breaks it is told as a destination that is not reached."""
    with contextlib.closing(_connected(peer)) as connection:
        try:
            yield _Call(peer, connection, _associate(peer, connection, contexts))
        except ProtocolFault as fault:
            connection.send_abort(fault.reason)
            raise _unreachable(peer, str(fault)) from fault
        except PeerGone as gone:
            raise _unreachable(peer, str(gone)) from gone
        except DestinationRefused:
            _farewell(connection)
            raise
        _farewell(connection)


def _connected(peer: Peer) -> Connection:
    with contextlib.ExitStack() as stack:
        try:
            sock = stack.enter_context(socket.create_connection((peer.host, peer.port), peer.timeout_s))
            if peer.tls:
                context = client_context(peer.tls)
                sock = stack.enter_context(context.wrap_socket(sock, server_hostname=peer.host))
        except OSError as error:
            raise _unreachable(peer, f"no connection ({type(error).__name__})") from error
        stack.pop_all()
    connection = Connection(sock, BUFFER_BYTES)
    connection.wait_at_most(peer.timeout_s)
    return connection


def _associate(peer: Peer, connection: Connection, contexts: list[Context]) -> Agreement:
    connection.send(propose(contexts, peer.calling_ae_title, peer.ae_title, BUFFER_BYTES))
    kind, size = connection.next_pdu()
    if kind not in (ASSOCIATE_AC, ASSOCIATE_RJ) or size > MAX_ASSOCIATE_BYTES:
        raise ProtocolFault(f"a PDU of type {kind} in answer to an association")
    answer = bytes(6) + connection.body(size)
    if kind == ASSOCIATE_RJ:
        raise _rejection(peer, rejected(answer))
    return agreed(answer, contexts)


def _rejection(peer: Peer, refusal: Refusal) -> DestinationRefused | DestinationUnreachable:
    if refusal.result == _FOR_NOW:
        return _unreachable(peer, f"the association rejected for now: {refusal.text}")
    return DestinationRefused(
        found=f"the association rejected: {refusal.text}",
        expected="an association",
        remedy="check the AE titles of both ends and whom the peer lets in",
        where=str(peer),
    )


def _farewell(connection: Connection) -> None:
    """Release; all that was asked for is answered, so that a peer who does it badly harms nothing."""
    with contextlib.suppress(PeerGone, ProtocolFault):
        connection.wait_at_most(_FAREWELL_S)
        connection.send_release(RELEASE_RQ)
        connection.next_pdu()


def _checked(status: int, peer: Peer) -> int:
    """Return a status that means taken (PS3.4 table B.2-1); raise for any other."""
    if status == messages.SUCCESS or status & 0xF000 == 0xB000:
        return status
    if status & 0xFF00 == 0xA700:
        raise _unreachable(peer, f"status 0x{status:04X}, no room for now")
    raise DestinationRefused(
        found=f"status 0x{status:04X}",
        expected="0x0000, or a warning",
        remedy="look into the peer's log",
        where=str(peer),
    )


def _unreachable(peer: Peer, found: str) -> DestinationUnreachable:
    return DestinationUnreachable(
        found=found, expected="an answer", remedy="see that the peer runs and can be reached", where=str(peer)
    )
