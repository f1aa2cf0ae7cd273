"""From the rules file to rules: all is checked before the first study comes, and all faults are told at once.

The file is TOML::

    [[rule]]
    name = "chest radiographs"          # required, unique
    owner = "Dr Lin, radiology"         # required: who answers for the rule
    comment = "..."
    when = { Modality = ["CR", "DX"], BodyPartExamined = { contains = "CHEST" } }
    readers = ["chest-radiograph"]
    destinations = ["pacs"]
    priority = "routine"                # stat, high, routine (default) or low
    stop = false                        # true: rules below are not asked if this one matches

    [fallback]                          # optional: for a study that no rule matches
    readers = []
    destinations = []
    priority = "low"

Each member of ``when`` names an element by its DICOM keyword. A text means "is this", a list "is one of
these", a table names the comparison: ``one_of``, ``none_of``, ``contains``, ``starts_with`` (text or list),
``at_least``, ``at_most`` (a number), ``present`` (true or false). Several comparisons of one element must all
hold. An element that identifies a person cannot be named.

Rules are asked from top to bottom. Every rule that matches adds its readers and destinations; a reader named
by several of them runs once, at the most urgent of their priorities. The fallback counts only if none did.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, get_args

from coread.errors import RuleFault
from coread.routing.conditions import Condition, Operator
from coread.routing.facts import MATCHABLE, NUMBERS
from coread.routing.rules import Priority, Rule, Rules

FALLBACK = "fallback"

_RULE_KEYS = frozenset({"name", "owner", "comment", "when", "readers", "destinations", "priority", "stop"})
_FALLBACK_KEYS = frozenset({"comment", "readers", "destinations", "priority"})
_OPERATORS: tuple[Operator, ...] = get_args(Operator)
_HEADING = re.compile(r"\s*\[\[?\s*(\w+)\s*\]?\]")

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Block:
    """One table of the file: where it stands, what people call it, and where its faults are gathered."""

    title: str
    first_line: int
    """Counted from 1."""
    lines: tuple[str, ...]
    """From the heading to the next heading."""
    faults: list[str]

    def fault(self, key: str, text: str) -> None:
        """Note a fault at the line of `key`, or at the heading if the key is not found."""
        pattern = re.compile(rf"(^|[{{,.\s])[\"']?{re.escape(key)}[\"']?\s*[=.]")
        offsets = (n for n, line in enumerate(self.lines) if key and pattern.search(line))
        self.faults.append(f"line {self.first_line + next(offsets, 0)}, {self.title}: {text}")


@dataclass(frozen=True, slots=True)
class _Names:
    """What a rule may name."""

    readers: Collection[str]
    destinations: Collection[str]


def default_rules() -> str:
    """Text of the rules file that is used until a hospital writes its own."""
    return (files("coread.routing") / "default_rules.toml").read_text(encoding="utf-8")


def load_rules(toml_text: str, reader_names: Collection[str], destination_names: Collection[str]) -> Rules:
    """Read and check a rules file.

    Parameters
    ----------
    toml_text
        The file's text; an empty one gives no rules.
    reader_names
        Installed readers.
    destination_names
        Destinations that the settings name.

    Returns
    -------
    Rules
        In the order of the file.

    Raises
    ------
    RuleFault
        If anything is wrong; ``found`` names every fault with its line.
    """
    faults: list[str] = []
    held = _parsed(toml_text)
    whole = _Block("the file", 1, tuple(toml_text.splitlines()), faults)
    _only(whole, held, frozenset({"rule", FALLBACK}))
    names = _Names(frozenset(reader_names), frozenset(destination_names))
    tables = _tables(whole, held)
    rules = tuple(_rule(_block(whole, "rule", n, table), table, names) for n, table in enumerate(tables))
    for name, count in Counter(rule.name for rule in rules).items():
        if count > 1:
            whole.fault("", f"{count} rules bear the name {name!r}")
    fallback = _fallback(whole, held, names)
    if faults:
        raise _refused("; ".join(faults))
    return Rules(rules, fallback)


def _parsed(text: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise _refused(f"text that is no TOML: {fault}") from fault


def _tables(whole: _Block, held: Table) -> list[Table]:
    tables = held.get("rule", [])
    if isinstance(tables, list) and all(isinstance(table, dict) for table in tables):
        return tables
    whole.fault("rule", "rules are written as [[rule]] blocks")
    return []


def _block(whole: _Block, kind: str, number: int, table: Table) -> _Block:
    """Find the `number`-th block of a kind (from 0) in the text."""
    headings = [(n, m.group(1)) for n, line in enumerate(whole.lines) if (m := _HEADING.match(line))]
    starts = [n for n, found in headings if found == kind]
    title = f"rule {table.get('name', number + 1)!r}" if kind == "rule" else f"[{kind}]"
    if number >= len(starts):
        return _Block(title, 1, whole.lines, whole.faults)
    end = next((n for n, found in headings if n > starts[number] and found in ("rule", FALLBACK)), None)
    return _Block(title, starts[number] + 1, whole.lines[starts[number] : end], whole.faults)


def _rule(block: _Block, table: Table, names: _Names) -> Rule:
    _only(block, table, _RULE_KEYS)
    stop = table.get("stop", False)
    if not isinstance(stop, bool):
        block.fault("stop", "stop is true or false")
    return Rule(
        name=_text(block, table, "name", required=True),
        conditions=_conditions(block, table.get("when", {})),
        readers=_named(block, table, "readers", names.readers),
        destinations=_named(block, table, "destinations", names.destinations),
        priority=_priority(block, table),
        stop=bool(stop),
        owner=_text(block, table, "owner", required=True),
        comment=_text(block, table, "comment"),
    )


def _fallback(whole: _Block, held: Table, names: _Names) -> Rule:
    table = held.get(FALLBACK, {})
    block = _block(whole, FALLBACK, 0, {})
    if not isinstance(table, dict):
        whole.fault(FALLBACK, "the fallback is written as one [fallback] block")
        table = {}
    _only(block, table, _FALLBACK_KEYS)
    readers = _named(block, table, "readers", names.readers)
    destinations = _named(block, table, "destinations", names.destinations)
    comment = _text(block, table, "comment")
    return Rule(FALLBACK, (), readers, destinations, _priority(block, table), comment=comment)


def _only(block: _Block, table: Table, known: frozenset[str]) -> None:
    for key in table.keys() - known:
        block.fault(key, f"{key!r} is not known here; known are {', '.join(sorted(known))}")


def _text(block: _Block, table: Table, key: str, required: bool = False) -> str:
    text = table.get(key, "")
    if not isinstance(text, str):
        block.fault(key, f"{key} is a text")
        return ""
    if required and not text.strip():
        block.fault(key, f"{key} is missing")
    return text


def _named(block: _Block, table: Table, key: str, known: Collection[str]) -> tuple[str, ...]:
    names = _texts(table.get(key, []))
    if names is None:
        block.fault(key, f"{key} is a list of texts")
        return ()
    for name in names:
        if name not in known:
            block.fault(key, f"{name!r} is none of the known {key}: {', '.join(sorted(known)) or 'none'}")
    return tuple(dict.fromkeys(names))


def _priority(block: _Block, table: Table) -> Priority:
    said = table.get("priority", Priority.ROUTINE)
    try:
        return Priority(said)
    except ValueError:
        block.fault("priority", f"priority is one of {', '.join(Priority)}, not {said!r}")
        return Priority.ROUTINE


def _conditions(block: _Block, when: object) -> tuple[Condition, ...]:
    if not isinstance(when, dict):
        block.fault("when", "when is a table of elements")
        return ()
    return tuple(found for keyword, said in when.items() for found in _of_element(block, keyword, said))


def _of_element(block: _Block, keyword: str, said: object) -> list[Condition]:
    if keyword not in MATCHABLE:
        block.fault(keyword, f"{keyword} may not be matched (it may identify a person, or is not indexed); "
                             f"elements that may are {', '.join(sorted(MATCHABLE))}")  # fmt: skip
        return []
    comparisons = said if isinstance(said, dict) else {"one_of": said}
    if not comparisons:
        block.fault(keyword, f"{keyword} is compared with nothing")
    found = [_condition(block, keyword, word, wanted) for word, wanted in comparisons.items()]
    return [condition for condition in found if condition]


def _condition(block: _Block, keyword: str, word: str, wanted: object) -> Condition | None:
    operator = next((known for known in _OPERATORS if known == word), None)
    if operator is None:
        block.fault(keyword, f"{word!r} is no comparison; known are {', '.join(_OPERATORS)}")
        return None
    operands = _operands(keyword, operator, wanted)
    if isinstance(operands, str):
        block.fault(keyword, f"{keyword}: {word} {operands}")
        return None
    return Condition(keyword, operator, operands)


def _operands(keyword: str, operator: Operator, wanted: object) -> tuple[str, ...] | str:
    """What an operator compares with, or what is wrong with it."""
    if operator == "present":
        return (str(wanted).lower(),) if isinstance(wanted, bool) else "is true or false"
    if operator in ("at_least", "at_most"):
        number = isinstance(wanted, (int, float)) and not isinstance(wanted, bool)
        if keyword not in NUMBERS:
            return f"is for numbers only: {', '.join(sorted(NUMBERS))}"
        return (f"{wanted}",) if number else "takes one number"
    texts = _texts([wanted] if isinstance(wanted, (str, int)) else wanted)
    if not texts or not all(text.strip() for text in texts):
        return "takes a text or a list of texts, none empty"
    return texts


def _texts(said: object) -> tuple[str, ...] | None:
    """A list of texts (or whole numbers, as text), None if it is anything else."""
    if not isinstance(said, list) or not all(type(value) in (str, int) for value in said):
        return None
    return tuple(str(value) for value in said)


def _refused(found: str) -> RuleFault:
    remedy = "correct the lines named and start again"
    return RuleFault(found, "rules as described in docs/routing.md", remedy, "rules file")
