"""The register: the last decision holds, no denial is lost, no clock and no second writer changes that."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping import house_on
from sqlalchemy import delete, update
from sqlalchemy.exc import DatabaseError

from coread.archive import Database
from coread.domain.consent import (
    NEEDS,
    Act,
    Decision,
    EverybodyConsents,
    PatientIdentity,
    Rule,
    Said,
    Status,
    Use,
    no_consent,
)
from coread.errors import ConsentChanged, ConsentRefused, NotFound, SettingsFault
from coread.governance import ConsentRules, Consents, StudyConsents
from coread.governance.consent import sourced_rules, standing
from coread.governance.consent.tables import DECISIONS
from coread.governance.vault import Entry, Opening, Vault, prepare, public_key_of, split_key
from coread.ledger import Ledger, Notary
from coread.testing.patients import chest_radiograph

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
P = PatientIdentity("P1", "HOSPITAL")


class Registry:
    """A register with a clock that can be set, back too."""

    def __init__(self, url: str, rules: ConsentRules | None = None, issuer: str = "") -> None:
        self.now = NOON
        self.database = Database(url)
        self.database.migrate()
        self.ledger = Ledger(self.database)
        self.consents = Consents(
            self.database, self.ledger, lambda: self.now, rules or ConsentRules(), issuer
        )
        self.keys = 0

    def say(self, act: Act, use: Use = Use.LEARNING, person: PatientIdentity = P, **more) -> Decision:
        self.keys += 1
        key, seen = more.pop("key", str(self.keys)), more.pop("seen", None)
        return self.consents.record(Said(person, use, act, "person:o", "page", key, **more), seen)

    def status(self, use: Use = Use.LEARNING, at: datetime | None = None) -> Status:
        stands = self.consents.standings(P, at or self.now)
        return next(stand.status for stand in stands if stand.use is use)

    def may(self, use: Use = Use.LEARNING) -> bool:
        return self.consents.may(P, use, self.now).is_allowed


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    held: list[Registry] = []

    def make(**more) -> Registry:
        held.append(Registry(f"sqlite:///{tmp_path / 'index.sqlite'}", **more))
        return held[-1]

    yield make
    for registry in held:
        registry.database.close()


@pytest.fixture
def register(made) -> Registry:
    return made()


def test_given_withdrawn_refused_expired_and_given_again(register):
    assert (register.status(), register.may()) == (Status.NOT_ASKED, False)
    register.say(Act.GIVEN, valid_until=NOON + 2 * DAY)
    assert (register.status(), register.may()) == (Status.GIVEN, True)
    register.now += 2 * DAY
    assert (register.status(), register.may()) == (Status.EXPIRED, False)
    register.say(Act.GIVEN)
    assert register.may()
    register.say(Act.WITHDRAWN)
    assert (register.status(), register.may()) == (Status.WITHDRAWN, False)
    register.say(Act.GIVEN, seen=3)
    assert register.may()
    register.say(Act.REFUSED)
    assert register.status() is Status.REFUSED
    assert [d.act for d in register.consents.history(P)] == [
        "given",
        "given",
        "withdrawn",
        "given",
        "refused",
    ]


def test_each_decision_is_an_event_that_names_nobody(register):
    register.say(Act.GIVEN, evidence_sha256="ab" * 32)
    (record,) = register.ledger.events()
    event = record.event
    assert (event.kind, event.actor) == ("consent.given", "person:o")
    assert event.facts["purpose"] == "learning"
    assert event.facts["evidence_sha256"] == "ab" * 32
    assert "P1" not in f"{event}"
    assert "HOSPITAL" not in f"{event}"
    assert register.consents.person_of(event.subject) == P


def test_a_clock_that_goes_back_undoes_no_withdrawal_and_no_end(register):
    register.say(Act.GIVEN, valid_until=NOON + DAY)
    register.now += 2 * DAY
    register.say(Act.REFUSED, Use.TEACHING)
    assert register.status() is Status.EXPIRED
    register.now -= 10 * DAY
    assert register.status() is Status.EXPIRED
    register.say(Act.GIVEN)
    assert register.may(), "given anew, by whoever stands before the officer now"
    register.now += 20 * DAY
    register.say(Act.WITHDRAWN)
    register.now -= 30 * DAY
    assert register.status() is Status.WITHDRAWN
    assert not register.consents.may(P, Use.LEARNING, NOON - 900 * DAY).is_allowed


def test_a_consent_that_begins_later_does_not_hold_yet(register):
    register.say(Act.GIVEN, valid_from=NOON + DAY)
    assert register.status() is Status.NOT_ASKED
    register.say(Act.WITHDRAWN)
    register.now += 2 * DAY
    assert register.status() is Status.WITHDRAWN


def test_a_use_needs_all_that_it_is_a_part_of(register):
    register.say(Act.GIVEN, Use.FEDERATION)
    assert not register.may(Use.FEDERATION)
    register.say(Act.GIVEN, Use.LEARNING)
    assert register.may(Use.FEDERATION)
    register.say(Act.REFUSED, Use.CARE)
    permit = register.consents.may(P, Use.AI, register.now)
    assert not permit.is_allowed
    assert (permit.facts["consent_status"], permit.facts["purpose"]) == ("refused", "ai-in-care")


def test_a_denial_is_never_lost(register):
    assert register.say(Act.WITHDRAWN).act is Act.REFUSED, "of what was never given: a refusal"
    register.say(Act.REFUSED, seen=0)
    with pytest.raises(ConsentChanged, match="1205"):
        register.say(Act.GIVEN, seen=0)
    with pytest.raises(ConsentRefused, match="not younger than a refusal"):
        register.say(Act.GIVEN, decided_at=NOON)
    register.now += DAY
    register.say(Act.GIVEN, decided_at=NOON + timedelta(hours=1), seen=2)
    assert register.may()


def test_the_same_key_is_the_same_decision(register):
    first = register.say(Act.GIVEN, key="k")
    register.say(Act.WITHDRAWN)
    assert register.say(Act.GIVEN, key="k").uid == first.uid, "a request that comes late again gives nothing"
    assert register.status() is Status.WITHDRAWN
    other = PatientIdentity("P2", "HOSPITAL")
    assert register.say(Act.GIVEN, key="k", person=other).uid != first.uid


@pytest.mark.parametrize(
    "wrong",
    [
        {"person": PatientIdentity("")}, {"person": PatientIdentity("x" * 65)},
        {"person": PatientIdentity("a\nb")}, {"key": ""}, {"valid_until": datetime(2027, 1, 1)},
        {"valid_from": NOON, "valid_until": NOON}, {"evidence_sha256": "AB"},
        {"act": Act.REFUSED, "valid_until": NOON + DAY},
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused_and_names_nobody(register, wrong):
    act = wrong.pop("act", Act.GIVEN)
    with pytest.raises(ConsentRefused) as told:
        register.say(act, **wrong)
    assert "x" * 65 not in str(told.value)
    assert register.consents.list() == ()


def test_another_issuer_is_another_person_and_none_is_the_house(made):
    register = made(issuer="HOSPITAL")
    register.say(Act.GIVEN, person=PatientIdentity("P1 "))
    assert register.may()
    assert not register.consents.may(PatientIdentity("P1", "OTHER"), Use.LEARNING, NOON).is_allowed
    assert not register.consents.may(PatientIdentity("p1", "HOSPITAL"), Use.LEARNING, NOON).is_allowed


def test_two_writers_at_once_are_one_after_the_other(database_url):
    register = Registry(database_url)
    barrier, told = threading.Barrier(8), []

    def write(number: int) -> None:
        own = Consents(register.database, register.ledger, lambda: NOON, ConsentRules())
        act = Act.GIVEN if number % 2 else Act.REFUSED
        said = Said(P, Use.LEARNING, act, f"person:{number}", "page", str(number))
        barrier.wait()
        try:
            own.record(said, seen=0 if act is Act.GIVEN else None)
        except ConsentChanged:
            told.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    history = register.consents.history(P)
    denials = [d for d in history if d.act is Act.REFUSED]
    assert len(denials) == 4, "no denial is lost"
    assert len(history) + len(told) == 8
    assert len({d.person_ref for d in history}) == 1
    assert len([d for d in history if d.act is Act.GIVEN]) <= 1
    assert [e.event.facts["consent"] for e in register.ledger.events()] == [d.uid for d in history]
    assert list(register.ledger.verify()) == []
    register.database.close()


def test_the_database_lets_nobody_change_a_decision(register):
    register.say(Act.WITHDRAWN)
    for statement in (update(DECISIONS).values(act="given"), delete(DECISIONS)):
        with pytest.raises(DatabaseError, match="append-only"), register.database.write() as connection:
            connection.execute(statement)


def test_a_forgotten_person_leaves_every_proof_as_it_was(register, tmp_path):
    notary = Notary(register.database, register.ledger, tmp_path / "key", lambda: NOON, "test", [])
    register.say(Act.GIVEN)
    ref = register.say(Act.WITHDRAWN).person_ref
    other = register.say(Act.GIVEN, person=PatientIdentity("P2"))
    before = notary.sign()
    proofs = register.ledger.prove([1, 2, 3], before.head.size)
    assert register.consents.forget(P, "person:o", "GDPR Art. 17(1)(b)") == 2
    assert register.consents.person_of(ref) is None
    assert register.consents.history(P) == ()
    assert register.consents.history(PatientIdentity("P2")) == (other,)
    assert list(register.ledger.verify()) == []
    assert notary.verify().faults == ()
    assert all(proof.holds for proof in proofs)
    assert register.ledger.prove([1, 2, 3], before.head.size) == proofs
    told = "".join(map(str, register.ledger.stored()[:2]))
    assert not [word for word in ("P1", ref) if word in told], "the reference itself is gone from the record"
    assert len(register.consents.list()) == 3, "decisions about somebody whom nobody can name"
    with pytest.raises(NotFound):
        register.consents.forget(P, "person:o", "again")


def test_all_persons_of_a_study_must_agree(register):
    other = PatientIdentity("P2", "HOSPITAL")
    held = {"1.1": (P,), "1.2": (P, other), "1.3": (PatientIdentity(""),), "1.4": ()}
    consents = StudyConsents(register.consents, lambda uid: held[uid], lambda: register.now)
    register.say(Act.GIVEN)
    assert consents.denied(held, Use.LEARNING) == {"1.2", "1.3", "1.4"}
    assert consents.may("1.3", Use.LEARNING).standing.status is Status.UNKNOWN_PERSON
    assert consents.may("1.3", Use.AI).is_allowed, "care goes on for somebody without papers"
    register.say(Act.REFUSED, Use.AI, other)
    assert consents.denied(held, Use.AI) == {"1.2"}


def test_the_house_may_be_stricter_than_the_law(made):
    register = made(rules=ConsentRules("US", [Use.AI]))
    assert not register.may(Use.AI)
    assert register.may(Use.CARE)
    with pytest.raises(SettingsFault, match=r"consent\.jurisdiction"):
        ConsentRules("XX")


def test_every_jurisdiction_has_a_sourced_rule_for_every_use():
    rows = sourced_rules()
    names = {row.jurisdiction for row in rows}
    assert names == {"CN", "EU", "US", "JP"}
    assert len(rows) == len(names) * len(Use)
    assert {(row.jurisdiction, row.use) for row in rows} == {(name, use) for name in names for use in Use}
    assert all(row.source and row.confidence in {"read", "reported", "unchecked"} for row in rows)
    strictest = ConsentRules()
    for use in Use:
        assert strictest.of(use) in {row.rule for row in rows if row.use is use}
        order = list(Rule)
        assert order.index(strictest.of(use)) == min(order.index(r.rule) for r in rows if r.use is use)


def test_where_nobody_keeps_consents_nothing_is_denied_and_nothing_said():
    permit = EverybodyConsents().may("1.2", Use.LEARNING)
    assert (permit.is_allowed, dict(permit.facts)) == (True, {})
    assert EverybodyConsents().denied(["1.2"], Use.AI) == frozenset()


_steps = st.tuples(st.sampled_from(Act), st.sampled_from(Use), st.integers(-3, 3), st.integers(0, 4))


@given(st.lists(_steps, max_size=12), st.integers(-5, 8), st.sampled_from(Use), st.sampled_from(Rule))
def test_after_a_denial_only_a_later_consent_allows(steps, at, use, rule):
    """Whatever the clocks said: the last word decides, and a denial at the end denies at any time."""
    decisions = [
        Decision(
            n, str(n), "c", of, act, NOON + shift * DAY, NOON + shift * DAY,
            NOON + (shift + until) * DAY if act is Act.GIVEN and until else None, "p", "page", "", "",
        )
        for n, (act, of, shift, until) in enumerate(steps)
    ]  # fmt: skip
    stands = standing(decisions, use, rule, NOON + at * DAY)
    own = [d for d in decisions if d.use is use]
    if own and own[-1].act is not Act.GIVEN:
        assert not stands.is_allowed
    if stands.status is Status.GIVEN:
        denials = [d.place for d in own if d.act is not Act.GIVEN]
        assert stands.decision.place > max(denials, default=-1)
    if not own:
        assert stands.is_allowed is (rule is not Rule.OPT_IN)


def test_each_reason_is_said_in_both_languages(register):
    for status_of in (None, Act.GIVEN, Act.REFUSED):
        if status_of:
            register.say(status_of, valid_until=NOON + DAY if status_of is Act.GIVEN else None)
        register.now += 3 * DAY
        permit = register.consents.may(P, Use.LEARNING, register.now)
        reason = no_consent(permit)
        assert reason.code == "no-consent"
        assert reason.text.endswith(".")
        assert reason.text_zh.endswith("。")
    assert set(NEEDS) == set(Use)


def test_a_destroyed_entry_of_the_vault_leaves_every_proof_as_it_was(tmp_path):
    """Crypto-shredding: two custodians together find nobody any more, and the ledger still verifies."""
    private = secrets.token_bytes(32)
    database = Database(f"sqlite:///{tmp_path / 'vault.sqlite'}")
    prepare(database)
    ledger = Ledger(database)
    vault = Vault(database, ledger, public_key_of(private))
    entries = [Entry("trial", "anon-7", {"PatientID": "P1"}), Entry("trial", "anon-8", {})]
    vault.keep(entries, "person:o", NOON)
    opening = Opening(split_key(private, ["a", "b"]), "the patient is in danger", "GDPR Art. 6(1)(d)")
    assert vault.reidentify("trial", "anon-7", opening, NOON).facts == {"PatientID": "P1"}
    size, root = ledger.size(), ledger.root()
    proofs = ledger.prove(range(1, size + 1), size)
    assert vault.forget("trial", "anon-7", "person:o", NOON, "GDPR Art. 17(1)(b)") == 1
    with pytest.raises(NotFound):
        vault.reidentify("trial", "anon-7", opening, NOON)
    assert vault.reidentify("trial", "anon-8", opening, NOON).pseudonym == "anon-8"
    assert list(ledger.verify()) == []
    assert (ledger.prove(range(1, size + 1), size), ledger.root(size)) == (proofs, root)
    rows = "".join(map(str, ledger.stored()[:size]))
    assert "anon-7" not in rows
    with pytest.raises(NotFound):
        vault.forget("trial", "anon-7", "person:o", NOON, "again")
    database.close()


def test_the_archive_tells_whom_a_study_names(database_url, tmp_path):
    house = house_on(database_url, tmp_path)
    for number, patient in enumerate([{"PatientID": "A"}, {"PatientID": "A"}, {"PatientID": "B 'x'"}]):
        facts = patient | {"IssuerOfPatientID": "H"}
        made = chest_radiograph(1, study_uid="1.2.3", sop_uid=f"1.2.3.{number}", facts=facts)
        house.intake.accept_bytes(made, "folder")
    assert set(house.archive.persons("1.2.3")) == {PatientIdentity("A", "H"), PatientIdentity("B 'x'", "H")}
    assert house.archive.persons("1.2.4") == ()
    house.database.close()
