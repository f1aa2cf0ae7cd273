"""The listening end: one thread for each association, and no more of them than allowed."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass

from coread.gateways.dimse.association import Association, Patience
from coread.gateways.dimse.incoming import Inbox
from coread.gateways.dimse.negotiation import TOO_MANY, Policy
from coread.gateways.dimse.tls import TlsFiles, server_context
from coread.gateways.dimse.upper_layer import Connection

logger = logging.getLogger(__name__)

_BACKLOG = 128
#: Callers above the limit that are told so at one time; those above are cut off without a word.
_MAX_TURNED_AWAY = 16
_PAUSE_AFTER_FAULT_S = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """What one receiver takes upon itself."""

    max_associations: int = 32
    """Open at one time; one more is refused for now (transient)."""
    max_pdu_bytes: int = 256 << 10
    """Largest P-DATA-TF, as announced."""
    max_object_bytes: int = 2 << 30
    artim_timeout_s: float = 10.0
    """Until an association is asked for, and until the peer closes after the end."""
    idle_timeout_s: float = 30.0
    """Of silence between two messages."""
    stall_timeout_s: float = 30.0
    """Of silence in the middle of a message."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where we listen, as whom, and for whom."""

    host: str = "127.0.0.1"
    port: int = 11112
    """0: any free one; `Receiver.port` then tells which."""
    ae_title: str = "COREAD"
    allowed_aes: frozenset[str] = frozenset()
    """Calling AE titles that are let in; empty: all."""
    check_called_ae: bool = False
    """Whether callers must call us by `ae_title`."""


class Receiver:
    """C-ECHO and C-STORE SCP.

    Parameters
    ----------
    address
        Where to listen, as whom.
    inbox
        Begins drafts and files them; called from many threads at one time.
    limits
        What is too much.
    tls
        Our certificate; None: without TLS.

    Examples
    --------
    >>> from coread.gateways.dimse import Address, Receiver
    >>> receiver = Receiver(Address(port=0), inbox=None)
    >>> receiver.start(); receiver.port > 0
    True
    >>> receiver.stop()
    """

    def __init__(
        self, address: Address, inbox: Inbox, limits: Limits = Limits(), tls: TlsFiles | None = None
    ) -> None:
        self._address = address
        self._inbox = inbox
        self._limits = limits
        self._tls = server_context(tls) if tls else None
        self._policy = Policy(
            address.ae_title, address.allowed_aes, address.check_called_ae, limits.max_pdu_bytes
        )
        self._patience = Patience(limits.artim_timeout_s, limits.idle_timeout_s, limits.stall_timeout_s)
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, Connection | None] = {}
        self._listener: socket.socket | None = None
        self._greeter = threading.Thread()
        self._port = address.port
        self._is_stopping = False

    @property
    def port(self) -> int:
        """The TCP port on which we listen, or did before we were stopped."""
        return self._port

    @property
    def associations(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    def start(self) -> None:
        """Listen, and return.

        Raises
        ------
        OSError
            If the address is taken or not ours.
        """
        self._is_stopping = False
        self._listener = socket.create_server(
            (self._address.host, self._address.port), backlog=_BACKLOG, family=_family(self._address.host)
        )
        self._port = int(self._listener.getsockname()[1])
        self._greeter = threading.Thread(
            target=self._greet, args=(self._listener,), name="dimse-listener", daemon=True
        )
        self._greeter.start()

    def stop(self, wait_s: float = 10.0) -> None:
        """Stop listening; let what is being filed be filed and answered, then abort every association.

        Parameters
        ----------
        wait_s
            Longest wait for the associations to end, in seconds.
        """
        self._is_stopping = True
        self._stop_listening()
        with self._lock:
            threads = dict(self._open)
        for connection in threads.values():
            if connection is not None:
                connection.stop_receiving()
        deadline = time.monotonic() + wait_s
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for callers
            self._greeter.join()
            listener.close()

    def _greet(self, listener: socket.socket) -> None:
        while not self._is_stopping:
            try:
                sock, _ = listener.accept()
            except OSError:
                # Stopped, or out of file descriptors; these come back when an association ends.
                time.sleep(0 if self._is_stopping else _PAUSE_AFTER_FAULT_S)
                continue
            self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        with self._lock:
            place = len(self._open)
            if place >= self._limits.max_associations + _MAX_TURNED_AWAY or self._is_stopping:
                sock.close()
                return
            is_full = place >= self._limits.max_associations
            thread = threading.Thread(target=self._serve, args=(sock, is_full), name="dimse", daemon=True)
            self._open[thread] = None
        thread.start()

    def _serve(self, sock: socket.socket, is_full: bool) -> None:
        me = threading.current_thread()
        try:
            with self._secured(sock) as ready:
                connection = Connection(ready, self._limits.max_pdu_bytes)
                with self._lock:
                    self._open[me] = connection
                    if self._is_stopping:  # since before `stop` could see this connection
                        connection.stop_receiving()
                self._association(connection).serve(TOO_MANY if is_full else None)
        except ssl.SSLError as error:
            logger.warning("no TLS with a caller: %s", error.reason)
        except OSError:
            logger.info("a caller vanished before an association")
        finally:
            with self._lock:
                del self._open[me]

    def _secured(self, sock: socket.socket) -> socket.socket:
        sock.settimeout(self._patience.artim_s)
        if self._tls is None:
            return sock
        try:
            return self._tls.wrap_socket(sock, server_side=True)
        except OSError:
            sock.close()
            raise

    def _association(self, connection: Connection) -> Association:
        return Association(
            connection, self._inbox, self._policy, self._patience, self._limits.max_object_bytes
        )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
