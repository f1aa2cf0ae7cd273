"""How a house reads: when readers are shown, how often a nudge comes, how long a lock lasts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from coread.domain.person import Person, Role
from coread.domain.review import Mode


@dataclass(frozen=True, slots=True)
class ModeRule:
    """One line of the policy: what must hold, and the mode that then holds.

    An empty field asks for nothing.
    """

    mode: Mode
    role: Role | None = None
    reader: str = ""
    """Name of the AI reader."""
    site: str = ""
    """Institution Name (0008,0080) of the study."""

    def holds(self, roles: Iterable[Role], reader: str, site: str) -> bool:
        """Tell whether the rule speaks of this person, reader and site."""
        return (
            (self.role is None or self.role in roles)
            and self.reader in ("", reader)
            and self.site in ("", site)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The house's rules of reading."""

    rules: tuple[ModeRule, ...] = ()
    """Asked in order; the first that holds decides."""
    default_mode: Mode = Mode.CONCURRENT
    nudge_rate: float = 0.0
    """Share of findings, 0..1, on which the doctor must say where or why before accepting."""
    nudge_seed: str = ""
    """Changes which findings these are."""
    lock_s: float = 900.0
    """Seconds after which a lock ends on which nothing was done."""
    overdue_h: float = 24.0
    """Hours of waiting after which a study is raised in the list; a longest wait is what keeps studies
    whose disease the readers overlook from waiting for ever (Baltruschat et al. 2021,
    doi:10.1007/s00330-020-07480-7)."""

    urgent_modalities: frozenset[str] = frozenset()
    """Modality (0008,0060) values whose studies this house reads before others."""
    decide_absent: bool = True
    """Whether a finding that a reader calls absent must be decided before signing, as all others must."""

    def __post_init__(self) -> None:
        if not 0 <= self.nudge_rate <= 1 or self.lock_s <= 0 or self.overdue_h <= 0:
            raise ValueError(f"Expected 0 <= nudge_rate <= 1, lock_s > 0 and overdue_h > 0, got {self!r}.")

    def mode(self, person: Person, reader: str, site: str) -> Mode:
        """Return the mode in which this person reads with this reader at this site."""
        fitting = (rule.mode for rule in self.rules if rule.holds(person.roles, reader, site))
        return next(fitting, self.default_mode)

    def nudges(self, person_id: str, finding_uid: str) -> bool:
        """Tell whether accepting this finding asks this person for a place or a reason.

        A function of its arguments and the seed: asking again does not change it.
        """
        digest = hashlib.sha256("\x1f".join((self.nudge_seed, person_id, finding_uid)).encode()).digest()
        return int.from_bytes(digest[:8]) < self.nudge_rate * 2**64
