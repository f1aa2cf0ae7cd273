"""Hashes and proofs against published vectors of Certificate Transparency, then by property."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.ledger import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# Entries and roots of the Certificate Transparency reference tests (google/certificate-transparency,
# cpp/merkletree/merkle_tree_test.cc), which follow RFC 6962 section 2.1.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def test_no_entries_have_the_hash_of_nothing() -> None:
    assert root([]) == hashlib.sha256().digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_published(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_inclusion_path_is_that_published() -> None:
    # Path of the first entry in a tree of eight, from the same tests.
    assert [node.hex() for node in inclusion_proof(LEAVES, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def test_consistency_path_is_that_published() -> None:
    # From one entry to eight, from the same tests.
    assert [node.hex() for node in consistency_proof(LEAVES, 1)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


sizes = st.integers(1, 70)


@given(sizes, st.data())
def test_every_entry_is_included_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(leaves, index)
    assert verify_inclusion(leaves[index], index, size, proof, root(leaves))
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, root(leaves))
    assert not verify_inclusion(leaves[index], index, size, (*proof, leaf_hash(b"")), root(leaves))
    assert not verify_inclusion(leaves[index], size, size, proof, root(leaves))


@given(sizes, st.data())
def test_a_tree_that_grew_is_consistent_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    earlier = data.draw(st.integers(1, size))
    roots = (root(leaves[:earlier]), root(leaves))
    proof = consistency_proof(leaves, earlier)
    assert verify_consistency((earlier, size), proof, roots)
    assert not verify_consistency((earlier, size), proof, (leaf_hash(b"other"), roots[1]))
    assert not verify_consistency((earlier, size), proof, (roots[0], leaf_hash(b"other")))
    assert not verify_consistency((earlier, size), (*proof, leaf_hash(b"")), roots)


@given(sizes, st.data())
def test_any_change_changes_the_root(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    changed = [*leaves[:index], leaf_hash(b"changed"), *leaves[index + 1 :]]
    assert root(changed) != root(leaves)
    assert root(leaves[:-1]) != root(leaves)


def test_proofs_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="below 8"):
        inclusion_proof(LEAVES, 8)
    for earlier in (0, 9):
        with pytest.raises(ValueError, match="1 to 8"):
            consistency_proof(LEAVES, earlier)
    assert not verify_consistency((0, 8), LEAVES[:3], (LEAVES[0], LEAVES[1]))
    assert not verify_consistency((3, 8), (), (LEAVES[0], LEAVES[1]))
