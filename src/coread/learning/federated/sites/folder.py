"""The folder of a site: settings, keys, plans that were proposed, work in hand, and the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.approval import Approvals
from coread.learning.federated.arrays import write_bytes
from coread.learning.federated.keys import SigningKey, node_key, signing_key
from coread.learning.federated.plan.plan import Plan, open_plan
from coread.learning.federated.record import Now, Record, utc_now
from coread.learning.federated.task import SiteData
from coread.learning.runs.files import write_json

SETTINGS, CARD = "site.json", "card.json"


@dataclass(frozen=True)
class SiteSettings:
    """What a site says of itself once."""

    name: str
    data: str
    """Folder of its images; stays here."""
    select: Mapping[str, Any] = field(default_factory=dict)
    """Further narrows every plan's query, e.g. to this hospital's part of a shared folder."""
    link: str = ""
    """``host:port`` of the coordinator's SuperLink; the only place to which the site connects."""
    authority: str = ""
    """Certificate authority (PEM) by which the coordinator's certificate is checked."""
    coordinator: str = ""
    """The coordinator's signing key (hex), got on another way than the network."""
    ledger: str = ""
    """Database of the clinic's ledger; empty for one in this folder."""
    least_free_mb: int = 200
    """With less free disk space no order is followed."""
    consents: str = ""
    """Settings of the clinic whose register says who agrees; needed for a cohort of its archive."""
    pseudonym_key: str = ""
    """File of the key under which the cohort's pseudonyms were made."""


class SiteFolder:
    """Everything that a site keeps.

    Raises
    ------
    FederationRefused
        If the folder holds no settings, or settings that cannot be read.
    """

    def __init__(self, folder: Path, now: Now = utc_now) -> None:
        self.folder = folder
        try:
            self.settings = SiteSettings(**json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as fault:
            remedy = "make it with coread-lab site init"
            raise FederationRefused(
                f"no settings of a site ({fault})", SETTINGS, remedy, folder.name
            ) from fault
        self.record = (
            Record(self.settings.ledger, now) if self.settings.ledger else Record.kept_in(folder, now)
        )
        self.approvals = Approvals(self.record)
        self.lent: frozenset[str] | None = None
        """Images that may take part in the order in hand; see `coread.learning.federated.sites.lending`."""

    @classmethod
    def made(cls, folder: Path, settings: SiteSettings) -> SiteFolder:
        """Make a site's folder with its keys, and the card that goes to the coordinator."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / SETTINGS, asdict(settings))
        card = {
            "name": settings.name,
            "node_key": node_key(folder)[1],
            "signing_key": signing_key(folder).public,
        }
        write_json(folder / CARD, card)
        return cls(folder)

    @property
    def key(self) -> SigningKey:
        """The key with which the site signs."""
        return signing_key(self.folder)

    def keep_plan(self, plan: Plan) -> None:
        """Keep a proposed plan under its hash, and put on record that it came."""
        path = self._plan_path(plan.sha256)
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            write_bytes(path, plan.to_bytes())
        facts = {"plan": plan.name, "plan_sha256": plan.sha256}
        self.record.note("plan.received", plan.sha256, "coordinator", facts, f"plan.received:{plan.sha256}")

    def plan(self, sha256: str) -> Plan | None:
        """Give a plan by its hash, None if none was proposed or its file was changed."""
        path = self._plan_path(sha256)
        if not path.is_file():
            return None
        plan = open_plan(path)
        return plan if plan.sha256 == sha256 else None

    def plans(self) -> list[Plan]:
        """All plans that were proposed, by name."""
        found = (self.plan(path.stem) for path in sorted((self.folder / "plans").glob("*.json")))
        return sorted((plan for plan in found if plan), key=lambda plan: plan.name)

    def plan_of(self, word: str) -> Plan:
        """Find a plan by its name or the beginning of its hash.

        Raises
        ------
        FederationRefused
            If there is none, or several.
        """
        found = [plan for plan in self.plans() if plan.name == word or plan.sha256.startswith(word)]
        if len(found) != 1:
            expected = "the hash of one plan: " + (
                ", ".join(p.sha256[:12] for p in self.plans()) or "none came"
            )
            raise FederationRefused(f"{len(found)} plans {word!r}", expected, "see coread-lab site plans")
        return found[0]

    def data(self, plan: Plan) -> SiteData:
        """What the site lends to a plan."""
        settings = self.settings
        return SiteData(settings.name, Path(settings.data), {**plan.query, **settings.select}, self.lent)

    def work(self, plan: Plan) -> Path:
        """Where work in hand for a plan lies."""
        path = self.folder / "work" / plan.sha256[:16]
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _plan_path(self, sha256: str) -> Path:
        return self.folder / "plans" / f"{sha256}.json"
