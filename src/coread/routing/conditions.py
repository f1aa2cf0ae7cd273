"""One condition on one element of an image, and how it is said without telling the element's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from coread.domain.study import Instance
from coread.routing.facts import NUMBERS, known_modality, values_of

Operator = Literal["one_of", "none_of", "contains", "starts_with", "at_least", "at_most", "present"]

_SAYINGS: Mapping[str, tuple[str, str]] = {
    "one_of": ("is {shown}, one of {wanted}", "is {shown}, not one of {wanted}"),
    "none_of": ("is {shown}, none of {wanted}", "is one of {wanted}"),
    "contains": ("contains {wanted}", "does not contain {wanted}"),
    "starts_with": ("starts with {wanted}", "does not start with {wanted}"),
    "at_least": ("is {shown}, at least {wanted}", "is {shown}, less than {wanted}"),
    "at_most": ("is {shown}, at most {wanted}", "is {shown}, more than {wanted}"),
    "present": ("is present", "is absent"),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What one element of an image must be.

    Texts are compared without regard to case. An element of several values
    holds if any of its values does; ``none_of`` holds if no value is listed, so
    also where the element is absent.
    """

    keyword: str
    operator: Operator
    wanted: tuple[str, ...]
    """What is compared with; one number for ``at_least`` and ``at_most``, ``true`` or ``false`` for
    ``present``."""

    def holds(self, instance: Instance) -> bool:
        """Tell whether the image meets the condition."""
        values = values_of(instance, self.keyword)
        if self.operator == "present":
            return bool(values) == (self.wanted == ("true",))
        if self.operator == "none_of":
            return not any(self._fits(value, "one_of") for value in values)
        return any(self._fits(value, self.operator) for value in values)

    def _fits(self, value: str, operator: Operator) -> bool:
        if operator in ("at_least", "at_most"):
            return _compared(value, operator, float(self.wanted[0]))
        folded, wanted = value.casefold(), [text.casefold() for text in self.wanted]
        if operator == "contains":
            return any(text in folded for text in wanted)
        if operator == "starts_with":
            return folded.startswith(tuple(wanted))
        return folded in wanted

    def say(self, instance: Instance) -> str:
        """Say why the condition holds or does not, in words that name nobody.

        A value is repeated only if it is a number, a defined term of Modality, or
        a word of the rule itself.
        """
        values = values_of(instance, self.keyword)
        if self.operator == "present":
            return f"{self.keyword} is {'present' if values else 'absent'}"
        if not values and self.operator != "none_of":
            return f"{self.keyword} is absent"
        saying = _SAYINGS[self.operator][not self.holds(instance)]
        return f"{self.keyword} " + saying.format(shown=self._shown(values), wanted=", ".join(self.wanted))

    def _shown(self, values: tuple[str, ...]) -> str:
        if not values:
            return "absent"
        known = {self._nameable(value) for value in values}
        return " and ".join(sorted(known - {""})) or "something else"

    def _nameable(self, value: str) -> str:
        if self.keyword in NUMBERS:
            return value if value.isdigit() else ""
        if self.keyword == "Modality" and known_modality(value):
            return value
        return next((text for text in self.wanted if text.casefold() == value.casefold()), "")


def _compared(value: str, operator: Operator, bound: float) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return number >= bound if operator == "at_least" else number <= bound
