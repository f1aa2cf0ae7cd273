"""Every word that a page uses is there in both languages, none is there in vain, none loses a placeholder."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from coread import errors
from coread.casebook import EntryKind
from coread.domain.consent import Rule, Status, Use
from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.domain.review import Mode, Origin, RejectReason, Verdict
from coread.gateways.pages import rendering
from coread.gateways.pages.languages import HOMES, LANGUAGES, SCRIPT_TABLES, Words, asked_language, words
from coread.readers.bundle import EVIDENCE_GRADES
from coread.review import CaseState
from coread.routing import Priority
from coread.settings import Settings, describe

PAGES = HOMES[0]
#: A call of one of the three functions with a literal.
CALL = re.compile(r"""(?<![\w.])(?:said\.|words\.)?(tn?|w|knows)\(\s*(["'])([^"'`]*?)\2""")
#: Any literal that looks like a key.
LITERAL = re.compile(r"""["']([a-z_]+(?:\.[a-z0-9_-]+)+)["']""")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
#: Filled by the words' own code, or by people who add errors and events.
OPEN_TABLES = {"faults", "event", "dimension", "group", "urgency", "change", "keys"}


def texts(language: str, home: Path) -> dict[str, str]:
    path = home / "i18n" / f"{language}.toml"
    return dict(flat(tomllib.loads(path.read_text(encoding="utf-8")))) if path.is_file() else {}


def flat(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, name))
        else:
            yield ".".join((*path, name)), value


def sources() -> Iterator[tuple[Path, str]]:
    for home in HOMES:
        for path in sorted(home.rglob("*")):
            if path.suffix in {".py", ".html", ".js"} and "viewer" not in path.relative_to(home).parts[:-1]:
                yield path, path.read_text(encoding="utf-8")


def key_of(text_key: str) -> str:
    """Give the key that code asks by: both forms of a count are one."""
    return re.sub(r"\.(one|other)$", "", text_key)


def used() -> tuple[dict[str, set[str]], set[str], set[str]]:
    """Return keys by kind of call with the places, groups, and all literals that look like keys."""
    keys: dict[str, set[str]] = {}
    groups: set[str] = set()
    literals: set[str] = set()
    for path, text in sources():
        literals |= set(LITERAL.findall(text))
        for kind, _, key in CALL.findall(text):
            if kind == "w":
                groups.add(key)
            elif "." in key and not key.endswith("."):
                keys.setdefault(key, set()).add(path.name)
    return keys, groups, literals


ENGLISH, CHINESE = ({k: v for home in HOMES for k, v in texts(code, home).items()} for code in LANGUAGES)
KEYS, GROUPS, LITERALS = used()
TABLES = {key.partition(".")[0] for key in ENGLISH | CHINESE}


def test_both_languages_have_the_same_keys():
    english = {key_of(key) for key in ENGLISH}
    assert english == {key_of(key) for key in CHINESE if not key.startswith("setting.")}


def test_both_languages_have_the_same_placeholders():
    # Chinese names a finding by the second argument of its reason, English by the first.
    own = {"urgency.finding", "urgency.disagreement"}
    differing = [
        key
        for key, text in CHINESE.items()
        if key not in own
        and not key.startswith("setting.")
        and set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(ENGLISH.get(key, "")))
    ]
    assert differing == []


def test_no_text_is_empty_and_none_is_left_in_the_other_language():
    assert [key for key, text in (ENGLISH | CHINESE).items() if not text.strip()] == []
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert [k for k, text in ENGLISH.items() if chinese.search(text) and k != "language_name.zh"] == []
    same = {key for key, text in CHINESE.items() if ENGLISH.get(key) == text}
    marks = {
        "unit.MB",
        "column.auc",
        "script.pdf",
        "origin_mark.typed",
        "language_name.en",
        "language_name.zh",
    }
    assert same == marks


def test_every_key_that_code_uses_is_there():
    known = {key_of(key) for key in ENGLISH}
    assert {key: places for key, places in KEYS.items() if key not in known} == {}
    assert {group for group in GROUPS if group not in TABLES and "." not in group} == set()
    # Literals of conditional calls, e.g. t(isSplit ? "script.disagree" : "script.agree").
    script = {literal for literal in LITERALS if literal.partition(".")[0] in {"script", "list"}}
    files = {literal for literal in script if literal.endswith((".js", ".html", ".py"))}
    assert script - files - known == set()


def test_no_key_is_there_in_vain():
    tables_by_group = {group.partition(".")[0] for group in GROUPS}
    unused = [
        key
        for key in {key_of(key) for key in ENGLISH}
        if key not in KEYS
        and key not in LITERALS
        and key.partition(".")[0] not in tables_by_group | OPEN_TABLES
    ]
    assert sorted(unused) == []


def test_scripts_use_only_tables_that_they_are_given():
    asked = set()
    for path, text in sources():
        if path.suffix == ".js":
            asked |= {
                key.partition(".")[0] for _, _, key in CALL.findall(text) if key in ENGLISH or key in TABLES
            }
    assert asked <= set(SCRIPT_TABLES)
    assert set(SCRIPT_TABLES) <= TABLES


def test_every_key_of_the_overlay_is_there():
    for path, text in sources():
        if path.suffix == ".js" and "bindKeys(" in text:
            names = re.findall(r'name: "(\w+)"', text) + re.findall(r'bindKeys\("(\w+)"', text)
            assert [name for name in names if f"keys.{name}" not in ENGLISH] == [], path.name


GROUPS_OF_VALUES: dict[str, tuple[str, ...]] = {
    "verdict": (*Verdict, "own"),
    "reject": tuple(RejectReason),
    "presence": tuple(Presence),
    "outcome": tuple(Outcome),
    "mode": tuple(Mode),
    "withheld": tuple(mode for mode in Mode if mode is not Mode.CONCURRENT),
    "origin": tuple(Origin),
    "origin_mark": tuple(Origin),
    "case_state": tuple(CaseState),
    "priority": tuple(Priority),
    "grade": (*EVIDENCE_GRADES, "unknown"),
    "likelihood": ("consistent-with", "probable", "possible", "less-likely", "unlikely"),
    "nav": tuple(section.key for section in rendering.SECTIONS),
    "settings_group": tuple(Settings.model_fields),
    "answer": tuple(outcome for outcome in Outcome),
    "use": tuple(Use),
    "use_short": (Use.AI, Use.TEACHING),
    "consent_status": tuple(Status),
    "consent_rule": tuple(Rule),
    "confidence": ("read", "reported", "unchecked"),
}


@pytest.mark.parametrize("group", GROUPS_OF_VALUES)
def test_each_value_of_a_closed_group_has_its_word(group):
    missing = [value for value in GROUPS_OF_VALUES[group] if f"{group}.{value}" not in ENGLISH]
    assert missing == []


def codes_in(place: str, pattern: str) -> set[str]:
    folder = Path(rendering.__file__).resolve().parents[2] / place
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    return set(re.findall(pattern, text))


def test_each_code_of_the_desk_has_its_words():
    hurdles = codes_in("review", r'Hurdle\(\s*"([a-z-]+)"') | {"not-signed"}
    assert {code for code in hurdles if f"hurdle.{code}" not in ENGLISH} == set()
    reasons = codes_in("review", r'UrgencyReason\(\s*"([a-z-]+)"')
    assert {code for code in reasons if f"urgency.{code}" not in ENGLISH} == set()
    faults = codes_in("review", r'DraftFault\(\s*"([a-z-]+)"')
    assert {code for code in faults if f"draft_fault.{code}" not in ENGLISH} == set()


def test_each_kind_of_event_has_its_words():
    rooms = ("governance", "casebook", "review", "workflow", "archive", "intake", "gateways")
    words_of = (
        "person|token|review|impression|finding|report|question|study|reading|results|instance|delivery"
        "|approval|emergency|restriction"
    )
    pattern = rf'"((?:{words_of}|step|worker|archive|ledger|view|phrase)\.[a-z-]+)"'
    kinds = set().union(*(codes_in(room, pattern) for room in rooms))
    others = {kind for kind in kinds if kind.endswith((".html", ".lock", ".json", ".toml"))}
    assert {kind for kind in kinds - others if f"event.{kind}" not in ENGLISH} == set()


def test_each_kind_of_entry_is_a_change_in_words():
    assert [kind for kind in EntryKind if f"change.{kind}" not in ENGLISH] == []


def test_each_fault_has_its_sentence_and_advice():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.CoReadError)
        # What goes wrong in the lab is told on its command line; no page of the clinic can meet it.
        and not issubclass(kind, errors.LabFault)
    ]
    needed = {f"faults.{kind.number}.{part}" for kind in kinds for part in ("sentence", "remedy")}
    assert needed - set(ENGLISH) == set()
    assert {key for key in ENGLISH if key.startswith("faults.")} == needed


