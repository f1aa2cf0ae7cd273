"""Two persons open the vault together, none alone, and nothing happens off the record."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

import pytest

from coread.archive import Database
from coread.errors import AccessDenied, NotFound
from coread.governance.vault import (
    Entry,
    Opening,
    Vault,
    make_shares,
    open_sealed,
    open_share,
    prepare,
    public_key_of,
    seal,
    split_key,
)
from coread.governance.vault.shares import joined
from coread.ledger import Ledger

KEY = bytes(range(32))
AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ENTRY = Entry("study-7", "PABCDEFGHIJKLMNOPQRST", {"PatientID": "MRN7788991", "PatientName": "王^小东"})


@pytest.fixture
def vault(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'vault.sqlite'}")
    prepare(database)
    prepare(database)
    ledger = Ledger(database)
    made = Vault(database, ledger, public_key_of(KEY))
    made.keep([ENTRY], "person:ann", AT)
    return made, ledger, tmp_path / "vault.sqlite"


def opening(
    first="ann",
    second="bob",
    key=KEY,
    reason="incidental finding, patient must be told",
    basis="GDPR 6(1)(d)",
):
    shares = {share.custodian: share for share in split_key(key, ["ann", "bob", "cas"])}
    return Opening((shares[first], shares[second]), reason, basis)


def test_two_custodians_open_together_and_it_is_on_record(vault):
    made, ledger, _ = vault
    entry = made.reidentify(ENTRY.domain, ENTRY.pseudonym, opening(), AT)
    assert entry.facts == ENTRY.facts
    kept, opened = ledger.events()
    assert (kept.event.kind, opened.event.kind) == ("vault.kept", "vault.opened")
    assert opened.event.actor == "person:ann"
    assert opened.event.facts["second"] == "person:bob"
    assert opened.event.facts["lawful_basis"] == "GDPR 6(1)(d)"
    assert "MRN7788991" not in str(opened.event.facts)
    assert list(ledger.verify()) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"second": "ann"},
        {"key": bytes(32)},
        {"reason": "because"},
        {"basis": " "},
    ],
)
def test_a_refusal_is_on_record_too(vault, bad):
    made, ledger, _ = vault
    with pytest.raises(AccessDenied):
        made.reidentify(ENTRY.domain, ENTRY.pseudonym, opening(**bad), AT)
    assert [r.event.kind for r in ledger.events()] == ["vault.kept", "vault.refused"]


def test_a_pseudonym_of_another_domain_is_not_found(vault):
    made, ledger, _ = vault
    with pytest.raises(NotFound):
        made.reidentify("other", ENTRY.pseudonym, opening(), AT)
    assert ledger.events()[-1].event.kind == "vault.refused"


def test_what_is_kept_once_is_not_kept_again(vault):
    made, ledger, _ = vault
    assert made.keep([ENTRY], "person:ann", AT) == 0
    assert ledger.size() == 1


def test_the_file_names_nobody(vault):
    data = vault[2].read_bytes()
    for word in ("MRN7788991", "王^小东"):
        assert word.encode() not in data


def test_any_two_of_three_have_the_key_and_one_has_nothing():
    shares = split_key(KEY, ["ann", "bob", "cas"])
    for first, second in combinations(shares, 2):
        assert joined(first, second) == joined(second, first) == KEY
    assert all(piece != KEY for share in shares for piece in share.pieces.values())
    other = split_key(KEY, ["ann", "dan"])
    with pytest.raises(AccessDenied, match="different vaults"):
        joined(shares[1], other[1])
    with pytest.raises(ValueError, match="two custodians"):
        split_key(KEY, ["ann", "ann"])


def test_an_entry_cannot_be_put_in_anothers_place():
    sealed = seal(public_key_of(KEY), b"who", b"one")
    assert open_sealed(KEY, sealed, b"one") == b"who"
    for key, place in ((KEY, b"two"), (bytes(32), b"one")):
        with pytest.raises(AccessDenied):
            open_sealed(key, sealed, place)


def test_a_share_opens_by_its_own_passphrase_only():
    texts = make_shares(KEY, {"ann": "correct horse battery", "bob": "staple of iron gate"})
    opened = {name: open_share(texts[name], words) for name, words in
              (("ann", "correct horse battery"), ("bob", "staple of iron gate"))}  # fmt: skip
    assert joined(opened["ann"], opened["bob"]) == KEY
    with pytest.raises(AccessDenied, match="passphrase"):
        open_share(texts["ann"], "staple of iron gate")
    with pytest.raises(AccessDenied):
        open_share("{}", "x")
    with pytest.raises(ValueError, match="12 characters"):
        make_shares(KEY, {"ann": "short", "bob": "staple of iron gate"})
