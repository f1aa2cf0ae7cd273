"""What holds where a person has decided nothing, by jurisdiction: ``rules.toml``, each row sourced."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from coread.domain.consent import Rule, Use
from coread.errors import SettingsFault

#: The strictest first.
_STRICTNESS = (Rule.OPT_IN, Rule.OPT_OUT, Rule.NOT_NEEDED)


@dataclass(frozen=True, slots=True)
class SourcedRule:
    """One row of the table."""

    jurisdiction: str
    """``CN``, ``EU``, ``US`` or ``JP``."""
    use: Use
    rule: Rule
    source: str
    """Act and section that the rule rests on."""
    note: str
    """What the rule leaves out, in a sentence."""
    confidence: str
    """``read``: in the primary text or an official page; ``reported``: in a secondary page; ``unchecked``."""


@cache
def sourced_rules() -> tuple[SourcedRule, ...]:
    """Return all rows."""
    table = tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))
    return tuple(
        SourcedRule(**{**row, "use": Use(row["use"]), "rule": Rule(row["rule"])}) for row in table["rules"]
    )


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """The rules of one clinic.

    Parameters
    ----------
    jurisdiction
        Whose law holds; empty: for each use the strictest of all jurisdictions in the table.
    opt_in
        Uses for which this house asks everybody, whatever the law lets it do.
    """

    jurisdiction: str = ""
    opt_in: Collection[Use] = ()

    def __post_init__(self) -> None:
        known = sorted({row.jurisdiction for row in sourced_rules()})
        if self.jurisdiction and self.jurisdiction not in known:
            raise SettingsFault(
                "a jurisdiction without rules of consent",
                f"one of {', '.join(known)}, or nothing for the strictest of all",
                where="consent.jurisdiction",
            )

    def rows(self, use: Use) -> tuple[SourcedRule, ...]:
        """Return the rows that speak of a use here."""
        return tuple(
            row for row in sourced_rules() if row.use is use and self.jurisdiction in ("", row.jurisdiction)
        )

    def of(self, use: Use) -> Rule:
        """Return what holds for a use.

        Examples
        --------
        >>> str(ConsentRules("US").of(Use.AI)), str(ConsentRules().of(Use.LEARNING))
        ('not-needed', 'opt-in')
        """
        if use in self.opt_in:
            return Rule.OPT_IN
        return min((row.rule for row in self.rows(use)), key=_STRICTNESS.index)
