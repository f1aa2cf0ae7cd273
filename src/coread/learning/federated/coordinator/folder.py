"""The folder of a coordinator: settings, key, enrolled sites, plans and the ledger."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.arrays import write_bytes
from coread.learning.federated.keys import SigningKey, signing_key
from coread.learning.federated.plan.carrying import strategy_in
from coread.learning.federated.plan.code import code_sha256, versions
from coread.learning.federated.plan.plan import Checks, Patience, Plan, Privacy, open_plan
from coread.learning.runs.files import write_json

SETTINGS, CARD = "coordinator.json", "card.json"


@dataclass(frozen=True)
class CoordinatorSettings:
    """Where the coordinator is reached, and with which certificate."""

    name: str
    host: str
    port: int
    certificate: str
    key: str
    authority: str


class CoordinatorFolder:
    """Everything that a coordinator keeps.

    Raises
    ------
    FederationRefused
        If the folder holds no settings, or settings that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            text = (folder / SETTINGS).read_text(encoding="utf-8")
            self.settings = CoordinatorSettings(**json.loads(text))
        except (OSError, ValueError, TypeError) as fault:
            remedy = "make it with coread-lab federation init"
            found = f"no settings of a coordinator ({fault})"
            raise FederationRefused(found, SETTINGS, remedy, folder.name) from fault

    @classmethod
    def made(cls, folder: Path, settings: CoordinatorSettings) -> CoordinatorFolder:
        """Make a coordinator's folder with its key, and the card that goes to the sites."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / SETTINGS, asdict(settings))
        card = {"name": settings.name, "link": f"{settings.host}:{settings.port}"}
        write_json(folder / CARD, {**card, "signing_key": signing_key(folder).public})
        return cls(folder)

    @property
    def key(self) -> SigningKey:
        """The key with which the coordinator signs."""
        return signing_key(self.folder)

    def enrol(self, card: Path) -> str:
        """Take a site's card in; return its name.

        Raises
        ------
        FederationRefused
            If the file is no card, or another card of this name is enrolled.
        """
        try:
            held = json.loads(card.read_text(encoding="utf-8"))
            name, said = str(held["name"]), {k: str(held[k]) for k in ("name", "node_key", "signing_key")}
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise FederationRefused(
                "no card of a site", "its card.json", "ask for it again", card.name
            ) from fault
        path = self.folder / "sites" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != said:
            remedy = "ask the site whether its keys were made anew; then delete the former card"
            raise FederationRefused("another card of this name", "one card a site", remedy, path.name)
        write_json(path, said)
        return name

    def cards(self) -> dict[str, dict[str, str]]:
        """Cards of the enrolled sites, by name."""
        found = (
            json.loads(p.read_text(encoding="utf-8")) for p in sorted((self.folder / "sites").glob("*.json"))
        )
        return {card["name"]: card for card in found}

    def freeze(self, draft: Path) -> Path:
        """Make a plan of a draft: the draft, the sites, the keys, and the code as it is installed here.

        Parameters
        ----------
        draft
            TOML with the plan's fields that are not known otherwise.

        Raises
        ------
        FederationRefused
            If the draft cannot be read, or makes no plan.
        """
        try:
            held = tomllib.loads(draft.read_text(encoding="utf-8"))
        except (OSError, ValueError) as fault:
            remedy = "correct it as docs/federation.md shows"
            raise FederationRefused(f"no draft ({fault})", "TOML", remedy, draft.name) from fault
        plan = self._planned(held, draft.name)
        strategy_in(plan)
        path = self.folder / "plans" / plan.sha256[:16] / "plan.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, plan.to_bytes())
        return path

    def _planned(self, held: Mapping[str, Any], where: str) -> Plan:
        cards = self.cards()
        invited = list(held.get("sites", cards))
        strangers = sorted(set(invited) - set(cards))
        if strangers:
            remedy = "enrol their cards first (coread-lab federation enrol)"
            raise FederationRefused(f"sites {', '.join(strangers)}", "enrolled sites", remedy, where)
        try:
            return Plan(
                **{
                    **held,
                    "needs": tuple(held["needs"]),
                    "options": held.get("options", {}),
                    "query": held.get("query", {}),
                    "sites": {name: cards[name]["signing_key"] for name in invited},
                    "coordinator": self.key.public,
                    "code_sha256": code_sha256(held["task"]),
                    "versions": versions(),
                    "privacy": Privacy(**held.get("privacy", {})),
                    "patience": Patience(**held.get("patience", {})),
                    "checks": Checks(**held.get("checks", {})),
                }
            )
        except (KeyError, TypeError) as fault:
            remedy = "correct it as docs/federation.md shows"
            raise FederationRefused(
                f"a draft that lacks or adds {fault}", "a draft", remedy, where
            ) from fault

    def plans(self) -> list[Plan]:
        """All frozen plans."""
        return [open_plan(path) for path in sorted((self.folder / "plans").glob("*/plan.json"))]

    def plan_of(self, word: str) -> Plan:
        """Find a plan by its name or the beginning of its hash; the empty word finds the only one.

        Raises
        ------
        FederationRefused
            If there is none, or several.
        """
        found = [p for p in self.plans() if word in ("", p.name) or p.sha256.startswith(word)]
        if len(found) != 1:
            expected = ", ".join(f"{p.name} {p.sha256[:12]}" for p in self.plans()) or "a frozen plan"
            raise FederationRefused(f"{len(found)} plans {word!r}", expected, "name one by its hash")
        return found[0]
