"""Which readers see a study and where their results go, with the reason of every decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coread.domain.study import Instance, Study
from coread.routing.facts import originals
from coread.routing.rules import Priority, Rule, Rules


@dataclass(frozen=True, slots=True)
class RoutedReader:
    """A reader that shall read the study, and how soon."""

    name: str
    priority: Priority


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule decided, and why; names nobody."""

    rule: str
    matched: bool
    why: str
    """Without the rule's name: ``matched because ...`` is put before it by :func:`explain`."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Where a study goes."""

    readers: tuple[RoutedReader, ...]
    """Most urgent first; of equal priority, in the order of the rules."""
    destinations: tuple[str, ...]
    decisions: tuple[Decision, ...]
    """One for each rule that was asked, in order; the fallback last if it was used."""
    priority: Priority = Priority.ROUTINE
    """The most urgent of the rules that matched."""


def route(study: Study, rules: Rules) -> Routing:
    """Ask every rule about a study.

    Only original images count: a report or a segmentation that a reader made
    never triggers a reader. A study without one goes nowhere, not even by the
    fallback.

    Parameters
    ----------
    study
        As the archive knows it.
    rules
        As loaded.

    Returns
    -------
    Routing
        The same for the same study and rules.
    """
    images = originals(study)
    if not images:
        return Routing((), (), (Decision("all rules", False, "the study holds no original image"),))
    decisions, matched = _asked(images, rules.rules)
    if not matched:
        matched = [rules.fallback]
        decisions.append(Decision(rules.fallback.name, True, "no rule matched"))
    destinations = dict.fromkeys(name for rule in matched for name in rule.destinations)
    priority = min((rule.priority for rule in matched), key=lambda p: p.rank)
    return Routing(_readers(matched), tuple(destinations), tuple(decisions), priority)


def explain(routing: Routing) -> str:
    """Say in lines of text where a study goes, and why.

    Examples
    --------
    >>> print(explain(Routing((), (), (Decision("chest", False, "Modality is CT, not one of CR, DX"),))))
    Priority: routine
    Readers: none
    Destinations: none
    - chest: not matched because Modality is CT, not one of CR, DX
    """
    readers = ", ".join(f"{reader.name} ({reader.priority})" for reader in routing.readers)
    lines = [
        f"Priority: {routing.priority}",
        f"Readers: {readers or 'none'}",
        f"Destinations: {', '.join(routing.destinations) or 'none'}",
    ]
    for decision in routing.decisions:
        verdict = "matched" if decision.matched else "not matched"
        lines.append(f"- {decision.rule}: {verdict} because {decision.why}")
    return "\n".join(lines)


def _asked(images: Sequence[Instance], rules: Iterable[Rule]) -> tuple[list[Decision], list[Rule]]:
    decisions: list[Decision] = []
    matched: list[Rule] = []
    for rule in rules:
        decision = _decide(images, rule)
        decisions.append(decision)
        if decision.matched:
            matched.append(rule)
            if rule.stop:
                break
    return decisions, matched


def _decide(images: Sequence[Instance], rule: Rule) -> Decision:
    """Decide by the image that comes nearest to the rule."""
    nearest = min(images, key=lambda image: len(rule.failing(image)))
    failing = rule.failing(nearest)
    if failing:
        return Decision(rule.name, False, "; ".join(condition.say(nearest) for condition in failing))
    why = "; ".join(condition.say(nearest) for condition in rule.conditions)
    return Decision(rule.name, True, why or "the rule asks for nothing")


def _readers(matched: Sequence[Rule]) -> tuple[RoutedReader, ...]:
    urgency: dict[str, Priority] = {}
    for rule in matched:
        for name in rule.readers:
            urgency[name] = min(rule.priority, urgency.get(name, rule.priority), key=lambda p: p.rank)
    ordered = sorted(urgency.items(), key=lambda pair: pair[1].rank)
    return tuple(RoutedReader(name, priority) for name, priority in ordered)
