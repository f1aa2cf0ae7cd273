"""The calling end: C-ECHO and C-STORE to another application entity, by pynetdicom."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pynetdicom import AE, _config, build_context, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from coread.dicom import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, scan_header
from coread.domain.study import Header
from coread.errors import DestinationRefused, DestinationUnreachable
from coread.gateways.dimse.negotiation import VERIFICATION
from coread.gateways.dimse.tls import TlsFiles, client_context

# pynetdicom then sends a file's bytes as they are; it would otherwise decode and encode each data set.
_config.STORE_SEND_CHUNKED_DATASET = True
# It reports an unreachable peer as errors of its own log; we raise ours instead.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

_MAX_CONTEXTS = 128
_SUCCESS = 0x0000
_TRANSIENT = 2  # result of an A-ASSOCIATE-RJ, PS3.8 table 9-21
_HEAD_BYTES = 64 << 10


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
        return self.status != _SUCCESS


def echo(peer: Peer) -> None:
    """Ask `peer` whether it is there (C-ECHO).

    Raises
    ------
    DestinationUnreachable
        If there is no connection, no answer, or a refusal for now.
    DestinationRefused
        If the peer refuses for good, or answers with another status than success.
    """
    with _association(peer, [build_context(VERIFICATION)]) as association:
        _status(association.send_c_echo(), peer, "C-ECHO")


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
    headers = [scan_header(memoryview(data)[:_HEAD_BYTES]) for data in objects]
    receipts: list[Receipt] = []
    for part in _parts(headers):
        with _association(peer, _contexts(headers[part])) as association:
            for header, data in zip(headers[part], objects[part], strict=True):
                receipts.append(_send(association, peer, header, data))
    return tuple(receipts)


def _parts(headers: Sequence[Header]) -> Iterator[slice]:
    """Cut where an association would need more contexts than there are IDs."""
    start, kinds = 0, set[tuple[str, str]]()
    for index, header in enumerate(headers):
        kinds.add(_kind(header))
        if len(kinds) > _MAX_CONTEXTS:
            yield slice(start, index)
            start, kinds = index, {_kind(header)}
    if headers:
        yield slice(start, len(headers))


def _kind(header: Header) -> tuple[str, str]:
    return header.ref.sop_class_uid, header.transfer_syntax_uid


def _contexts(headers: Sequence[Header]) -> list[PresentationContext]:
    """Propose each kind alone: a context with two syntaxes would leave the choice to the peer."""
    return [build_context(*kind) for kind in dict.fromkeys(map(_kind, headers))]


def _send(association: Association, peer: Peer, header: Header, data: bytes) -> Receipt:
    if not _takes(association, header):
        raise DestinationRefused(
            found="an object of a SOP class and transfer syntax that the peer does not take",
            expected=f"SOP class {header.ref.sop_class_uid} in {header.transfer_syntax_uid} to be accepted",
            remedy="allow it at the peer, or leave this kind of result out of the destination's rule",
            where=str(peer),
        )
    if not association.is_established:
        raise _unreachable(peer, "an association that the peer ended")
    with _as_file(data) as path:
        answer = association.send_c_store(path)
    return Receipt(header.ref.sop_instance_uid, _status(answer, peer, "C-STORE"))


def _takes(association: Association, header: Header) -> bool:
    return any(
        (str(context.abstract_syntax), str(context.transfer_syntax[0])) == _kind(header)
        for context in association.accepted_contexts
    )


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[Path]:
    """Give `data` the path that pynetdicom wants, in memory where the system has such files."""
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile(buffering=0) as file:
            file.write(data)
            yield Path(file.name)
        return
    with os.fdopen(os.memfd_create("object"), "wb") as memory:
        memory.write(data)
        memory.flush()
        yield Path(f"/proc/self/fd/{memory.fileno()}")


@contextlib.contextmanager
def _association(peer: Peer, contexts: list[PresentationContext]) -> Iterator[Association]:
    association = _entity(peer).associate(
        peer.host,
        peer.port,
        contexts=contexts,
        ae_title=peer.ae_title,
        max_pdu=0,
        tls_args=(client_context(peer.tls), peer.host) if peer.tls else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)],
    )
    if not association.is_established:
        raise _not_established(association, peer)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    association.release()


def _entity(peer: Peer) -> AE:
    entity = AE(ae_title=peer.calling_ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = entity.acse_timeout = peer.timeout_s
    entity.dimse_timeout = entity.network_timeout = peer.timeout_s
    return entity


def _send_at_once(event: evt.Event) -> None:
    """Switch Nagle's algorithm off, which pynetdicom leaves on: 40 ms for each message otherwise."""
    connection = event.assoc.dul.socket.socket
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _not_established(association: Association, peer: Peer) -> DestinationRefused | DestinationUnreachable:
    answer = association.acceptor.primitive
    if association.is_rejected and answer.result != _TRANSIENT:
        return DestinationRefused(
            found=f"the association rejected: {answer.reason_str}",
            expected="an association",
            remedy="check the AE titles of both ends and whom the peer lets in",
            where=str(peer),
        )
    if association.is_rejected:
        return _unreachable(peer, f"the association rejected for now: {answer.reason_str}")
    if answer is not None and answer.result == 0:
        return DestinationRefused(
            found="none of the proposed kinds of objects accepted",
            expected="one at least",
            remedy="allow these SOP classes at the peer",
            where=str(peer),
        )
    return _unreachable(peer, "no association")


def _status(answer: object, peer: Peer, message: str) -> int:
    """Return a status that means taken; raise for any other, or for none."""
    status = getattr(answer, "Status", None)
    if status is None:
        raise _unreachable(peer, f"no answer to a {message}")
    if _is_taken(status):
        return int(status)
    if status & 0xFF00 == 0xA700:  # out of resources, PS3.4 table B.2-1
        raise _unreachable(peer, f"status 0x{status:04X} to a {message}: no room for now")
    raise DestinationRefused(
        found=f"status 0x{status:04X} to a {message}",
        expected="0x0000, or a warning",
        remedy="look into the peer's log",
        where=str(peer),
    )


def _is_taken(status: int) -> bool:
    return status == _SUCCESS or status & 0xF000 == 0xB000


def _unreachable(peer: Peer, found: str) -> DestinationUnreachable:
    return DestinationUnreachable(
        found=found, expected="an answer", remedy="see that the peer runs and can be reached", where=str(peer)
    )
