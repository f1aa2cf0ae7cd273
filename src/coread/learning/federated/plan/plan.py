"""The plan: what is trained, with which code, on which data, how often, how protected, by whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.orders import canonical

FORMAT = 1

#: Strategies that need each site's own update, and so cannot work where only the sum is known.
LOOKING = frozenset({"robust", "scaffold", "cyclic"})


MOST_COMPARED = 6
"""Sites up to which every coalition is trained (see `coread.learning.federated.contribution.values`)."""


@dataclass(frozen=True)
class Privacy:
    """How updates are protected on their way and in the model."""

    secure_aggregation: bool = False
    """The coordinator learns the sum of the sites' updates only."""
    threshold: int = 2
    """So many sites must stay to the end of a round; fewer than these together with the coordinator learn
    nothing beyond the sum. More than half of the sites (Bonawitz et al. 2017,
    doi:10.1145/3133956.3133982)."""
    largest_value: float = 16.0
    """Largest change of one parameter that secure aggregation carries; a larger one is refused."""
    differential: Mapping[str, Any] = field(default_factory=dict)
    """Example-level differential privacy of the task (epsilon, delta, clip); empty for none."""


@dataclass(frozen=True)
class Patience:
    """How long the coordinator waits. All in seconds."""

    round_s: float = 3600.0
    """For the answers of a round."""
    absent_s: float = 90.0
    """For a site that has lost its connection."""
    ask_s: float = 10.0
    """Between questions to a silent site whether an order was lost."""
    tries: int = 20
    """Rounds with too few sites in a row before it stops."""


@dataclass(frozen=True)
class Checks:
    """What an update has to be (see `coread.learning.federated.coordinator.checking`)."""

    largest_ratio: float = 10.0
    """Norm of a site's change over the median norm of the round."""
    largest_change: float = 100.0
    """Norm of a site's change over the norm of the parameters; the only bound where two sites train."""


@dataclass(frozen=True)
class Plan:
    """A plan. Frozen: any change makes another plan, with another hash."""

    name: str
    """Lower-case words joined by hyphens."""
    title: Mapping[str, str]
    """In English (``en``) and Chinese (``zh``)."""
    purpose: Mapping[str, str]
    """What the reader is for, in both languages."""
    task: str
    """``module:factory`` of what is trained."""
    options: Mapping[str, Any]
    """Of the model."""
    query: Mapping[str, Any]
    """Which patients take part; the task knows its words."""
    needs: tuple[str, ...]
    """What a site must have consented to, e.g. ``image:chest-radiograph``, ``label:pneumonia``."""
    rounds: int
    strategy: Mapping[str, Any]
    """``name``; ``local``, what each site does in a round (``steps``, ``batch``, ...); ``options``."""
    sites: Mapping[str, str]
    """Name of each invited site and the key (hex) with which it signs."""
    coordinator: str
    """Key (hex) with which the coordinator signs."""
    code_sha256: str
    """Of the code that will run at each site (see `coread.learning.federated.plan.code`)."""
    versions: Mapping[str, str]
    """Of the packages on which the numbers depend."""
    seed: int = 0
    least_cases: int = 20
    """Fewest training patients with which a site may take part."""
    least_sites: int = 2
    """Fewest updates of which a round is made."""
    compare_alone: bool = True
    """Each site also trains alone, with the same number of updates, to know what it gained."""
    pack: bool = False
    """The result becomes a bundle: each site calibrates and appraises it on its own held-out patients."""
    contribution: str = ""
    """Figure by which coalitions of sites are compared, e.g. ``auc``, each trained anew on its own; empty for
    none."""
    privacy: Privacy = field(default_factory=Privacy)
    patience: Patience = field(default_factory=Patience)
    checks: Checks = field(default_factory=Checks)
    format: int = FORMAT

    def __post_init__(self) -> None:
        gaps = _gaps(self)
        if gaps:
            raise FederationRefused("; ".join(gaps), "a plan that can be kept", "correct the plan", self.name)

    @property
    def sha256(self) -> str:
        """What a site approves."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The plan in its one form."""
        return canonical(asdict(self))


def read_plan(data: bytes) -> Plan:
    """Read a plan.

    Raises
    ------
    FederationRefused
        If it is none, or lacks or adds something.
    """
    remedy = "ask the coordinator for a plan of this version of CoRead"
    try:
        held = json.loads(data)
        parts = {"privacy": Privacy, "patience": Patience, "checks": Checks}
        inner = {name: kind(**held.pop(name)) for name, kind in parts.items() if name in held}
        return Plan(**{**held, **inner, "needs": tuple(held["needs"])})
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise FederationRefused(f"a plan that cannot be read ({fault})", "a plan", remedy) from fault


def open_plan(path: Path) -> Plan:
    """Read a plan from a file."""
    return read_plan(path.read_bytes())


def differences(one: Plan, other: Plan) -> tuple[str, ...]:
    """Names of what differs between two plans."""
    return tuple(f.name for f in fields(Plan) if getattr(one, f.name) != getattr(other, f.name))


def _gaps(plan: Plan) -> list[str]:
    privacy, count = plan.privacy, len(plan.sites)
    hidden = privacy.secure_aggregation
    checks = {
        f"format {plan.format}, where {FORMAT} is read": plan.format != FORMAT,
        "fewer than one round": plan.rounds < 1,
        f"{count} sites, fewer than the {plan.least_sites} that a round needs": count < plan.least_sites,
        "fewer than two sites in a round": plan.least_sites < 2,
        "no title or purpose in English and Chinese": not all(
            {"en", "zh"} <= set(words) and all(words.values()) for words in (plan.title, plan.purpose)
        ),
        "a threshold that is not more than half of the sites, and at most all": hidden
        and not count / 2 < privacy.threshold <= count,
        "secure aggregation with fewer than three sites, where each knows the other's update": hidden
        and count < 3,
        "a round of fewer sites than the threshold": hidden and plan.least_sites < privacy.threshold,
        "secure aggregation with a strategy that looks at single updates": hidden
        and plan.strategy.get("name") in LOOKING,
        # From two sums that begin alike, one with and one without a site, that site's update follows.
        "secure aggregation with the contribution of each site measured, which takes the masks off": hidden
        and bool(plan.contribution),
        "differential privacy with contributions measured, which spends the budget anew": bool(
            plan.privacy.differential
        )
        and bool(plan.contribution),
        "a contribution that is measured for more than 6 sites, 64 trainings": bool(plan.contribution)
        and count > MOST_COMPARED,
        "a bundle without the comparison by which a site that loses is told": plan.pack
        and not plan.compare_alone,
        "a least number of cases under one": plan.least_cases < 1,
        "a largest value that is not above zero": privacy.largest_value <= 0,
        "no code hash": len(plan.code_sha256) != 64,
    }
    return [words for words, broken in checks.items() if broken]
