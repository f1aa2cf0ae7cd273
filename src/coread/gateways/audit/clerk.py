"""The clerk: at intervals has the log's head signed and witnessed, and its events forwarded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from coread.errors import CoReadError
from coread.gateways.audit.forwarding import Forwarder
from coread.ledger import Notary

_log = logging.getLogger(__name__)


class Clerk:
    """Works beside the clinic in a thread of its own; whatever fails is logged and done again, care goes on.

    Parameters
    ----------
    notary
        Signs heads and shows them to witnesses.
    forwarders
        One for each audit repository.
    interval_s
        Between two rounds.
    """

    def __init__(self, notary: Notary, forwarders: Sequence[Forwarder], interval_s: float) -> None:
        self._notary = notary
        self._forwarders = forwarders
        self._interval_s = interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)

    def round(self) -> None:
        """Do everything once.

        Raises
        ------
        CoReadError
            If the key or the database cannot be used.
        """
        for name, fault in self._notary.watch():
            _log.critical("Witness %s tells against the ledger: %s at %d.", name, fault.what, fault.sequence)
        self._notary.sign()
        self._notary.show()
        for forwarder in self._forwarders:
            forwarder.forward()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way, and a last head."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while True:
            is_last = self._over.is_set()
            # In a thread of its own: what nobody foresaw ends this round, not the clerk.
            one_round = threading.Thread(target=self._round, name="clerk-round", daemon=True)
            one_round.start()
            one_round.join()
            if is_last:
                return
            self._over.wait(self._interval_s)

    def _round(self) -> None:
        try:
            self.round()
        except CoReadError as error:
            _log.error("The ledger's clerk could not do its round: %s", error)
