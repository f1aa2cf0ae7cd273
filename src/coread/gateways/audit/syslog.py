"""Syslog over TLS (RFC 5424, RFC 5425), as IHE ATNA asks for (ITI-20)."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from coread.errors import DestinationRefused, DestinationUnreachable

_GOODBYE_S = 2.0


class SyslogTls:
    """One connection to an audit record repository.

    Syslog has no answer to a message. What can be known is known: the connection is closed with TLS's own
    goodbye (RFC 5425 section 4.4), and a repository that was gone before it had read all is an error, so that
    the batch is sent again. A machine that loses power after it has read is beyond what syslog can tell.

    Parameters
    ----------
    host, port
        Of the repository; 6514 is syslog's port for TLS.
    context
        Whom we trust, and our certificate where the repository asks for one.
    timeout_s
        Of connecting and of each write.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout_s: float = 30.0) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._timeout_s = timeout_s
        self._connection: ssl.SSLSocket | None = None

    def __enter__(self) -> Self:
        try:
            plain = socket.create_connection((self._host, self._port), self._timeout_s)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = self._context.wrap_socket(plain, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            raise DestinationRefused(
                f"a certificate that is not trusted ({error.verify_message})",
                "a certificate of audit.authorities",
                "correct the repository's certificate or our settings",
                where="audit repository",
            ) from error
        except OSError as error:
            raise self._away(error) from error
        return self

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages, each in its frame: length, space, message.

        Raises
        ------
        DestinationUnreachable
            If the connection broke.
        """
        assert self._connection is not None  # noqa: S101 - within the block alone
        try:
            self._connection.sendall(b"".join(b"%d %b" % (len(each), each) for each in messages))
        except OSError as error:
            raise self._away(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if kind is not None:
            connection.close()
            return
        try:
            connection.settimeout(_GOODBYE_S)
            with contextlib.suppress(TimeoutError):  # rsyslog keeps its end open: nothing speaks against it
                connection.unwrap()
        except ConnectionError as error:
            raise self._away(error) from error
        except ssl.SSLError as error:
            # rsyslog closes without a goodbye of its own; who has not read all resets the connection.
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise self._away(error) from error
        finally:
            connection.close()

    def _away(self, error: OSError) -> DestinationUnreachable:
        return DestinationUnreachable(
            f"no connection ({type(error).__name__})",
            "an audit record repository that takes messages",
            "nothing: it is tried again",
            where="audit repository",
        )
