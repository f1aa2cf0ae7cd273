"""What is agreed on when an association begins (PS3.8 section 7.1, PS3.7 annex D).

PDUs are read and written by pynetdicom; what may be agreed on is decided here.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, PDU
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context

from coread.dicom import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    storage_sop_class_uids,
    transfer_syntax_uids,
)
from coread.gateways.dimse.upper_layer import INVALID_VALUE, ProtocolFault

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

# Results of one presentation context (PS3.8 table 9-18).
_ACCEPTED, _NO_ABSTRACT_SYNTAX, _NO_TRANSFER_SYNTAX = 0, 3, 4
# What pynetdicom's decoders raise on bytes that are no A-ASSOCIATE-RQ.
_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an association is refused (PS3.8 table 9-21)."""

    result: int
    """1 for good, 2 for now."""
    source: int
    """1 service user, 2 provider (ACSE), 3 provider (presentation)."""
    reason: int
    text: str
    """For the log."""


OLD_PROTOCOL = Refusal(1, 2, 2, "protocol version not supported")
OTHER_APPLICATION = Refusal(1, 1, 2, "application context name not supported")
UNKNOWN_CALLER = Refusal(1, 1, 3, "calling AE title not recognised")
UNKNOWN_CALLED = Refusal(1, 1, 7, "called AE title not recognised")
TOO_MANY = Refusal(2, 3, 2, "local limit of associations exceeded")


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom we talk to, and how large the pieces may be."""

    ae_title: str
    """Our own title."""
    allowed_aes: frozenset[str]
    """Calling titles that are let in; empty: all."""
    check_called_ae: bool
    """Whether the peer must call us by `ae_title`."""
    max_pdu_bytes: int
    """Largest P-DATA-TF that we take."""


@dataclass(frozen=True, slots=True)
class Context:
    """One accepted presentation context."""

    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """An association as agreed."""

    calling_ae: str
    contexts: dict[int, Context]
    """Those that were accepted, by presentation context ID."""
    peer_max_pdu_bytes: int
    """Largest P-DATA-TF that the peer takes; 0: any."""
    reply: bytes = b""
    """The A-ASSOCIATE-AC to send."""


def negotiate(pdu: bytes, policy: Policy) -> Agreement | Refusal:
    """Decide on an A-ASSOCIATE-RQ.

    Every storage SOP class is accepted, and of each context the first proposed transfer
    syntax that is known: a sender puts first what it holds, and nothing is transcoded here.

    Raises
    ------
    ProtocolFault
        If the PDU cannot be read.
    """
    version, request = _read(pdu)
    refusal = _refusal(version, request, policy)
    return refusal or _agree(request, policy)


def refuse(refusal: Refusal) -> bytes:
    """Write the A-ASSOCIATE-RJ."""
    primitive = A_ASSOCIATE()
    primitive.result = refusal.result
    primitive.result_source = refusal.source
    primitive.diagnostic = refusal.reason
    return _encoded(A_ASSOCIATE_RJ(), primitive)


def propose(contexts: list[Context], calling_ae: str, called_ae: str, max_pdu_bytes: int) -> bytes:
    """Write the A-ASSOCIATE-RQ for `contexts`, of which the n-th gets the ID 2n + 1."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT
    primitive.calling_ae_title, primitive.called_ae_title = calling_ae, called_ae
    primitive.presentation_context_definition_list = [
        build_context(context.sop_class_uid, context.transfer_syntax_uid) for context in contexts
    ]
    for index, proposed in enumerate(primitive.presentation_context_definition_list):
        proposed.context_id = 2 * index + 1
    primitive.user_information = _user_information(max_pdu_bytes)
    return _encoded(A_ASSOCIATE_RQ(), primitive)


def agreed(pdu: bytes, contexts: list[Context]) -> Agreement:
    """Read the A-ASSOCIATE-AC to a proposal of `contexts`.

    A context that came back in a transfer syntax that was not proposed counts as not accepted.

    Raises
    ------
    ProtocolFault
        If the PDU cannot be read.
    """
    _, primitive = _decoded(A_ASSOCIATE_AC(), pdu)
    proposed = {2 * index + 1: context for index, context in enumerate(contexts)}
    answers = primitive.presentation_context_definition_results_list
    accepted = {c.context_id: c.transfer_syntax[0] for c in answers if c.result == _ACCEPTED}
    kept = {at: c for at, c in proposed.items() if accepted.get(at) == c.transfer_syntax_uid}
    return Agreement("", kept, _peer_max_pdu_bytes(primitive))


