"""What the journey needs of the house, gathered by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from coread.archive import Archive, Deliveries, Readings, Resources, Studies
from coread.casebook import AskedPrompt
from coread.domain.consent import Consenting, EverybodyConsents
from coread.domain.event import Event
from coread.domain.review import SignedReport
from coread.intake import Intake
from coread.ledger import Ledger
from coread.readers import Registry
from coread.routing import Rules


@dataclass(frozen=True, slots=True)
class Destination:
    """One peer that results are sent to."""

    name: str
    kind: str
    """``dimse``, ``stow`` or ``fhir``."""
    host: str = ""
    port: int = 0
    ae_title: str = ""
    tls: bool = False
    url: str = ""
    timeout_s: float = 30


Sender: TypeAlias = Callable[[Destination, bytes], None]
"""Sends one object, a PS3.10 file or a FHIR resource as JSON.

Returns only after the peer has said that it keeps it, else raises DeliveryFault.
"""


class SignedReports(Protocol):
    """Where signed reports wait until their results have gone out; the casebook is one."""

    def unpublished(self) -> Sequence[str]:
        """Return the UIDs of signed reports that are not published, oldest first."""
        ...

    def report(self, uid: str) -> SignedReport:
        """Return a signed report.

        Raises
        ------
        NotFound
            If there is none.
        """
        ...

    def reports_of(self, study_instance_uid: str) -> Sequence[SignedReport]:
        """Return a study's signed reports, the first one first."""
        ...

    def mark_published(self, uid: str) -> None:
        """Record, with its event, that a report's results are filed and on their way; twice is once."""
        ...


class Prompts(Protocol):
    """Where doctors' questions to readers wait; the casebook keeps one."""

    def ask(self, asked: AskedPrompt, event: Event) -> AskedPrompt:
        """Keep a question with its event; the same again is the same question."""
        ...

    def get(self, uid: str) -> AskedPrompt:
        """Return a question.

        Raises
        ------
        NotFound
            If there is none.
        """
        ...

    def waiting(self, limit: int = 100) -> Sequence[AskedPrompt]:
        """Return the questions without an answer, the oldest first."""
        ...

    def answered(self, uid: str, reading_uid: str) -> None:
        """Record the answer; twice is once."""
        ...

    def give_up(self, uid: str) -> None:
        """Record that no answer could be had."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a destination is waited for."""

    attempts: int = 10
    first_retry_s: float = 2
    longest_retry_s: float = 600

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after try number `attempt`, counted from 1; each wait doubles.

        Examples
        --------
        >>> [Patience(first_retry_s=2, longest_retry_s=10).wait_s(n) for n in (1, 2, 3, 4)]
        [2.0, 4.0, 8.0, 10]
        """
        return min(self.longest_retry_s, self.first_retry_s * 2.0 ** (attempt - 1))


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a worker looks, and how much it takes on."""

    quiet_period_s: float = 10
    poll_interval_s: float = 0.2
    concurrency: int = 4
    """Studies on their way at one time."""
    heartbeat_s: float = 2
    stale_after_s: float = 15


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms that a case walks through."""

    archive: Archive
    studies: Studies
    readings: Readings
    resources: Resources
    deliveries: Deliveries
    intake: Intake
    ledger: Ledger
    registry: Registry
    rules: Rules
    now: Callable[[], datetime]
    """Time zone aware, UTC."""
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    senders: Mapping[str, Sender] = field(default_factory=dict)
    """One sender for each kind of destination."""
    patience: Patience = Patience()
    casebook: SignedReports | None = None
    """Signed reports; none where nobody signs."""
    prompts: Prompts | None = None
    """What doctors ask readers to look at; none where nobody asks."""
    organization: str = ""
    """Under which doctors sign; the images' Institution Name if left out."""
    consents: Consenting = field(default_factory=EverybodyConsents)
    """Who says whether AI readers may read a study."""

    def event(self, kind: str, study_uid: str, key: str, actor: str = "system", **facts: str) -> Event:
        """Make one event of now; recording the same key twice records one."""
        return Event(kind, study_uid, actor, self.now(), facts, key)
