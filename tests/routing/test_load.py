"""Rules are checked before the first study comes; every fault is told at once, with its line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coread.errors import RuleFault
from coread.routing import Priority, default_rules, load_rules

READERS = ("chest-radiograph", "lung-nodule")
DESTINATIONS = ("pacs", "record")

FULL = """
[[rule]]
name = "emergency"
owner = "Dr Lin"
comment = "portable units"
readers = ["chest-radiograph"]
destinations = ["pacs", "record", "pacs"]
priority = "stat"
stop = true
[rule.when]
Modality = ["CR", "DX"]
StationName = { starts_with = "ED" }
Rows = { at_least = 500, at_most = 9000 }

[fallback]
readers = ["lung-nodule"]
priority = "low"
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(RuleFault) as caught:
        load_rules(text, READERS, DESTINATIONS)
    return caught.value.found.split("; line ")


def test_a_full_rule_is_read():
    (rule,) = (rules := load_rules(FULL, READERS, DESTINATIONS)).rules
    assert (rule.name, rule.owner, rule.comment) == ("emergency", "Dr Lin", "portable units")
    assert [(c.keyword, c.operator, c.wanted) for c in rule.conditions] == [
        ("Modality", "one_of", ("CR", "DX")),
        ("StationName", "starts_with", ("ED",)),
        ("Rows", "at_least", ("500",)),
        ("Rows", "at_most", ("9000",)),
    ]
    assert (rule.readers, rule.destinations) == (("chest-radiograph",), ("pacs", "record"))
    assert (rule.priority, rule.stop) == (Priority.STAT, True)
    assert (rules.fallback.readers, rules.fallback.priority) == (("lung-nodule",), Priority.LOW)


def test_an_empty_file_gives_no_rules():
    rules = load_rules("", (), ())
    assert rules.rules == ()
    assert rules.fallback.readers == ()


def test_the_rules_that_ship_can_be_loaded():
    assert load_rules(default_rules(), ["chest-radiograph", "blood-smear"], []).rules


def test_a_rule_of_sub_tables_has_its_lines():
    text = '[[rule]]\nname = "a"\nowner = "b"\n[rule.when]\nModality = "CT"\nRows.at_least = true\n'
    assert faults_of(text) == ["line 6, rule 'a': Rows: at_least takes one number"]


ONE = '[[rule]]\nname = "a"\nowner = "b"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE + "prio = 1", "line 4, rule 'a': 'prio' is not known here"),
        (
            ONE + 'priority = "urgent"',
            "line 4, rule 'a': priority is one of stat, high, routine, low, not 'urgent'",
        ),
        (ONE + 'stop = "yes"', "line 4, rule 'a': stop is true or false"),
        (ONE + 'readers = ["mri"]', "line 4, rule 'a': 'mri' is none of the known readers: chest-radiograph"),
        (
            ONE + 'destinations = ["x"]',
            "line 4, rule 'a': 'x' is none of the known destinations: pacs, record",
        ),
        (ONE + 'readers = "chest-radiograph"', "line 4, rule 'a': readers is a list of texts"),
        (ONE + "comment = 3", "line 4, rule 'a': comment is a text"),
        (ONE + "when = 3", "line 4, rule 'a': when is a table"),
        (ONE + "when = { Modality = { like = 'C' } }", "line 4, rule 'a': 'like' is no comparison"),
        (ONE + "when = { Modality = {} }", "line 4, rule 'a': Modality is compared with nothing"),
        (ONE + "when = { Modality = [] }", "line 4, rule 'a': Modality: one_of takes a text or a list"),
        (ONE + "when = { Modality = [' '] }", "line 4, rule 'a': Modality: one_of takes a text or a list"),
        (
            ONE + "when = { Modality = { at_least = 3 } }",
            "line 4, rule 'a': Modality: at_least is for numbers only",
        ),
        (ONE + "when = { Rows = { at_least = '3' } }", "line 4, rule 'a': Rows: at_least takes one number"),
        (ONE + "when = { Rows = { present = 1 } }", "line 4, rule 'a': Rows: present is true or false"),
        ('[[rule]]\nowner = "b"', "line 1, rule 1: name is missing"),
        ('[[rule]]\nname = "b"', "line 1, rule 'b': owner is missing"),
        ("rule = 3", "line 1, the file: rules are written as [[rule]] blocks"),
        ("\nrules = 3", "line 2, the file: 'rules' is not known here; known are fallback, rule"),
        ("fallback = 3", "line 1, the file: the fallback is written as one [fallback] block"),
        ("[fallback]\nstop = true", "line 2, [fallback]: 'stop' is not known here"),
        ("rule = [{name = 'a', owner = 'b', stop = 2}]", "line 1, rule 'a': stop is true or false"),
    ],
)
def test_each_fault_has_its_line_and_its_sentence(text, expected):
    (fault,) = faults_of(text)
    assert fault.startswith(expected)


def test_text_that_is_no_toml_is_refused_with_the_place():
    with pytest.raises(RuleFault, match="line 2"):
        load_rules("[[rule]]\nname = x\n", (), ())


def test_all_faults_come_at_once():
    text = FULL + FULL.replace("stat", "now").replace("[fallback]", "[other]").replace(
        'owner = "Dr Lin"\n', ""
    )
    found = "; line ".join(faults_of(text))
    assert all(
        part in found
        for part in (
            "'other' is not known",
            "priority is one of",
            "owner is missing",
            "2 rules bear the name 'emergency'",
        )
    )


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "ReferringPhysicianName",
    ],
)
def test_a_rule_on_a_person_is_refused(keyword):
    (fault,) = faults_of(ONE + f'when = {{ {keyword} = "WANG^XIAOMING" }}')
    assert f"line 4, rule 'a': {keyword} may not be matched (it may identify a person" in fault
    assert "WANG" not in fault


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_does_worse_than_a_rule_fault(text):
    with contextlib.suppress(RuleFault):
        load_rules(text, READERS, DESTINATIONS)
