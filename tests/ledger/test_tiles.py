"""The edge and the stored nodes give the roots and proofs that all leaves together give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import Recorder, event
from sqlalchemy import delete, select

from coread.archive import Database
from coread.errors import NotFound
from coread.ledger import Ledger, consistency_proof, frontier, inclusion_proof, leaf_hash, root, tiles
from coread.ledger.frontier import Frontier
from coread.ledger.merkle import consistency_runs, fold, inclusion_runs, perfect_trees
from coread.ledger.tables import EVENTS, FRONTIER, NODES

LEAVES = [leaf_hash(number.to_bytes(2)) for number in range(600)]


@given(st.integers(0, 600))
def test_the_edge_knows_the_root(size: int) -> None:
    edge = Frontier()
    edge.extend(LEAVES[:size])
    assert edge.root() == root(LEAVES[:size])
    assert Frontier.from_bytes(size, edge.to_bytes()).peaks == edge.peaks
    for wrong in (size + 1, -1):
        if wrong.bit_count() != size.bit_count() or wrong < 0:
            with pytest.raises(ValueError, match="Expected"):
                Frontier.from_bytes(wrong, edge.to_bytes())


def test_nodes_are_kept_for_each_256_leaves() -> None:
    edge = Frontier()
    made = edge.extend(LEAVES)
    assert [(node.level, node.index) for node in made] == [(8, 0), (8, 1)]
    assert [node.hash for node in made] == [root(LEAVES[:256]), root(LEAVES[256:512])]


@given(st.integers(1, 10**6), st.data())
def test_a_proof_is_never_longer_than_the_tree_is_high(size: int, data: st.DataObject) -> None:
    index, earlier = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    height = (size - 1).bit_length()
    assert len(inclusion_runs(index, size)) <= height
    assert len(consistency_runs(earlier, size)) <= height + 1
    for start, end in (*inclusion_runs(index, size), *consistency_runs(earlier, size)):
        assert sum(1 << level for level, _ in perfect_trees((start, end))) == end - start


def test_a_fold_of_nothing_is_the_root_of_nothing() -> None:
    assert fold([]) == root([])


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a node for each 4 leaves, so that small trees have many levels of them."""
    monkeypatch.setattr(frontier, "STRIDE", 2)
    monkeypatch.setattr(tiles, "STRIDE", 2)
    monkeypatch.setattr(tiles, "_WIDTH", 4)


def test_proofs_from_the_database_are_those_of_all_leaves(narrow: None, recorder: Recorder) -> None:
    for count in (1, 3, 5, 60, 11):
        recorder.record(count)
    leaves = recorder.ledger.leaves()
    with recorder.database.read() as connection:
        assert {row.level for row in connection.execute(select(NODES))} == {2, 4, 6}
    for size in (1, 2, 3, 4, 5, 16, 17, 63, 64, 79, 80):
        whole = root(leaves[:size])
        proofs = recorder.ledger.prove(range(1, size + 1), size)
        assert [proof.path for proof in proofs] == [inclusion_proof(leaves[:size], i) for i in range(size)]
        assert all(proof.holds and proof.root == whole for proof in proofs)
        for earlier in range(1, size + 1):
            growth = recorder.ledger.prove_growth(earlier, size)
            assert growth.path == consistency_proof(leaves[:size], earlier)
            assert growth.holds
    assert not list(recorder.ledger.verify())


def test_proofs_on_both_systems(database: Database) -> None:
    ledger = Ledger(database)
    for at in range(0, 700, 100):
        ledger.append_many([event(number) for number in range(at, at + 100)])
    leaves = ledger.leaves()
    for size in (255, 256, 257, 512, 700):
        assert ledger.root(size) == root(leaves[:size])
        proofs = ledger.prove([1, 200, size], size)
        assert [p.path for p in proofs] == [inclusion_proof(leaves[:size], i) for i in (0, 199, size - 1)]
        assert ledger.prove_growth(200, size).holds
    assert not list(ledger.verify())


def test_what_is_not_there_cannot_be_proven(recorder: Recorder) -> None:
    recorder.record(3)
    for sequence in (0, 4):
        with pytest.raises(NotFound):
            recorder.ledger.prove([sequence], 3)
    with pytest.raises(NotFound):
        recorder.ledger.prove([1], 9)
    with recorder.database.write() as connection:
        connection.execute(delete(EVENTS).where(EVENTS.c.sequence == 2))
    with pytest.raises(NotFound):
        recorder.ledger.prove([1], 3)
    left = recorder.ledger.leaves()
    assert recorder.ledger.root() == root(left)  # told by `verify`, not by an error


def test_rows_of_a_version_without_a_tree_become_its_first_leaves(recorder: Recorder) -> None:
    recorder.record(300)
    whole = recorder.ledger.root()
    with recorder.database.write() as connection:
        connection.execute(delete(FRONTIER))
        connection.execute(delete(NODES))
    recorder.record(1)
    assert recorder.ledger.root(300) == whole
    assert not list(recorder.ledger.verify())


def test_a_row_that_another_version_wrote_meanwhile_is_taken_in(recorder: Recorder) -> None:
    recorder.record(3)
    with recorder.database.write() as connection:
        edge = connection.execute(select(FRONTIER)).mappings().one()
    recorder.record(2)
    with recorder.database.write() as connection:
        connection.execute(delete(FRONTIER))
        connection.execute(FRONTIER.insert().values(dict(edge)))
    recorder.record(1)
    assert not list(recorder.ledger.verify())
