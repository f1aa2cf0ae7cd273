"""Which readers see which study: rules as data, checked when loaded, able to explain themselves."""

from coread.routing.conditions import Condition
from coread.routing.facts import is_derived, known_modality, originals
from coread.routing.load import default_rules, load_rules
from coread.routing.route import Decision, RoutedReader, Routing, explain, route
from coread.routing.rules import Priority, Rule, Rules

__all__ = [
    "Condition",
    "Decision",
    "Priority",
    "RoutedReader",
    "Routing",
    "Rule",
    "Rules",
    "default_rules",
    "explain",
    "is_derived",
    "known_modality",
    "load_rules",
    "originals",
    "route",
]
