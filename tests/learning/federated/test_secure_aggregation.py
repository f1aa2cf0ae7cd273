"""Secure aggregation: the sum is exact, nothing less than the sum is learnt, nothing is clipped."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coread.errors import FederationRefused
from coread.learning.federated.keys import signing_key
from coread.learning.federated.secure_aggregation.collector import Collector
from coread.learning.federated.secure_aggregation.member import Advert, Attempt, Member
from coread.learning.federated.secure_aggregation.ring import (
    FRACTION_BITS,
    MOST_EXAMPLES,
    decode,
    encode,
    whole_weight,
)
from coread.learning.federated.secure_aggregation.secrets import join, split, stream

SITES = ("a", "b", "c", "d")


class Meeting:
    """Four sites and a collector, up to the step that a test is about."""

    def __init__(self, folder, threshold=3):
        self.keys = {site: signing_key(folder / site) for site in SITES}
        self.attempt = Attempt("plan", "1.1", threshold, {s: k.public for s, k in self.keys.items()})
        self.members = {s: Member(s, self.attempt, self.keys[s].sign) for s in SITES}
        self.adverts = {s: m.advertise() for s, m in self.members.items()}
        self.held = Collector(self.attempt, self.adverts)
        rng = np.random.default_rng(0)
        self.changes = {s: {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=4)} for s in SITES}
        self.weights = dict(zip(SITES, (10, 20, 30, 40), strict=True))

    def share(self):
        for site, member in self.members.items():
            self.held.keep_notes(site, member.share(self.adverts))

    def mask(self, sites):
        for site in sites:
            made = encode(self.changes[site], self.weights[site], 16.0)
            self.held.add(site, self.members[site].mask(made.values, self.held.notes_for(site)))
            self.layout = made.layout

    def mean(self, sites):
        total = sum(self.weights[s] for s in sites)
        return {n: sum(self.changes[s][n] * self.weights[s] for s in sites) / total for n in ("w", "b")}


@pytest.mark.parametrize("left", [SITES, ("a", "b", "c"), ("b", "c", "d"), ("a", "c", "d")])
def test_the_sum_of_those_who_stayed_is_that_of_plain_averaging(tmp_path, left):
    meeting = Meeting(tmp_path)
    meeting.share()
    meeting.mask(left)
    shares = {site: meeting.members[site].unmask(meeting.held.survivors) for site in left}
    change, weight = decode(meeting.held.total(shares), meeting.layout)
    assert weight == sum(meeting.weights[site] for site in left)
    for name, expected in meeting.mean(left).items():
        np.testing.assert_allclose(change[name], expected, atol=2.0 ** -(FRACTION_BITS + 1))


def test_one_that_leaves_at_the_last_step_does_not_stop_it_but_two_do(tmp_path):
    meeting = Meeting(tmp_path)
    meeting.share()
    meeting.mask(SITES)
    shares = {site: meeting.members[site].unmask(meeting.held.survivors) for site in ("a", "b", "c")}
    assert decode(meeting.held.total(shares), meeting.layout)[1] == 100
    del shares["c"]
    with pytest.raises(FederationRefused, match="2 shares"):
        meeting.held.total(shares)


def test_masked_values_tell_nothing_of_the_values(tmp_path):
    meeting = Meeting(tmp_path)
    meeting.share()
    plain = encode({"w": np.zeros(20000)}, 1, 16.0)
    hidden = meeting.members["a"].mask(plain.values, meeting.held.notes_for("a"))
    bits = np.unpackbits(hidden.view(np.uint8))
    # Of 1.28 million fair bits the share of ones lies within 0.0022 of a half but once in 1.7 million times.
    assert abs(bits.mean() - 0.5) < 0.0022
    assert len(np.unique(hidden)) == len(hidden)


def test_a_member_never_gives_both_secrets_of_a_site(tmp_path):
    meeting = Meeting(tmp_path)
    meeting.share()
    meeting.mask(SITES)
    told = meeting.members["a"].unmask(SITES)
    assert {kind for kind, _ in told.values()} == {"seed"}
    with pytest.raises(FederationRefused, match="other survivors"):
        meeting.members["a"].unmask(("a", "b", "c"))


def test_too_few_survivors_are_refused_by_the_members_themselves(tmp_path):
    meeting = Meeting(tmp_path)
    meeting.share()
    meeting.mask(("a", "b"))
    with pytest.raises(FederationRefused, match="2 survivors"):
        meeting.members["a"].unmask(("a", "b"))


def test_keys_that_a_site_did_not_sign_are_refused(tmp_path):
    meeting = Meeting(tmp_path)
    mine = meeting.adverts["b"]
    forged = {**meeting.adverts, "b": Advert(mine.notes, meeting.adverts["a"].masks, mine.signature)}
    with pytest.raises(FederationRefused, match="did not sign"):
        meeting.members["a"].share(forged)


def test_a_changed_note_is_refused(tmp_path):
    meeting = Meeting(tmp_path)
    meeting.share()
    notes = meeting.held.notes_for("a")
    notes["b"] = notes["b"][:-2] + ("00" if notes["b"][-2:] != "00" else "01")
    with pytest.raises(FederationRefused, match="changed note"):
        meeting.members["a"].mask(encode({"w": np.zeros(3)}, 1, 16.0).values, notes)


@pytest.mark.parametrize("value", [16.001, -1e9, np.nan, np.inf])
def test_a_value_out_of_range_is_refused_and_not_clipped(value):
    with pytest.raises(FederationRefused, match="nothing was clipped"):
        encode({"w": np.array([0.5, value])}, 10, 16.0)


@pytest.mark.parametrize("examples", [0, -1, MOST_EXAMPLES + 1])
def test_a_weight_out_of_range_is_refused(examples):
    with pytest.raises(FederationRefused, match="examples"):
        encode({"w": np.zeros(1)}, examples, 16.0)


@given(st.lists(st.floats(-16, 16), max_size=20), st.integers(1, MOST_EXAMPLES))
@settings(max_examples=50)
def test_fixed_point_loses_half_a_step_at_most(values, examples):
    made = encode({"w": np.array(values)}, examples, 16.0)
    change, weight = decode(made.values, made.layout)
    assert weight == examples
    error = np.max(np.abs(change["w"] - np.array(values)), initial=0.0)
    assert error <= 2.0 ** -(FRACTION_BITS + 1) + 1e-15
    assert abs(made.largest_error - error) < 1e-12


def test_a_sum_that_still_bears_a_mask_is_refused():
    made = encode({"w": np.ones(3)}, 5, 16.0)
    with pytest.raises(FederationRefused, match="bears a mask"):
        decode(made.values + stream(bytes(32), 4), made.layout)


@given(st.binary(min_size=32, max_size=32), st.integers(2, 6), st.data())
@settings(max_examples=30)
def test_any_so_many_holders_have_the_secret_and_fewer_do_not(secret, threshold, data):
    holders = [f"h{i}" for i in range(7)]
    shares = dict(enumerate(split(secret, holders, threshold).values(), start=1))
    chosen = data.draw(st.permutations(sorted(shares)))
    assert join({at: shares[at] for at in chosen[:threshold]}, threshold) == secret
    with pytest.raises(FederationRefused, match="shares"):
        join({at: shares[at] for at in chosen[: threshold - 1]}, threshold)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_whole_weights_keep_the_proportions(power):
    made = [whole_weight(n, power) for n in (50, 400, 3000)]
    np.testing.assert_allclose(np.array(made) / made[0], (np.array([50, 400, 3000]) / 50) ** power, rtol=2e-4)
