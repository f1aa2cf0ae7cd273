"""The check of a whole ledger, over rows in their order: pure, so that it can be tried ten thousand times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from coread.ledger.canonical import from_utc_text
from coread.ledger.frontier import Frontier, Node
from coread.ledger.merkle import Hash
from coread.ledger.records import FORGETTING, LedgerFault, StoredEvent

#: Events that hold times of several machines may stand a little out of order; a clock that was set back
#: further than this is told.
CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands beside the events and must fit them."""

    frontier: Frontier | None
    """None where its row is gone."""
    nodes: Mapping[tuple[int, int], Hash]
    """By level and index."""
    heads: Mapping[int, Hash]
    """Root by size, of each signed head."""
    unsigned: frozenset[int] = frozenset()
    """Sizes of heads whose signature does not hold."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a whole ledger found."""

    faults: tuple[LedgerFault, ...]
    size: int
    """Events from the first one on without a hole."""
    root: Hash
    """Over these."""
    steps_back: tuple[int, ...] = ()
    """Events before which the clock went back: no fault of the ledger, but told."""


@dataclass(slots=True)
class Check:
    """Takes the rows one by one, then what stands beside them.

    Parameters
    ----------
    kept
        What must fit.
    """

    kept: Kept
    grown: Frontier = field(default_factory=Frontier)
    """Of the leaf hashes taken so far."""
    steps_back: list[int] = field(default_factory=list)
    """Events before which the clock went back."""
    _expected: int = 1
    _is_whole: bool = True
    _latest: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    _forgotten: list[int] = field(default_factory=list)
    _allowed: set[int] = field(default_factory=set)
    _nodes: set[tuple[int, int]] = field(default_factory=set)

    def faults(self, rows: Iterable[StoredEvent]) -> Iterator[LedgerFault]:
        """Give every place that is not as it was written."""
        for row in rows:
            yield from self._take(row)
        for sequence in self._forgotten:
            if sequence not in self._allowed:
                yield LedgerFault(sequence, "changed")
        yield from self._end()

    def _take(self, row: StoredEvent) -> Iterator[LedgerFault]:
        if row.sequence != self._expected:
            self._is_whole = False
            yield LedgerFault(min(self._expected, row.sequence), "missing")
        self._expected = row.sequence + 1
        if not row.is_as_written:
            yield LedgerFault(row.sequence, "changed")
        else:
            self._look_at(row)
        self._is_whole &= isinstance(row.leaf_hash, bytes)
        if self._is_whole:
            yield from self._grow(row)

    def _look_at(self, row: StoredEvent) -> None:
        at = from_utc_text(row.at)
        if at < self._latest - CLOCK_TOLERANCE:
            self.steps_back.append(row.sequence)
        self._latest = max(self._latest, at)
        if row.is_forgotten:
            self._forgotten.append(row.sequence)
        if row.kind == FORGETTING:
            self._allowed |= numbers_of(row.event.facts.get("sequences", ""), row.sequence)

    def _grow(self, row: StoredEvent) -> Iterator[LedgerFault]:
        for node in self.grown.add(row.leaf_hash):
            yield from self._compare(node)
        size = self.grown.size
        if self.kept.heads.get(size, b"") not in (b"", self.grown.root()):
            yield LedgerFault(size, "head")
        kept = self.kept.frontier
        if kept is not None and kept.size == size and kept.peaks != self.grown.peaks:
            yield LedgerFault(size, "root")

    def _compare(self, node: Node) -> Iterator[LedgerFault]:
        place = (node.level, node.index)
        self._nodes.add(place)
        if self.kept.nodes.get(place) != node.hash:
            yield LedgerFault((node.index + 1) << node.level, "node")

    def _end(self) -> Iterator[LedgerFault]:
        size, kept = self._expected - 1, self.kept
        if kept.frontier is None:
            if size:
                yield LedgerFault(size, "root")
        elif kept.frontier.size > size:
            yield LedgerFault(size + 1, "missing")
        elif kept.frontier.size < size:
            yield LedgerFault(kept.frontier.size + 1, "unaccounted")
        if self._is_whole:
            for level, index in kept.nodes.keys() - self._nodes:
                yield LedgerFault((index + 1) << level, "node")
        yield from (LedgerFault(at, "head") for at in kept.heads if at > size or at < 1)
        yield from (LedgerFault(at, "signature") for at in sorted(kept.unsigned))


def numbers_of(text: str, below: int) -> set[int]:
    """Read ``3-5 9`` as 3, 4, 5 and 9; only numbers under `below`, anything else is left out.

    Examples
    --------
    >>> sorted(numbers_of("3-5 9 x 7-", 9))
    [3, 4, 5]
    """
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found |= set(range(int(first), min(int(last or first) + 1, below)))
    return found


def text_of(numbers: Sequence[int]) -> str:
    """Write rising numbers as `numbers_of` reads them.

    Examples
    --------
    >>> text_of([3, 4, 5, 9])
    '3-5 9'
    """
    parts: list[tuple[int, int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    return " ".join(f"{a}-{b}" if b > a else str(a) for a, b in parts)
