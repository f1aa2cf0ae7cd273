"""HTTP to another system, in the delivery's own terms: taken, not reached, refused."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from coread.errors import DestinationRefused, DestinationUnreachable, SettingsFault

_MAX_ANSWER_BYTES = 8 << 20
_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408


@dataclass(frozen=True, slots=True)
class Access:
    """How to get into the other system."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each request, for instance an Authorization header; never logged."""
    timeout_s: float = 60.0
    """Of connecting, and of each read and write."""
    tls: ssl.SSLContext | None = None
    """Trusted authorities and own certificate; the machine's defaults where absent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other system said."""

    status: int
    body: bytes
    where: str
    """Scheme and host of the other system: no path, no query, no credentials."""


def tls_context(
    authorities: Path | None, certificate: Path | None, key: Path | None
) -> ssl.SSLContext | None:
    """Return how we call by https; None where the machine's defaults do.

    Raises
    ------
    SettingsFault
        If a file cannot be used.
    """
    if not authorities and not certificate:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authorities)
        if certificate and key:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsFault(
            f"certificates that cannot be used ({type(error).__name__})",
            "PEM files",
            "correct the files that calls.authorities, calls.certificate and calls.key name",
            where="calls",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # BCP 195
    return context


class Outgoing:
    """One connection's worth of requests; ignores the environment's proxies and credentials."""

    def __init__(self, access: Access) -> None:
        verify = access.tls if access.tls is not None else True
        self._client = httpx.Client(
            headers=dict(access.headers), timeout=access.timeout_s, verify=verify, trust_env=False
        )

    def __enter__(self) -> Outgoing:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | Iterator[bytes]
    ) -> Answer:
        """Send one request.

        Raises
        ------
        DestinationUnreachable
            If there was no answer, or one that asks to try again: 408, 429, 5xx.
        DestinationRefused
            If the address is no URL, or the answer is a redirection or larger than 8 MiB.
        """
        where = _checked_address(url)
        with (
            _as_delivery_faults(where),
            self._client.stream(method, url, headers=headers, content=content) as response,
        ):
            answer = Answer(response.status_code, _bounded(response, where), where)
        return _checked(answer)


def refused(answer: Answer, found: str) -> DestinationRefused:
    """Say that the other system answered `found`, which is a no."""
    return DestinationRefused(
        found=f"{found} (HTTP status {answer.status})",
        expected="the object taken",
        remedy="look into the destination's log; correct its settings or ours, then send again",
        where=answer.where,
    )


def unreachable(found: str, where: str = "") -> DestinationUnreachable:
    """Say that nothing was taken, for now."""
    return DestinationUnreachable(
        found=found, expected="an answer", remedy="nothing: it is tried again", where=where
    )


def _checked_address(url: str) -> str:
    """Return scheme and host; refuse credentials in an address, for addresses stand in logs."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    if "@" in host or scheme not in ("http", "https") or not host:
        raise DestinationRefused(
            "an address that is no http or https URL, or one with credentials",
            "http or https, a host, and credentials in a header",
            "correct the destination in the settings",
            where="destination",
        )
    return f"{scheme}://{host}"


def _checked(answer: Answer) -> Answer:
    if answer.status in (_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS) or answer.status >= 500:
        raise unreachable(f"HTTP status {answer.status}", answer.where)
    if 300 <= answer.status < 400:
        raise refused(answer, "a redirection, which is not followed")
    return answer


@contextmanager
def _as_delivery_faults(where: str) -> Iterator[None]:
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DestinationRefused("an address that is no URL", where="destination") from error
    except httpx.TransportError as error:
        raise unreachable(type(error).__name__, where) from error
    except httpx.DecodingError as error:
        raise DestinationRefused("an answer that cannot be decoded", where=where) from error


def _bounded(response: httpx.Response, where: str) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _MAX_ANSWER_BYTES:
            raise DestinationRefused("an answer larger than 8 MiB", where=where)
    return bytes(body)
