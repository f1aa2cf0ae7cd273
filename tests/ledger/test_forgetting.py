"""A person is forgotten, and every proof stays."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from recording import Recorder, event
from sqlalchemy import create_engine, insert, select, text, update

from coread.archive import Database, database
from coread.domain.event import Event
from coread.errors import SettingsFault
from coread.ledger import (
    Ledger,
    LedgerFault,
    canonical_json,
    is_held,
    leaf_hash,
    longest_rule,
    retention_rules,
    root,
)
from coread.ledger.canonical import _OF_WORDS, OPEN_FACTS, divided, is_open
from coread.ledger.checking import numbers_of, text_of
from coread.ledger.tables import EVENTS

AT = datetime(2026, 5, 1, tzinfo=UTC)
GONE = "1.2.840.77"


def test_nothing_points_to_the_person_and_every_proof_stays(database_url: str, tmp_path: Path) -> None:
    recorder = Recorder(database_url, tmp_path)
    recorder.record(3)
    mine = [event(n, subject=GONE, key=f"made:{GONE}:{n}") for n in range(3)]
    naming = event(8, subject="quarantine-1", facts={"study": GONE, "error": "1105"})
    recorder.ledger.append_many([*mine, naming, event(9)])
    head = recorder.notary.sign()
    assert head is not None
    before = recorder.ledger.prove(range(1, 10), 9)
    assert recorder.ledger.forget([GONE], "person:p-9", AT, "GDPR Art. 17(1)(b)") == 4
    with recorder.database.read() as connection:
        rows = [dict(row) for row in connection.execute(select(EVENTS)).mappings()]
    assert GONE not in json.dumps(rows, default=lambda value: bytes(value).hex())
    assert [row["subject"] for row in rows].count("forgotten") == 4
    assert recorder.ledger.events(GONE) == []
    gone = recorder.ledger.events("forgotten")[0].event
    assert (gone.kind, gone.actor, gone.key) == ("finding.decided", "person:p-1", "")
    assert dict(gone.facts) == {
        "verdict": "accepted", "active_s": "4.5", "mode": "concurrent", "reader": "chest-radiograph 1.0",
    }  # fmt: skip
    assert recorder.ledger.prove(range(1, 10), 9) == before
    assert recorder.ledger.root(9) == head.head.root
    assert recorder.notary.verify().faults == ()
    said = recorder.ledger.events(kind="ledger.forgotten")[0].event
    assert (said.actor, said.facts["count"], said.facts["sequences"]) == ("person:p-9", "4", "4-7")
    assert said.facts["basis"] == "GDPR Art. 17(1)(b)"
    recorder.close()


def test_nobody_finds_out_by_trying(recorder: Recorder) -> None:
    """The commitment is to 32 random bytes too: two events that are alike have nothing in common."""
    recorder.ledger.append_many([event(1), event(1)])
    one, other = recorder.ledger.stored()
    assert one.private == other.private
    assert one.salt is not None
    assert len(one.salt) == 32
    assert one.salt != other.salt
    assert one.commitment != other.commitment
    private = f'{{"facts":{one.private},"key":"","subject":"{one.subject}"}}'.encode()
    assert one.commitment == hmac.digest(one.salt, private, "sha256")
    assert b"1.2.840" not in one.entry


def test_what_was_forgotten_in_silence_is_found(recorder: Recorder) -> None:
    recorder.record(4)
    blank = {"subject": "forgotten", "key": None, "private": None, "salt": None}
    with recorder.database.write() as connection:
        connection.execute(update(EVENTS).where(EVENTS.c.sequence == 2).values(blank))
    assert list(recorder.ledger.verify()) == [LedgerFault(2, "changed")]


def test_who_has_a_name_like_the_forgotten_one_stays(recorder: Recorder) -> None:
    others = ("1.2.840.771", "1.2.840.77.1", "11.2.840.77", "p-1.2.840.77")
    recorder.ledger.append_many([event(1, subject=other, facts={"study": other}) for other in others])
    recorder.ledger.append(event(1, subject="x", facts={"studies": f"1.2.3 {GONE} 1.2.4"}))
    assert recorder.ledger.forget([GONE], "person:p-9", AT, "x") == 1
    assert [record.event.subject for record in recorder.ledger.events(limit=4)] == list(others)


def test_forgetting_nobody_is_nothing_but_its_event(recorder: Recorder) -> None:
    recorder.record(2)
    assert recorder.ledger.forget(["9.9", "", "ledger", "forgotten"], "person:p-9", AT, "x") == 0
    assert recorder.ledger.size() == 3
    assert not list(recorder.ledger.verify())


def test_an_event_about_a_forgotten_study_may_come_again(recorder: Recorder) -> None:
    recorder.ledger.append(event(1, subject=GONE, key="once"))
    recorder.ledger.forget([GONE], "person:p-9", AT, "x")
    recorder.ledger.append(event(1, subject=GONE, key="once"))
    assert recorder.ledger.size() == 3
    assert not list(recorder.ledger.verify())


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=6))
def test_each_fact_is_either_open_or_private(facts: dict[str, str]) -> None:
    shown, private = divided(facts)
    assert json.loads(shown) | json.loads(private) == facts
    assert not json.loads(shown).keys() & json.loads(private).keys()
    assert json.loads(shown).keys() <= OPEN_FACTS


@pytest.mark.parametrize("name", sorted(OPEN_FACTS))
def test_no_open_fact_holds_a_uid_or_free_text(name: str) -> None:
    assert not is_open(name, "1.2.840.113619.2.55.3.604688119")
    assert not is_open(name, "He said, no.")
    assert is_open(name, "Miller moved") is (name in _OF_WORDS)  # made by CoRead, never typed
    assert not is_open(name, "李伟")
    assert is_open(name, "")


@given(st.sets(st.integers(1, 500)))
def test_places_are_written_and_read(numbers: set[int]) -> None:
    assert numbers_of(text_of(sorted(numbers)), 501) == numbers


# A database of an earlier version


def old_database(url: str, events: list[Event]) -> None:
    """Make a database as CoRead 0.1 left it, with events of form 1."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(database._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for sequence, each in enumerate(events, 1):
            row = {
                "sequence": sequence, "kind": each.kind, "subject": each.subject, "actor": each.actor,
                "at": each.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "key": each.key or None,
                "facts": json.dumps(dict(each.facts), sort_keys=True, separators=(",", ":")),
                "leaf_hash": leaf_hash(canonical_json(each)),
            }  # fmt: skip
            connection.execute(insert(EVENTS).values(row))
    engine.dispose()


