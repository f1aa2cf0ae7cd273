"""The right edge of the tree: all that is needed to add a leaf and to know the root, in O(log n).

The frontier of a tree holds the roots of the perfect trees into which its leaves fall, the largest first: one
for each bit that is set in the number of leaves. It is kept in one row, written in the transaction that
appends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from coread.ledger.merkle import Hash, fold, node_hash

#: Every so many levels the roots of perfect trees are stored: a node stands for 256 leaves, or 256 nodes.
STRIDE = 8
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Node:
    """The root over leaves ``[index << level, (index + 1) << level)``."""

    level: int
    index: int
    hash: Hash


@dataclass(slots=True)
class Frontier:
    """Grows by one leaf at a time.

    Examples
    --------
    >>> from coread.ledger.merkle import leaf_hash, root
    >>> leaves = [leaf_hash(bytes([n])) for n in range(5)]
    >>> frontier = Frontier()
    >>> frontier.extend(leaves)
    []
    >>> frontier.root() == root(leaves), frontier.size
    (True, 5)
    """

    size: int = 0
    """Number of leaves."""
    peaks: list[Hash] = field(default_factory=list)
    """Roots of the perfect trees, the largest first."""

    def add(self, leaf: Hash) -> list[Node]:
        """Add a leaf hash; return the inner nodes that it completed and that are stored."""
        made: list[Node] = []
        level, index = 0, self.size
        while index & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            level, index = level + 1, index >> 1
            if level % STRIDE == 0:
                made.append(Node(level, index, leaf))
        self.peaks.append(leaf)
        self.size += 1
        return made

    def extend(self, leaves: Iterable[Hash]) -> list[Node]:
        """Add leaf hashes; return the inner nodes that they completed and that are stored."""
        return [node for leaf in leaves for node in self.add(leaf)]

    def root(self) -> Hash:
        """Return the root over all leaves."""
        return fold(self.peaks)

    def to_bytes(self) -> bytes:
        """Return the hashes one after the other, for one column."""
        return b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Read what `to_bytes` wrote.

        Raises
        ------
        ValueError
            If these are not the hashes of a tree of this size.
        """
        if size < 0 or len(data) != _HASH_BYTES * size.bit_count():
            raise ValueError(
                f"Expected {size.bit_count()} hashes of a tree of {size}, got {len(data)} bytes."
            )
        return cls(size, [data[at : at + _HASH_BYTES] for at in range(0, len(data), _HASH_BYTES)])
