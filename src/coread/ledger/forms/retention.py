"""How long the record must be kept: a floor under what may be forgotten, from ``retention.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from coread.errors import SettingsFault


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """One rule of one jurisdiction."""

    jurisdiction: str
    """ISO 3166-1 alpha-2, or EU."""
    years: int
    what: str
    source: str
    """Act and section."""
    confidence: str
    """``read``, ``reported`` or ``unchecked``."""


@cache
def retention_rules() -> tuple[RetentionRule, ...]:
    """Return all rules."""
    table = tomllib.loads(files(__package__).joinpath("retention.toml").read_text(encoding="utf-8"))
    return tuple(RetentionRule(**rule) for rule in table["rules"])


def longest_rule(jurisdictions: Sequence[str]) -> RetentionRule:
    """Return the rule that keeps longest, among those of some jurisdictions, or among all if none is named.

    Raises
    ------
    SettingsFault
        If a jurisdiction has no rule.
    """
    known = {rule.jurisdiction for rule in retention_rules()}
    if strange := [name for name in jurisdictions if name not in known]:
        raise SettingsFault(
            f"jurisdictions without a rule: {', '.join(strange)}",
            f"some of {', '.join(sorted(known))}",
            where="ledger.jurisdictions",
        )
    asked = [rule for rule in retention_rules() if not jurisdictions or rule.jurisdiction in jurisdictions]
    return max(asked, key=lambda rule: rule.years)


def is_held(rule: RetentionRule, latest: datetime, now: datetime) -> bool:
    """Tell whether a record whose latest event is of this time must still be kept.

    Examples
    --------
    >>> from datetime import UTC
    >>> rule = RetentionRule("JP", 5, "", "", "")
    >>> is_held(rule, datetime(2020, 2, 29, tzinfo=UTC), datetime(2025, 2, 28, tzinfo=UTC))
    True
    >>> is_held(rule, datetime(2020, 2, 29, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))
    False
    """
    day = (latest.month, latest.day) if (latest.month, latest.day) != (2, 29) else (3, 1)
    return now < latest.replace(year=latest.year + rule.years, month=day[0], day=day[1])
