"""Rules: which readers and destinations a study is for. Values, made only by loading."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coread.domain.study import Instance
from coread.routing.conditions import Condition


class Priority(StrEnum):
    """How soon a reader should run, and a doctor look. Declared from first to last."""

    STAT = "stat"
    HIGH = "high"
    ROUTINE = "routine"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the first to run."""
        return list(Priority).index(self)

    @property
    def of_study(self) -> int:
        """What a study is raised to in the doctor's list; what nobody told of has 0."""
        return {Priority.STAT: 20, Priority.HIGH: 10}.get(self, 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: if some image meets every condition, the readers read and the destinations get results."""

    name: str
    conditions: tuple[Condition, ...]
    """All must hold on one and the same image; none means every study that holds an image."""
    readers: tuple[str, ...]
    destinations: tuple[str, ...]
    priority: Priority = Priority.ROUTINE
    stop: bool = False
    """If this rule matches, the rules below it are not asked."""
    owner: str = ""
    """Who answers for the rule."""
    comment: str = ""

    def failing(self, instance: Instance) -> tuple[Condition, ...]:
        """Conditions that the image does not meet."""
        return tuple(condition for condition in self.conditions if not condition.holds(instance))


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules in the order of their file, and what happens to a study that none of them matches."""

    rules: tuple[Rule, ...]
    fallback: Rule