def test_events_of_an_earlier_version_are_the_first_leaves(database_url: str, tmp_path: Path) -> None:
    old = [event(n, key=f"k{n}" if n % 2 else "") for n in range(300)]
    old_database(database_url, old)
    recorder = Recorder(database_url, tmp_path)
    assert not list(recorder.ledger.verify())
    assert recorder.ledger.root() == root([leaf_hash(canonical_json(each)) for each in old])
    assert [record.event for record in recorder.ledger.events(limit=300)] == old
    assert recorder.ledger.append_many([event(1, key="k1"), event(2, key="new")]) == [2, 301]
    recorder.notary.sign()
    assert all(proof.holds for proof in recorder.ledger.prove([1, 300, 301], 301))
    assert recorder.notary.verify().faults == ()
    with recorder.database.write() as connection:
        connection.execute(text("UPDATE events SET actor = 'x' WHERE sequence = 7"))
    assert list(recorder.ledger.verify()) == [LedgerFault(7, "changed")]
    recorder.close()


def test_events_of_an_earlier_version_are_forgotten_whole(database_url: str) -> None:
    old_database(database_url, [event(1), event(2, subject=GONE), event(3)])
    own = Database(database_url)
    own.migrate()
    ledger = Ledger(own)
    before = ledger.root(3)
    assert ledger.forget([GONE], "person:p-9", AT, "x") == 1
    assert ledger.root(3) == before
    assert not list(ledger.verify())
    gone = ledger.events(after=1, limit=1)[0].event
    assert (gone.kind, gone.actor, gone.subject, dict(gone.facts)) == (*["forgotten"] * 3, {})
    with own.write() as connection:
        connection.execute(text("UPDATE events SET kind = 'x' WHERE sequence = 2"))
    assert list(ledger.verify()) == [LedgerFault(2, "changed")]
    own.close()


# How long


def test_each_rule_of_retention_names_its_source() -> None:
    rules = retention_rules()
    assert {rule.jurisdiction for rule in rules} >= {"CN", "US", "EU", "DE", "JP"}
    assert all(rule.source and rule.years > 0 for rule in rules)
    assert {rule.confidence for rule in rules} <= {"read", "reported", "unchecked"}


def test_the_longest_rule_of_the_chosen_jurisdictions_holds() -> None:
    assert longest_rule([]).years == max(rule.years for rule in retention_rules())
    assert longest_rule(["JP"]).jurisdiction == "JP"
    with pytest.raises(SettingsFault, match="Atlantis"):
        longest_rule(["JP", "Atlantis"])
    rule = longest_rule(["JP"])
    assert is_held(rule, AT, AT.replace(year=AT.year + rule.years - 1))
    assert not is_held(rule, AT, AT.replace(year=AT.year + rule.years))
