"""Group commit: whoever waits first commits for all who wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from coread.archive import Arrival, Filed

_MAX_BATCH = 256

FileMany = Callable[[Sequence[Arrival]], list[Filed]]


class _Ticket:
    __slots__ = ("arrival", "fault", "filed")

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.filed: Filed | None = None
        self.fault: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.filed is not None or self.fault is not None

    def outcome(self) -> Filed:
        if self.fault is not None:
            raise self.fault
        assert self.filed is not None  # noqa: S101  set by whoever committed
        return self.filed


class Committer:
    """Files arrivals of many threads in few transactions.

    No thread of its own and no delay: a thread that comes while another commits waits for its turn,
    and then finds its arrival committed together with those of all who waited beside it.

    Parameters
    ----------
    file_many
        Files a batch in one transaction.
    """

    def __init__(self, file_many: FileMany) -> None:
        self._file_many = file_many
        self._pending: list[_Ticket] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    @property
    def is_idle(self) -> bool:
        """Whether nobody commits at this moment."""
        return not self._turn.locked()

    def file(self, arrival: Arrival) -> Filed:
        """File one arrival whose bytes are synced; returns when its transaction is committed."""
        ticket = _Ticket(arrival)
        with self._guard:
            self._pending.append(ticket)
        with self._turn:
            while not ticket.is_done:
                self._commit(self._take())
        return ticket.outcome()

    def _take(self) -> list[_Ticket]:
        with self._guard:
            batch, self._pending = self._pending[:_MAX_BATCH], self._pending[_MAX_BATCH:]
        return batch

    def _commit(self, batch: list[_Ticket]) -> None:
        try:
            filed = self._file_many([ticket.arrival for ticket in batch])
        except BaseException as fault:  # whoever waits for this commit must hear of any fault, and raises it
            self._fall_back(batch, fault)
            if not isinstance(fault, Exception):
                raise
        else:
            for ticket, result in zip(batch, filed, strict=True):
                ticket.filed = result

    def _fall_back(self, batch: list[_Ticket], fault: BaseException) -> None:
        """After a failed batch, let each stand alone, so that one does not spoil the others."""
        if len(batch) == 1 or not isinstance(fault, Exception):
            for ticket in batch:
                ticket.fault = fault
            return
        for ticket in batch:
            self._commit([ticket])
