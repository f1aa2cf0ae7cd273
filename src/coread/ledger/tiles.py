"""Roots of runs of leaves from the database: at most a few rows of 256 hashes for any proof."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from coread.errors import NotFound
from coread.ledger.frontier import STRIDE
from coread.ledger.merkle import Hash, Run, fold, inclusion_runs, perfect_trees, root
from coread.ledger.records import Inclusion
from coread.ledger.tables import EVENTS, NODES

_WIDTH = 1 << STRIDE


class Tiles:
    """The stored hashes of one tree; each tile of 256 is read once.

    Parameters
    ----------
    connection
        In whose transaction is read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read: dict[tuple[int, int], Mapping[int, Hash]] = {}

    def root(self, run: Run) -> Hash:
        """Return the root over a run that `coread.ledger.merkle` named.

        Raises
        ------
        NotFound
            If a hash that is needed is gone.
        """
        return fold([self._tree(level, index) for level, index in perfect_trees(run)])

    def inclusion(self, sequence: int, size: int, root: Hash) -> Inclusion:
        """Prove that an event stands in the tree of `size` leaves, whose root is known.

        Raises
        ------
        NotFound
            If the tree has no such event, or a hash that is needed is gone.
        """
        if not 1 <= sequence <= size:
            raise NotFound("a number of no event", f"1 to {size}", where="ledger")
        path = tuple(self.root(run) for run in inclusion_runs(sequence - 1, size))
        return Inclusion(sequence, self._hash(0, sequence - 1), size, path, root)

    def _tree(self, level: int, index: int) -> Hash:
        above = level % STRIDE
        first = index << above
        return root([self._hash(level - above, each) for each in range(first, first + (1 << above))])

    def _hash(self, level: int, index: int) -> Hash:
        place = (level, index >> STRIDE)
        if place not in self._read:
            self._read[place] = self._tile(*place)
        try:
            return self._read[place][index]
        except KeyError:
            raise NotFound(
                "a place of the ledger that is gone", "its hash", "verify the ledger", where="ledger"
            ) from None

    def _tile(self, level: int, tile: int) -> Mapping[int, Hash]:
        first = tile * _WIDTH
        if level == 0:
            among = EVENTS.c.sequence.between(first + 1, first + _WIDTH)
            found = self._connection.execute(select(EVENTS.c.sequence - 1, EVENTS.c.leaf_hash).where(among))
        else:
            among = NODES.c.position.between(first, first + _WIDTH - 1)
            found = self._connection.execute(
                select(NODES.c.position, NODES.c.hash).where(NODES.c.level == level, among)
            )
        return {row[0]: bytes(row[1]) for row in found}
