"""Merkle tree hashes and proofs of RFC 6962 section 2.1, over values alone.

A *leaf hash* stands for one entry; the *root* stands for all of them in their order.
An inclusion proof shows that an entry is under a root; a consistency proof shows that
a later tree only added to an earlier one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

Hash = bytes


def leaf_hash(entry: bytes) -> Hash:
    """Return the hash of one entry: SHA-256 of a zero byte and the entry (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


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
        pairs = [_node_hash(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def inclusion_proof(leaves: Sequence[Hash], index: int) -> tuple[Hash, ...]:
    """Return the audit path of the leaf at `index` (from 0), lowest first (section 2.1.1).

    Raises
    ------
    ValueError
        If there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"Expected an index below {len(leaves)}, got {index}.")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(leaves[:split], index), root(leaves[split:]))
    return (*inclusion_proof(leaves[split:], index - split), root(leaves[:split]))


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
            result = _node_hash(sibling, result)
            node, last = _climb(node, last)
        else:
            result = _node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == expected


def consistency_proof(leaves: Sequence[Hash], earlier_size: int) -> tuple[Hash, ...]:
    """Return the proof that the first `earlier_size` leaves still begin the tree (section 2.1.2).

    Raises
    ------
    ValueError
        Unless 0 < earlier_size <= number of leaves.
    """
    if not 0 < earlier_size <= len(leaves):
        raise ValueError(f"Expected 1 to {len(leaves)} earlier leaves, got {earlier_size}.")
    return _subproof(leaves, earlier_size, whole=True)


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
            low, high = _node_hash(sibling, low), _node_hash(sibling, high)
            node, last = _climb(node, last)
        else:
            high = _node_hash(high, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and low == old and high == new


def _node_hash(left: Hash, right: Hash) -> Hash:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _climb(node: int, last: int) -> tuple[int, int]:
    """Skip the levels on which a last, unpaired node has no sibling."""
    while node and not node % 2:
        node, last = node >> 1, last >> 1
    return node, last


def _subproof(leaves: Sequence[Hash], size: int, *, whole: bool) -> tuple[Hash, ...]:
    if size == len(leaves):
        return () if whole else (root(leaves),)
    split = _split(len(leaves))
    if size <= split:
        return (*_subproof(leaves[:split], size, whole=whole), root(leaves[split:]))
    return (*_subproof(leaves[split:], size - split, whole=False), root(leaves[:split]))
