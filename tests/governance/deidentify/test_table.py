"""The table is the standard's, and the profiles keep its rules."""

from __future__ import annotations

from collections import Counter

import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.sr.codedict import codes

from coread.errors import RuleFault
from coread.governance.deidentify import annex_e, load_profile, profile_names
from coread.governance.deidentify.rules import Action, Option, actions_for, safe_private
from coread.governance.deidentify.rules.profile import METHOD_CODES

# Counts of Table E.1-1, edition 2026c; the private attributes have a rule of their own (E.3.10).
BASIC = {"X": 415, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2}


def test_the_basic_profile_has_the_standards_counts():
    assert Counter(rule.basic for rule in annex_e()) == BASIC
    assert len({rule.tag for rule in annex_e()}) == 655


def test_each_keyword_is_the_dictionarys():
    for rule in annex_e():
        if rule.keyword and "x" not in rule.tag:
            assert keyword_for_tag(int(rule.tag, 16)) == rule.keyword


@pytest.mark.parametrize(
    ("tag", "basic", "option", "action"),
    [
        ("00100010", "Z", None, None),
        ("00100020", "Z/D", None, None),
        ("00080020", "Z", Option.FULL_DATES, Action.KEEP),
        ("00080020", "Z", Option.MODIFIED_DATES, Action.CLEAN),
        ("00080018", "U", Option.UIDS, Action.KEEP),
        ("00181000", "X/Z/D", Option.DEVICE, Action.KEEP),
        ("00080080", "X/Z/D", Option.INSTITUTION, Action.KEEP),
        ("00101010", "X", Option.PATIENT, Action.KEEP),
        ("00081030", "X", Option.DESCRIPTORS, Action.CLEAN),
        ("0040A730", "D", Option.STRUCTURED, Action.CLEAN),
        ("00700001", "D", Option.GRAPHICS, Action.CLEAN),
        ("00020003", "U", Option.UIDS, Action.KEEP),
        ("00041511", "U", Option.UIDS, Action.KEEP),
        ("0040A124", "U", None, None),
    ],
)
def test_known_lines_of_the_table(tag, basic, option, action):
    rule = next(rule for rule in annex_e() if rule.tag == tag)
    assert rule.basic == basic
    if option is not None:
        assert rule.options[option] is action


def test_dates_that_one_option_keeps_the_other_moves():
    for rule in annex_e():
        assert (Option.FULL_DATES in rule.options) == (Option.MODIFIED_DATES in rule.options)


def test_keeping_wins_over_cleaning_over_the_basic_profile():
    assert actions_for(set())[0x00080020] is Action.EMPTY
    assert actions_for({Option.MODIFIED_DATES})[0x00080020] is Action.CLEAN
    assert actions_for(set())[0x00100020] is Action.DUMMY


def test_the_safe_list_knows_its_blocks():
    assert ("Philips PET Private Group", 0x7053, 0x09) in safe_private()
    assert ("GEMS_PARM_01", 0x0043, 0x39) in safe_private()
    assert all(group % 2 for _, group, _ in safe_private())


def test_the_codes_are_those_of_cid_7050():
    known = {str(getattr(codes.cid7050, name).value) for name in codes.cid7050.dir()}
    assert {code for code, _ in METHOD_CODES.values()} <= known


@pytest.mark.parametrize("name", profile_names())
def test_each_profile_names_its_source(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.legal_source
    assert profile.as_of
    assert profile.confidence
    assert ("113106" in dict(profile.methods)) + ("113107" in dict(profile.methods)) <= 1


def test_all_faults_of_a_profile_are_told_at_once(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\ncolour = 1\noptions = ["full_dates", "modified_dates", "magic"]\n'
        "[dates]\nmin_days = 0\n[[overrides]]\nkeyword = 'NoSuchThing'\naction = 'Q'\n"
    )
    with pytest.raises(RuleFault) as told:
        load_profile(path)
    for word in ("title", "colour", "magic", "exclude", "min_days", "NoSuchThing", "action Q"):
        assert word in told.value.found


def test_a_profile_that_is_not_there(tmp_path):
    with pytest.raises(RuleFault, match="tcia"):
        load_profile("no-such-law")
    (tmp_path / "bad.toml").write_text("[[[")
    with pytest.raises(RuleFault, match="no TOML"):
        load_profile(tmp_path / "bad.toml")
