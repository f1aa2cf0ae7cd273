"""A time-stamp authority (RFC 3161) as witness: it says that a head existed at a time, and keeps nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.tsp import TimeStampRequest

from coread.errors import DestinationRefused, SettingsFault
from coread.gateways.outgoing import Access, Outgoing, refused
from coread.ledger import SignedHead

_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


class TimeStampWitness:
    """Has heads stamped; the reply is the receipt.

    Parameters
    ----------
    url
        Of the authority's HTTP service (RFC 3161 section 3.4).
    authorities
        PEM file of the certificates behind it; None: the stamp's own signature is checked by whoever verifies
        an export, here only that it is a stamp of this head.
    access
        Credentials and trust.

    Raises
    ------
    SettingsFault
        If the authorities cannot be read.
    """

    name = "time-stamp"

    def __init__(self, url: str, authorities: Path | None = None, access: Access | None = None) -> None:
        self._url = url
        self._roots = _certificates(authorities) if authorities else []
        self._access = access or Access()

    def send(self, head: SignedHead) -> bytes:
        """Have a head stamped and return the reply (DER).

        Raises
        ------
        DestinationUnreachable
            If the authority is away.
        DestinationRefused
            If it refuses, or the stamp is not one of this head by an authority that we know.
        """
        data = head.head.text.encode()
        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        with Outgoing(self._access) as outgoing:
            answer = outgoing.ask("POST", self._url, _HEADERS, request.as_bytes())
        if answer.status != 200:
            raise refused(answer, "no time stamp")
        self._check(_decoded(answer.body, answer.where), request, data, answer.where)
        return answer.body

    def latest(self, origin: str) -> SignedHead | None:
        """Return None: an authority keeps nothing."""
        return None

    def _check(self, reply: TimeStampResponse, request: TimeStampRequest, data: bytes, where: str) -> None:
        if PKIStatus(reply.status) is not PKIStatus.GRANTED:
            raise DestinationRefused("a time stamp that is not granted", where=where)
        info = reply.tst_info
        is_ours = info.message_imprint.message == hashlib.sha256(data).digest()
        if not is_ours or info.nonce != request.nonce:
            raise DestinationRefused("a time stamp of something else", where=where)
        if not self._roots:
            return
        builder = VerifierBuilder.from_request(request)
        for certificate in self._roots:
            builder = builder.add_root_certificate(certificate)
        try:
            builder.build().verify_message(reply, data)
        except (VerificationError, ValueError) as error:
            raise DestinationRefused(
                "a time stamp that no authority we know has signed", where=where
            ) from error


def _decoded(body: bytes, where: str) -> TimeStampResponse:
    try:
        return decode_timestamp_response(body)
    except ValueError as error:
        raise DestinationRefused("an answer that is no time stamp", where=where) from error


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsFault(
            "a file without certificates", "PEM certificates", "correct the file", where=path.name
        ) from error
