"""Merkle tree hashes and proofs of RFC 6962 section 2.1, over values alone.

A *leaf hash* stands for one entry; the *root* stands for all of them in their order.
An inclusion proof shows that an entry is under a root; a consistency proof shows that
a later tree only added to an earlier one.

Every hash of a proof is the root over a run of leaves ``[start, end)``. Which runs these are is a
function of numbers alone (`inclusion_runs`, `consistency_runs`), so that a proof can be made from
whatever knows the roots of runs: all leaves in memory, or a store of inner nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

Hash = bytes
Run = tuple[int, int]
"""Leaves from the first number (from 0) up to, not including, the second."""


def leaf_hash(entry: bytes) -> Hash:
    """Return the hash of one entry: SHA-256 of a zero byte and the entry (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Return the hash of two nodes: SHA-256 of a byte 1 and both (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[Hash]) -> Hash:
    """Return the Merkle tree hash over leaf hashes; of no leaves, SHA-256 of nothing.

    Examples
    --------
    >>> root([]).hex()[:16]
    'e3b0c44298fc1c14'
    >>> root([leaf_hash(b"")]) == leaf_hash(b"")
    True
    """
    if not leaves:
        return hashlib.sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        pairs = [node_hash(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def fold(peaks: Sequence[Hash]) -> Hash:
    """Return the root over neighbouring perfect trees, the largest first; of none, SHA-256 of nothing."""
    if not peaks:
        return hashlib.sha256().digest()
    result = peaks[-1]
    for peak in reversed(peaks[:-1]):
        result = node_hash(peak, result)
    return result


def perfect_trees(run: Run) -> Iterator[tuple[int, int]]:
    """Cut a run that begins at a multiple of its largest tree into perfect trees, the largest first.

    Yields
    ------
    (level, index)
        The tree over leaves ``[index << level, (index + 1) << level)``.

    Examples
    --------
    >>> list(perfect_trees((8, 15)))
    [(2, 2), (1, 6), (0, 14)]
    """
    start, end = run
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def inclusion_runs(index: int, size: int) -> tuple[Run, ...]:
    """Return the runs whose roots are the audit path of a leaf, lowest first (section 2.1.1).

    Raises
    ------
    ValueError
        If there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"Expected an index below {size}, got {index}.")
    runs: list[Run] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            runs.append((middle, end))
            end = middle
        else:
            runs.append((start, middle))
            start = middle
    return tuple(reversed(runs))


def consistency_runs(earlier: int, size: int) -> tuple[Run, ...]:
    """Return the runs whose roots prove that `earlier` leaves begin a tree of `size` (section 2.1.2).

    Raises
    ------
    ValueError
        Unless 0 < earlier <= size.
    """
    if not 0 < earlier <= size:
        raise ValueError(f"Expected 1 to {size} earlier leaves, got {earlier}.")
    runs: list[Run] = []
    start, end = 0, size
    while earlier != end:
        middle = start + _split(end - start)
        if earlier <= middle:
            runs.append((middle, end))
            end = middle
        else:
            runs.append((start, middle))
            start = middle
    if start:
        runs.append((start, end))
    return tuple(reversed(runs))


def inclusion_proof(leaves: Sequence[Hash], index: int) -> tuple[Hash, ...]:
    """Return the audit path of the leaf at `index` (from 0), lowest first (section 2.1.1).

    Raises
    ------
    ValueError
        If there is no such leaf.
    """
    return tuple(root(leaves[start:end]) for start, end in inclusion_runs(index, len(leaves)))


def consistency_proof(leaves: Sequence[Hash], earlier_size: int) -> tuple[Hash, ...]:
    """Return the proof that the first `earlier_size` leaves still begin the tree (section 2.1.2).

    Raises
    ------
    ValueError
        Unless 0 < earlier_size <= number of leaves.
    """
    return tuple(root(leaves[start:end]) for start, end in consistency_runs(earlier_size, len(leaves)))


def verify_inclusion(leaf: Hash, index: int, size: int, proof: Sequence[Hash], expected: Hash) -> bool:
    """Tell whether `proof` leads from `leaf` at `index` to the root `expected` of `size` leaves.

    The walk is that of RFC 9162 section 2.1.3.2, which gives the same answers as RFC 6962.
    """
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node % 2 or node == last:
            result = node_hash(sibling, result)
            node, last = _climb(node, last)
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == expected


def verify_consistency(sizes: tuple[int, int], proof: Sequence[Hash], roots: tuple[Hash, Hash]) -> bool:
    """Tell whether `proof` joins the earlier root to the later one.

    Parameters
    ----------
    sizes, roots
        (earlier, later).
    proof
        As `consistency_proof` gives it. Walk of RFC 9162 section 2.1.4.2.
    """
    (earlier, later), (old, new) = sizes, roots
    if earlier == later:
        return not proof and old == new
    if not 0 < earlier < later or not proof:
        return False
    path = list(proof) if earlier & (earlier - 1) else [old, *proof]
    node, last = earlier - 1, later - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    low = high = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node % 2 or node == last:
            low, high = node_hash(sibling, low), node_hash(sibling, high)
            node, last = _climb(node, last)
        else:
            high = node_hash(high, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and low == old and high == new


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _climb(node: int, last: int) -> tuple[int, int]:
    """Skip the levels on which a last, unpaired node has no sibling."""
    while node and not node % 2:
        node, last = node >> 1, last >> 1
    return node, last
