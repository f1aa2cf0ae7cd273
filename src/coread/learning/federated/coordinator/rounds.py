"""The rounds of a plan: ask the sites, check what comes, combine it, keep the state, go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.contribution.statement import name_of
from coread.learning.federated.coordinator.asking import Asking, Gathered
from coread.learning.federated.coordinator.checking import change_norm, outliers, read_update
from coread.learning.federated.coordinator.hidden_round import HiddenRound
from coread.learning.federated.coordinator.keeping import Kept
from coread.learning.federated.coordinator.made import Made
from coread.learning.federated.packing.combining import THRESHOLD, curve_of, gate_of, kept_curve
from coread.learning.federated.plan.carrying import taking_part
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.record import Record
from coread.learning.federated.strategies import State, Strategy
from coread.learning.federated.task import Parameters, Update
from coread.learning.runs.files import plain

Tell = Callable[[str, float], None]

NOBODY = "nobody"
"""Name of the coalition without a site."""

#: Refusals after which a site is not asked again in this run of the coordinator.
FINAL = frozenset({"vetoed", "stopped", "plan-changed", "not-consented", "version-differs", "code-differs"})


class Rounds:
    """Carries a plan out.

    Parameters
    ----------
    asking
        To the sites, under the plan.
    strategy
        Pure.
    kept
        Where the state is.
    record
        The coordinator's ledger.
    tell
        Told of progress.
    among
        The sites that train; all of the plan if left out.
    """

    def __init__(
        self,
        asking: Asking,
        strategy: Strategy,
        kept: Kept,
        record: Record,
        tell: Tell,
        among: frozenset[str] | None = None,
    ) -> None:
        self.asking, self.strategy, self.kept, self.record = asking, strategy, kept, record
        self.plan: Plan = asking.plan
        self._among = frozenset(self.plan.sites) if among is None else among
        self.coalition = "" if among is None else name_of(among) or NOBODY
        self._tell = tell
        self._left: dict[str, str] = {}
        self._missing: set[str] = set()

    def of(self, some: frozenset[str]) -> Rounds:
        """The rounds of a group of the sites alone, kept in a folder of their own."""
        kept = Kept(self.kept.folder / "coalitions" / (name_of(some) or NOBODY), self.plan)
        return Rounds(self.asking, self.strategy, kept, self.record, self._tell, some)

    def propose(self) -> dict[str, str]:
        """Show the plan to every connected site; return where each stands."""
        text = self.plan.to_bytes().decode()
        orders = {site: self.asking.order("propose", facts={"text": text}) for site in self._connected()}
        said = self.asking.gather(orders, within_s=60.0).answers if orders else {}
        return {
            site: str(answer.facts.get("stand", answer.facts.get("code"))) for site, answer in said.items()
        }

    def run(self, initial: Callable[[], Parameters]) -> State:
        """Do all rounds that are not done yet, and return the last state.

        Raises
        ------
        FederationRefused
            If too few sites took part in so many tries as the plan allows.
        """
        done, state = self.kept.load() or (0, None)
        if state is None:
            state = self.strategy.begin(initial())
            self.kept.save(0, state)
        for round_ in range(done + 1, self.plan.rounds + 1):
            state = self._round(state, round_)
        return state

    def _round(self, state: State, round_: int) -> State:
        start = self.asking.clock.now()
        for turn in range(1, self.plan.patience.tries + 1):
            made = self._tried(state, round_, turn)
            if len(made.notes["took_part"]) >= self._needed(round_):
                after = self.strategy.combine(state, dict(sorted(made.updates.items())))
                self._finished(round_, made, (state, after), self.asking.clock.now() - start)
                return after
            few = f"{len(made.notes['took_part'])} of {self.plan.least_sites} sites"
            self._tell(f"round {round_}, try {turn}: {few}; {_said(made.refused)}", round_ / self.plan.rounds)
            self._demand_enough()
            self.asking.clock.wait(min(2.0 * turn, 30.0))
        found = f"too few sites in {self.plan.patience.tries} tries of round {round_}"
        raise FederationRefused(found, f"{self.plan.least_sites} sites", "wait for sites, then run again", "")

    def _needed(self, round_: int) -> int:
        most = len(taking_part(self.plan, sorted(self._among), round_))
        return most if self.coalition else min(self.plan.least_sites, most)

    def _demand_enough(self) -> None:
        """Stop at once where too few sites are left for good."""
        left = len(self._among - set(self._left))
        if left < (len(self._among) if self.coalition else self.plan.least_sites):
            found = f"{left} sites left; {_said(self._left)}"
            raise FederationRefused(found, f"{self.plan.least_sites} sites", "agree on another plan", "")

    def _tried(self, state: State, round_: int, turn: int) -> Made:
        facts, arrays = {"round": round_, **self._group(self.coalition)}, self._arrays(state, round_)
        sites = taking_part(self.plan, list(self._connected()), round_)
        if self.plan.privacy.secure_aggregation:
            made = HiddenRound(self.asking, f"{round_}.{turn}", state.parameters).run(sites, facts, arrays)
            return self._noted(self._bounded(made, state.parameters))
        orders = {site: self.asking.order("train", facts=facts, arrays=arrays) for site in sites}
        return self._noted(self._checked(self.asking.gather(orders), state.parameters))

    def _group(self, coalition: str) -> dict[str, str]:
        return {"coalition": coalition} if coalition else {}

    def _arrays(self, state: State, round_: int) -> dict[str, Parameters]:
        more = self.strategy.instructions(state, round_).get("arrays", {})
        return {"parameters": state.parameters, "arrays": more}

    def _bounded(self, made: Made, before: Parameters) -> Made:
        """Turn away a sum that is out of all bounds; whose fault it is cannot be known."""
        faults = outliers(made.updates, before, self.plan.checks)
        return Made({}, {**made.refused, **faults}, {"took_part": []}) if faults else made

    def _noted(self, made: Made) -> Made:
        for site, reason in made.refused.items():
            if reason.split(":", maxsplit=1)[0] in FINAL:
                self._left[site] = reason
        return made

    def _checked(self, gathered: Gathered, before: Parameters) -> Made:
        refused = dict(gathered.silent)
        sound: dict[str, Update] = {}
        for site, answer in gathered.answers.items():
            if answer.kind == "refused":
                refused[site] = f"{answer.facts.get('code')}: {answer.facts.get('reason')}"
                continue
            update = read_update(answer, before)
            if isinstance(update, str):
                refused[site] = f"update-refused: {update}"
            else:
                sound[site] = update
        for site, reason in outliers(sound, before, self.plan.checks).items():
            refused[site] = f"update-refused: {reason}"
            del sound[site]
        return Made(sound, refused, {"took_part": sorted(sound)})

    def _finished(self, round_: int, made: Made, states: tuple[State, State], seconds: float) -> None:
        before, after = states
        told = {
            **made.notes,
            "refused": dict(made.refused),
            "change": change_norm(after.parameters, before.parameters),
            "metrics": {site: dict(update.metrics) for site, update in made.updates.items()},
            "seconds": seconds,
        }
        self.kept.remember(round_, told)
        self.kept.save(round_, after)
        facts = {
            "round": str(round_),
            "sites": " ".join(made.notes["took_part"]),
            "count": str(len(made.updates)),
            **self._group(self.coalition),
        }
        refused = {f"refused {site}": reason for site, reason in made.refused.items()}
        self.record.note(
            "round",
            self.plan.sha256,
            "coordinator",
            {**facts, **refused},
            f"round:{self.plan.sha256}:{round_}:{self.coalition}".removesuffix(":"),
        )
        of = f" ({self.coalition} alone)" if self.coalition else ""
        words = f"round {round_} of {self.plan.rounds}{of}: {', '.join(made.notes['took_part'])}"
        self._tell(words + (f"; {_said(made.refused)}" if made.refused else ""), round_ / self.plan.rounds)

    def evaluate(self, kind: str, part: str, state: State, coalition: str = "") -> dict[str, dict[str, Any]]:
        """Let every site measure on its own held-out patients: the federation's model, or its own alone.

        Parameters
        ----------
        kind
            ``evaluate`` or ``alone``.
        part
            ``val`` or ``test``.
        state
            The last.
        coalition
            Whose model it is, if it is not that of all.
        """
        arrays = self._arrays(state, self.plan.rounds) if kind == "evaluate" else {}
        facts = {"round": self.plan.rounds, "part": part, **self._group(coalition)}
        orders = {site: self.asking.order(kind, facts=facts, arrays=arrays) for site in self._connected()}
        gathered = self.asking.gather(orders)
        figures = {site: dict(a.facts.get("metrics", a.facts)) for site, a in gathered.answers.items()}
        return {**figures, **{site: {"silent": why} for site, why in gathered.silent.items()}}

    def pack(self, state: State) -> dict[str, Any]:
        """Let the sites calibrate and appraise the finished model for a bundle; return what it is made of."""
        arrays = self._arrays(state, self.plan.rounds)
        said = self._packing("calibrate", {}, arrays)
        spent = {
            site: f"{one['epsilon']:.2f}" for site, one in said.items() if one.get("epsilon") is not None
        }
        told = {"curve": kept_curve(curve_of(said)), "gate": gate_of(said)}
        bundle = {**told, "threshold": THRESHOLD}
        sites = self._packing("appraise", {"bundle": plain(bundle)}, arrays)
        return {**told, "epsilon_spent": spent, "sites": sites}

    def _packing(
        self, kind: str, more: Mapping[str, Any], arrays: Mapping[str, Parameters]
    ) -> dict[str, Any]:
        facts = {"round": self.plan.rounds, **more}
        orders = {site: self.asking.order(kind, facts=facts, arrays=arrays) for site in self._connected()}
        answers = self.asking.gather(orders).answers
        return {site: dict(a.facts["packing"]) for site, a in sorted(answers.items()) if a.kind == kind}

    def hand_over(self, state: State, result: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
        """Give every site the finished model, all figures and the statements.

        Returns
        -------
        tuple
            Who has them, and what each said of the statements: its signature, or why it does not sign.
        """
        facts = {"round": self.plan.rounds, "result": plain(result)}
        arrays = {"parameters": state.parameters}
        orders = {site: self.asking.order("final", facts=facts, arrays=arrays) for site in self._connected()}
        said = self.asking.gather(orders, within_s=300.0).answers
        took = {site: answer for site, answer in sorted(said.items()) if answer.kind == "final"}
        return list(took), {site: dict(answer.facts.get("statement", {})) for site, answer in took.items()}

    def _connected(self) -> Sequence[str]:
        """Invited sites that are there and have not left; one that is missing is waited for once."""
        until = self.asking.clock.now() + self.plan.patience.absent_s
        while True:
            expected = self._among - set(self._left)
            found = expected & self.asking.wire.online()
            missing = expected - found
            if missing <= self._missing or self.asking.clock.now() >= until:
                self._missing = set(missing)
                return sorted(found)
            self.asking.clock.wait(0.5)


def _said(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{site} {why}" for site, why in sorted(reasons.items())) or "nobody said why"
