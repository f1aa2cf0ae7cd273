"""A whole federation from proposal to result, over any wire."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.contribution.agreeing import agreed
from coread.learning.federated.coordinator.asking import Asking
from coread.learning.federated.coordinator.coalitions import stated, worths
from coread.learning.federated.coordinator.folder import CoordinatorFolder
from coread.learning.federated.coordinator.keeping import Kept
from coread.learning.federated.coordinator.rounds import Rounds, Tell
from coread.learning.federated.orders import Wire
from coread.learning.federated.plan.carrying import strategy_in
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.record import Record
from coread.learning.federated.strategies import State
from coread.learning.federated.task import COUNTS, Parameters, task_of
from coread.learning.runs.files import plain


class RealClock:
    """The clock on the wall."""

    def now(self) -> float:
        """Seconds, never going back."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Conducting:
    """One plan under way at a coordinator.

    Attributes
    ----------
    folder, plan, wire
        Whose, which, and how the sites are reached.
    tell
        Told of progress.
    """

    folder: CoordinatorFolder
    plan: Plan
    wire: Wire
    tell: Tell

    def run(self, wait_s: float) -> dict[str, Any]:
        """Wait for the sites' word, do all rounds, let every site measure; return and keep the result.

        Parameters
        ----------
        wait_s
            How long the sites' officers may take. The rounds begin as soon as all have spoken.

        Raises
        ------
        FederationRefused
            If too few sites approve, or too few take part.
        """
        kept, record = Kept(self.folder.folder, self.plan), Record.kept_in(self.folder.folder)
        asking = Asking(self.wire, RealClock(), self.plan, self.folder.key.sign)
        rounds = Rounds(asking, strategy_in(self.plan), kept, record, self.tell)
        if kept.load() is None:
            self._wait_for_word(rounds, wait_s)
        state = rounds.run(self._initial)
        result = self.result(rounds, state)
        result["handed_over_to"], said = rounds.hand_over(state, result)
        result["statement"] = self.agreed(result["contribution"], said, record)
        kept.write("result", result)
        size, root = record.root()
        kept.write("ledger", {"events": size, "root": root})
        record.close()
        return result

    def _wait_for_word(self, rounds: Rounds, wait_s: float) -> None:
        until = rounds.asking.clock.now() + wait_s
        said: dict[str, str] = {}
        while True:
            before, said = said, rounds.propose()
            spoken = {site: stand for site, stand in said.items() if stand != "pending"}
            if said != before:
                words = ", ".join(f"{site} {stand}" for site, stand in sorted(said.items())) or "no site yet"
                self.tell(f"plan {self.plan.sha256[:12]}: {words}", 0.0)
            if len(spoken) == len(self.plan.sites) or rounds.asking.clock.now() >= until:
                break
            rounds.asking.clock.wait(1.0)
        approved = [site for site, stand in said.items() if stand == "approved"]
        if len(approved) < self.plan.least_sites:
            words = ", ".join(f"{site} {stand}" for site, stand in sorted(said.items())) or "nobody answered"
            expected = f"approval by {self.plan.least_sites} sites"
            raise FederationRefused(
                words, expected, "talk to the sites' officers, then run again", self.plan.name
            )

    def result(self, rounds: Rounds, state: State) -> dict[str, Any]:
        """Let every site measure, and pack where the plan says so; the whole of ``result.json``."""
        packed = {"packed": rounds.pack(state)} if self.plan.pack else {}
        measured = self._measured(rounds, state)
        worth = worths(rounds, state, self._initial) if self.plan.contribution else {}
        # What is rounded on the way to the sites must be rounded before it is signed.
        contribution = stated(rounds, plain(measured), worth)
        return {**measured, **packed, "contribution": contribution}

    def agreed(
        self, given: Mapping[str, Any], said: Mapping[str, Mapping[str, Any]], record: Record
    ) -> dict[str, Any]:
        """Put on record which sites have signed the statements, and which do not agree, and why."""
        signatures = {site: str(one["signature"]) for site, one in said.items() if one.get("signature")}
        signed = agreed(self.plan.sha256, given["sha256"], signatures, self.plan.sites)
        against = {
            site: "; ".join(one["differences"]) for site, one in said.items() if one.get("differences")
        }
        facts = {"statements_sha256": given["sha256"], "signed": " ".join(signed), **against}
        record.note("statement", self.plan.sha256, "coordinator", facts, f"statement:{given['sha256']}")
        return {"signatures": {s: signatures[s] for s in signed}, "signed": signed, "against": against}

    def _initial(self) -> Parameters:
        return task_of(self.plan.task, self.plan.options).initial(self.plan.seed)

    def _measured(self, rounds: Rounds, state: State) -> dict[str, Any]:
        together = rounds.evaluate("evaluate", "test", state)
        alone = rounds.evaluate("alone", "test", state) if self.plan.compare_alone else {}
        sites = {
            site: {
                "federation": figures,
                "alone": alone.get(site, {}),
                "gain": gain(figures, alone.get(site, {})),
            }
            for site, figures in together.items()
        }
        history = rounds.kept.history()
        return {
            "plan": self.plan.name,
            "plan_sha256": self.plan.sha256,
            "rounds": self.plan.rounds,
            "secure_aggregation": self.plan.privacy.secure_aggregation,
            "sites": sites,
            "took_part": {site: sum(site in r["took_part"] for r in history) for site in self.plan.sites},
            "refused": [
                {"round": r["round"], "site": site, "reason": why}
                for r in history
                for site, why in r["refused"].items()
            ],
            "seconds": sum(r["seconds"] for r in history),
        }


def gain(together: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, float]:
    """What a site gained over its own model, by figure; below zero where it lost.

    Examples
    --------
    >>> gain({"auc": 0.75, "cases": 40.0}, {"auc": 0.5, "cases": 40.0})
    {'auc': 0.25}
    """
    both = [name for name in together if name in alone and name not in COUNTS]
    numbers = [n for n in both if isinstance(together[n], int | float) and isinstance(alone[n], int | float)]
    return {name: float(together[name] - alone[name]) for name in numbers}
