"""Live updates: what has changed, told to open pages by server-sent events (WHATWG HTML section 9.2).

An event holds identifiers and kinds only; the page then asks for what it may see. A page that was cut off
comes back with the number of the last event it heard, and is told what it missed.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from coread.domain.person import Permission
from coread.errors import OutOfRoom
from coread.gateways.pages.asking import Asked
from coread.governance import Caller
from coread.ledger import Ledger, RecordedEvent

#: Kinds of events, by their first word, that each permission opens.
_WORDS_BY_PERMISSION: Final = {
    Permission.SEE_WORKLIST: frozenset(
        {"study", "reading", "review", "impression", "finding", "report", "question", "results", "delivery"}
    ),
    Permission.SEE_SYSTEM: frozenset(
        {"study", "reading", "results", "delivery", "instance", "step", "worker", "archive"}
    ),
}
_HELD_EVENTS = 2000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
_BEAT = ": still here\n\n"


class LiveEvents:
    """Tells open pages what is new in the ledger.

    All pages of a process share one look at the ledger in each interval.

    Parameters
    ----------
    ledger
        What is watched.
    interval_s
        Between two looks.
    beat_s
        Silence after which a comment is sent, so that proxies keep the connection.
    lifetime_s
        After which a page must come back, and so show again who asks.
    """

    def __init__(
        self, ledger: Ledger, *, interval_s: float = 1.0, beat_s: float = 15.0, lifetime_s: float = 300.0
    ) -> None:
        self._ledger = ledger
        self._interval_s = interval_s
        self._beat_s = beat_s
        self._lifetime_s = lifetime_s
        self._lock = threading.Lock()
        self._held: deque[RecordedEvent] = deque(maxlen=_HELD_EVENTS)
        self._sequence: int | None = None
        self._looked_at = 0.0
        self._is_closed = False

    def close(self) -> None:
        """End all streams soon; pages come back when there is a server again."""
        self._is_closed = True

    async def answer(self, request: Request) -> Response:
        """Open a stream for a page."""
        caller = Asked(request).caller
        told = request.headers.get("last-event-id", "") or request.query_params.get("after", "")
        after = int(told) if told.isascii() and told.isdecimal() and len(told) < 18 else None
        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(self._stream(caller, after), 200, headers, "text/event-stream")

    async def _stream(self, caller: Caller, after: int | None) -> AsyncIterator[str]:
        words = words_for(caller)
        sequence = await run_in_threadpool(self._look) if after is None else after
        yield f"retry: 2000\nid: {sequence}\nevent: hello\ndata: {{}}\n\n"
        until, heard = time.monotonic() + self._lifetime_s, time.monotonic()
        while time.monotonic() < until and not self._is_closed:
            events = await run_in_threadpool(self._heard, sequence)
            sequence = events[-1].sequence if events else sequence
            if message := told(events, words):
                heard = time.monotonic()
                yield f"id: {sequence}\nevent: changed\ndata: {message}\n\n"
            elif time.monotonic() - heard > self._beat_s:
                heard = time.monotonic()
                yield _BEAT
            await asyncio.sleep(self._interval_s)

    def _heard(self, sequence: int) -> Sequence[RecordedEvent]:
        """Return what is new; nothing while the database has no time for us, for it is told later."""
        try:
            return self._since(sequence)
        except OutOfRoom:
            return ()

    def _since(self, sequence: int) -> Sequence[RecordedEvent]:
        self._look()
        with self._lock:
            held = list(self._held)
        if sequence == self._sequence:
            return ()
        if held and held[0].sequence <= sequence + 1:
            return [event for event in held if event.sequence > sequence]
        return self._ledger.events(after=sequence, limit=_HELD_EVENTS)

    def _look(self) -> int:
        """Take in what is new, once in an interval whoever asks; return the last sequence."""
        with self._lock:
            if self._sequence is None:
                self._sequence = self._ledger.size()
            elif time.monotonic() - self._looked_at >= self._interval_s / 2:
                self._held.extend(self._ledger.events(after=self._sequence, limit=_HELD_EVENTS))
                self._sequence = self._held[-1].sequence if self._held else self._sequence
            else:
                return self._sequence
            self._looked_at = time.monotonic()
            return self._sequence


def words_for(caller: Caller) -> frozenset[str]:
    """Give the first words of the kinds that a caller may hear of."""
    return frozenset().union(*(_WORDS_BY_PERMISSION.get(held, frozenset()) for held in caller.permissions))


def told(events: Sequence[RecordedEvent], words: frozenset[str]) -> str:
    """Write as JSON which studies changed, by which kinds of events; empty if none that may be told did."""
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for record in events:
        kind = record.event.kind
        if kind.partition(".")[0] in words and kind not in kinds[record.event.subject]:
            kinds[record.event.subject].append(kind)
    subjects = {subject: found for subject, found in kinds.items() if found}
    return json.dumps({"changed": subjects}, separators=(",", ":")) if subjects else ""
