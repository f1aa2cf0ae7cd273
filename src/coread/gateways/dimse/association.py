"""The conversation of one association: C-ECHO and C-STORE, one after the other, until release."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NoReturn

from coread.dicom import part10_prefix
from coread.domain.identity import is_uid
from coread.errors import CoReadError, MalformedObject
from coread.gateways.dimse import messages
from coread.gateways.dimse.incoming import Inbox, Incoming
from coread.gateways.dimse.messages import Command
from coread.gateways.dimse.negotiation import Agreement, Context, Policy, Refusal, negotiate, refuse
from coread.gateways.dimse.upper_layer import (
    ASSOCIATE_RQ,
    INVALID_VALUE,
    MAX_ASSOCIATE_BYTES,
    NOT_SPECIFIED,
    UNEXPECTED_PDU,
    Connection,
    Pdv,
    PeerGone,
    ProtocolFault,
)
from coread.gateways.statuses import status_of

logger = logging.getLogger(__name__)

_MAX_COMMAND_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds of silence after which a peer is given up."""

    artim_s: float
    """Until the request for an association has come, and until the peer closes after the end."""
    idle_s: float
    """Between two messages."""
    stall_s: float
    """Within a message."""


class Association:
    """One peer's association, served by the thread that calls `serve`.

    Parameters
    ----------
    connection
        The connection, on which nothing has been read yet.
    inbox
        Who takes the objects.
    policy
        Who may call, and what is agreed on.
    patience
        How long silence is borne.
    max_object_bytes
        Largest object that is taken.
    """

    def __init__(
        self, connection: Connection, inbox: Inbox, policy: Policy, patience: Patience, max_object_bytes: int
    ) -> None:
        self._connection = connection
        self._inbox = inbox
        self._policy = policy
        self._patience = patience
        self._max_object_bytes = max_object_bytes
        self._agreement = Agreement("", {}, 0, b"")
        self.stored = self.refused = 0

    def serve(self, refusal: Refusal | None = None) -> None:
        """Talk with the peer until one of the two ends it; the connection is left to be closed.

        Parameters
        ----------
        refusal
            Turn the peer away with this, whatever it asks for.
        """
        reason: int | None = NOT_SPECIFIED
        try:
            if self._begin(refusal):
                self._serve_messages()
            reason = None
        except PeerGone as gone:
            reason = None
            logger.info("association from %s: %s", self._name, gone)
        except ProtocolFault as fault:
            reason = fault.reason
            logger.warning("association from %s aborted: %s", self._name, fault)
        finally:
            self._end(reason)

    @property
    def _name(self) -> str:
        return self._agreement.calling_ae or "an unnamed peer"

    def _begin(self, refusal: Refusal | None) -> bool:
        self._connection.wait_at_most(self._patience.artim_s)
        kind, size = self._connection.next_pdu()
        if kind != ASSOCIATE_RQ:
            raise ProtocolFault(f"a PDU of type {kind} before the association", UNEXPECTED_PDU)
        if size > MAX_ASSOCIATE_BYTES:
            raise ProtocolFault(f"an A-ASSOCIATE-RQ of {size} bytes", INVALID_VALUE)
        # pynetdicom reads whole PDUs; their first six bytes are not looked at again.
        answer = refusal or negotiate(bytes(6) + self._connection.body(size), self._policy)
        if isinstance(answer, Refusal):
            logger.warning("association refused: %s", answer.text)
            self._connection.send(refuse(answer))
            return False
        self._agreement = answer
        self._connection.send(answer.reply)
        return True

    def _serve_messages(self) -> None:
        while True:
            self._connection.wait_at_most(self._patience.idle_s)
            first = self._connection.next_pdv()
            if first is None:
                self._connection.send_release()
                return
            self._connection.wait_at_most(self._patience.stall_s)
            self._answer(messages.parse_command(self._read_command(first)), first.context_id)

    def _read_command(self, pdv: Pdv) -> bytes:
        context_id, whole = pdv.context_id, bytearray()
        while True:
            self._check_pdv(pdv, context_id, is_command=True)
            if len(whole) + pdv.size_bytes > _MAX_COMMAND_BYTES:
                raise ProtocolFault("a command set without end", INVALID_VALUE)
            self._connection.pour(pdv.size_bytes, whole.extend)
            if pdv.is_last:
                return bytes(whole)
            pdv = self._next_pdv()

    def _read_data_set(self, context_id: int, incoming: Incoming) -> None:
        pour, write = self._connection.pour, incoming.write
        while True:
            pdv = self._next_pdv()
            self._check_pdv(pdv, context_id, is_command=False)
            pour(pdv.size_bytes, write)
            if pdv.is_last:
                return
            if incoming.is_endless:
                raise ProtocolFault("an object of more than twice the size that is allowed")

    def _next_pdv(self) -> Pdv:
        pdv = self._connection.next_pdv()
        if pdv is None:
            raise ProtocolFault("a release in the middle of a message", UNEXPECTED_PDU)
        return pdv

    def _check_pdv(self, pdv: Pdv, context_id: int, *, is_command: bool) -> None:
        if pdv.context_id not in self._agreement.contexts or pdv.context_id != context_id:
            raise ProtocolFault("a PDV of a context that is not agreed on", INVALID_VALUE)
        if pdv.is_command != is_command:
            raise ProtocolFault("a command where data belongs, or data where a command does", UNEXPECTED_PDU)

    def _answer(self, command: Command, context_id: int) -> None:
        if command.field & messages.RESPONSE:
            raise ProtocolFault("a response to a request that was not made", UNEXPECTED_PDU)
        if command.field == messages.C_CANCEL_RQ:
            return
        status, comment = self._perform(command, context_id)
        reply = messages.response(command, status, comment)
        peer_max = self._agreement.peer_max_pdu_bytes
        self._connection.send_fragments(context_id, reply, peer_max, is_command=True)

    def _perform(self, command: Command, context_id: int) -> tuple[int, str]:
        if command.field == messages.C_ECHO_RQ and not command.has_data_set:
            return messages.SUCCESS, ""
        context = self._agreement.contexts[context_id]
        if command.field == messages.C_STORE_RQ and command.has_data_set:
            return self._store(command, context_id, context)
        if command.has_data_set:
            self._swallow(context_id)
        if command.field == messages.C_STORE_RQ:
            return _said(MalformedObject("a C-STORE without data set"))
        return messages.UNRECOGNISED_OPERATION, ""

    def _store(self, command: Command, context_id: int, context: Context) -> tuple[int, str]:
        if command.sop_class_uid != context.sop_class_uid:
            self._swallow(context_id)
            return messages.SOP_CLASS_NOT_SUPPORTED, "SOP class differs from that of the context"
        incoming = Incoming(self._inbox.draft, self._max_object_bytes)
        try:
            incoming.write(self._prefix(command, context))
            self._read_data_set(context_id, incoming)
            incoming.hand_over(self._inbox, f"dimse:{self._agreement.calling_ae}")
        except CoReadError as error:
            self.refused += 1
            logger.warning("C-STORE from %s refused: error %d", self._name, error.number)
            return _said(error)
        finally:
            incoming.discard()
        self.stored += 1
        return messages.SUCCESS, ""

    def _swallow(self, context_id: int) -> None:
        """Read a data set that nobody wants."""
        self._read_data_set(context_id, Incoming(_no_draft, self._max_object_bytes))

    def _prefix(self, command: Command, context: Context) -> bytes:
        """Write the file meta information; a name that is no UID goes no further than this."""
        uid = command.sop_instance_uid if is_uid(command.sop_instance_uid) else ""
        return part10_prefix(
            context.sop_class_uid, uid, context.transfer_syntax_uid, self._agreement.calling_ae
        )

    def _end(self, abort_reason: int | None) -> None:
        if abort_reason is not None:
            self._connection.send_abort(abort_reason)
        self._connection.linger(self._patience.artim_s)
        if self._agreement.calling_ae:
            logger.info(
                "association from %s ended: %d stored, %d refused", self._name, self.stored, self.refused
            )


def _said(error: CoReadError) -> tuple[int, str]:
    """Say an error in DIMSE: its status, and its public sentence, which holds no person."""
    return status_of(error).dimse, f"[{error.number}] {error.sentence}"


def _no_draft() -> NoReturn:
    raise MalformedObject("a data set that is not wanted")