def test_words_are_filled_in_and_never_read_as_a_format():
    said = Words(
        "en", {"a": {"b": "{name} has {count}", "c": {"one": "{count} thing", "other": "{count} things"}}}
    )
    assert said.t("a.b", name="{count.__class__}", count=3) == "{count.__class__} has 3"
    assert said.tn("a.c", 1) == "1 thing"
    assert said.tn("a.c", 2) == "2 things"
    assert said.t("a.unknown") == "a.unknown"
    assert said.w("a", "unknown") == "unknown"


def test_each_setting_has_its_meaning_in_chinese_and_none_is_left_over():
    destination = {"name": "a", "kind": "dimse", "host": "x"}
    rows = describe(Settings.model_validate({"destinations": [destination]}))
    keys = {f"setting.{row.key.replace('[0]', '[]')}" for row in rows}
    assert {key for key in CHINESE if key.startswith("setting.")} == keys


class Asked(StrEnum):
    CHINESE = "zh-CN,zh;q=0.9,en;q=0.8"
    BRITISH = "en-GB,en;q=0.9,zh;q=0.1"
    FRENCH = "fr"
    NONSENSE = ";;q=,=;q=x, , \x00"
    REFUSING = "zh;q=0, en;q=0"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (Asked.CHINESE, "zh"),
        (Asked.BRITISH, "en"),
        (Asked.FRENCH, "en"),
        (Asked.NONSENSE, "en"),
        (Asked.REFUSING, "en"),
    ],
)
def test_the_browser_is_asked_for_a_language(header, expected):
    assert asked_language(header) == expected


def test_scripts_get_their_words_as_json():
    given = json.loads(words("zh").for_scripts())
    assert given["language"] == "zh"
    assert given["texts"]["verdict.accepted"] == "已接受"
    assert not [key for key in given["texts"] if key.startswith("faults.")]