def rejected(pdu: bytes) -> Refusal:
    """Read an A-ASSOCIATE-RJ.

    Raises
    ------
    ProtocolFault
        If the PDU cannot be read.
    """
    answer, _ = _decoded(A_ASSOCIATE_RJ(), pdu)
    return Refusal(answer.result, answer.source, answer.reason_diagnostic, answer.reason_str)


def _decoded(answer: PDU, pdu: bytes) -> tuple[PDU, A_ASSOCIATE]:
    try:
        answer.decode(pdu)
        return answer, answer.to_primitive()
    except _UNREADABLE as error:
        raise ProtocolFault(f"an {type(answer).__name__} that cannot be read", INVALID_VALUE) from error


def _read(pdu: bytes) -> tuple[int, A_ASSOCIATE]:
    request, primitive = _decoded(A_ASSOCIATE_RQ(), pdu)
    contexts = primitive.presentation_context_definition_list
    if not contexts or any(not c.abstract_syntax or not c.transfer_syntax for c in contexts):
        raise ProtocolFault("an A-ASSOCIATE-RQ without presentation contexts", INVALID_VALUE)
    return request.protocol_version, primitive


def _refusal(version: int, request: A_ASSOCIATE, policy: Policy) -> Refusal | None:
    if not version & 1:
        return OLD_PROTOCOL
    if request.application_context_name != APPLICATION_CONTEXT:
        return OTHER_APPLICATION
    if policy.allowed_aes and request.calling_ae_title not in policy.allowed_aes:
        return UNKNOWN_CALLER
    if policy.check_called_ae and request.called_ae_title != policy.ae_title:
        return UNKNOWN_CALLED
    return None


def _agree(request: A_ASSOCIATE, policy: Policy) -> Agreement:
    answers = [_answer(proposed) for proposed in request.presentation_context_definition_list]
    reply = A_ASSOCIATE()
    reply.application_context_name = APPLICATION_CONTEXT
    reply.calling_ae_title = request.calling_ae_title
    reply.called_ae_title = request.called_ae_title
    reply.result, reply.result_source = 0, 1
    reply.presentation_context_definition_results_list = answers
    reply.user_information = _user_information(policy.max_pdu_bytes)
    return Agreement(
        calling_ae=request.calling_ae_title,
        contexts={c.context_id: _context(c) for c in answers if c.result == _ACCEPTED},
        peer_max_pdu_bytes=_peer_max_pdu_bytes(request),
        reply=_encoded(A_ASSOCIATE_AC(), reply),
    )


def _user_information(max_pdu_bytes: int) -> list[object]:
    """Return who we are and how much we take: nothing else is negotiated (PS3.7 annex D.3.3)."""
    largest = MaximumLengthNotification()
    largest.maximum_length_received = max_pdu_bytes
    identity = ImplementationClassUIDNotification()
    identity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return [largest, identity, version]


def _answer(proposed: PresentationContext) -> PresentationContext:
    answer = PresentationContext()
    answer.context_id = proposed.context_id
    answer.abstract_syntax = proposed.abstract_syntax
    known = _first_known(proposed.transfer_syntax)
    answer.transfer_syntax = [known or proposed.transfer_syntax[0]]
    if proposed.abstract_syntax != VERIFICATION and proposed.abstract_syntax not in storage_sop_class_uids():
        answer.result = _NO_ABSTRACT_SYNTAX
    else:
        answer.result = _ACCEPTED if known else _NO_TRANSFER_SYNTAX
    return answer


def _first_known(proposed: Collection[str]) -> str:
    """Return the first transfer syntax in which an object may be kept, empty if there is none."""
    return next((str(uid) for uid in proposed if uid in transfer_syntax_uids()), "")


def _context(answer: PresentationContext) -> Context:
    return Context(str(answer.abstract_syntax), str(answer.transfer_syntax[0]))


def _peer_max_pdu_bytes(primitive: A_ASSOCIATE) -> int:
    for item in primitive.user_information:
        if isinstance(item, MaximumLengthNotification):
            return int(item.maximum_length_received)
    return 0


def _encoded(pdu: PDU, primitive: A_ASSOCIATE) -> bytes:
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())
