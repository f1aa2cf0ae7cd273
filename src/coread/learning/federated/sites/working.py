"""Work on a site's own patients, kept on disk so that a killed site answers where it stopped."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from coread.errors import FederationRefused, RunRefused
from coread.learning.federated.arrays import read_arrays, write_arrays, write_bytes
from coread.learning.federated.contribution.agreeing import differences
from coread.learning.federated.orders import digest_of
from coread.learning.federated.packing.at_site import appraising, calibrating
from coread.learning.federated.packing.packed import packable
from coread.learning.federated.plan.carrying import told, told_alone
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.sites.folder import SiteFolder
from coread.learning.federated.strategies.at_site import personal, round_seed, take_part
from coread.learning.federated.task import FederatedTask, Parameters, Update
from coread.learning.runs.files import write_json

_NOISE_KEY = "noise.key"


@dataclass(frozen=True)
class Work:
    """One site's work for one plan.

    Attributes
    ----------
    site, plan, task
        Whose, under which plan, on what.
    coalition
        The group of sites that trains, where it is not all of them.
    """

    site: SiteFolder
    plan: Plan
    task: FederatedTask
    coalition: str = ""

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        whole = self.site.work(self.plan)
        if not self.coalition:
            return whole
        place = whole / "coalitions" / sha256(self.coalition.encode()).hexdigest()[:16]
        place.mkdir(parents=True, exist_ok=True)
        return place

    def learn(self, round_: int, parameters: Parameters, arrays: Parameters) -> Update:
        """Train in a round, or give what was trained before the site was stopped.

        Parameters
        ----------
        round_
            From 1.
        parameters
            The federation's.
        arrays
            What the strategy sends beside them.

        Raises
        ------
        FederationRefused
            If what came out is not finite or has other arrays, or if the budget of privacy is spent.
        """
        named = digest_of({**parameters, **{f"\0{name}": array for name, array in arrays.items()}})[:16]
        named = f"{named}{self._of_whom()}"
        path = self.folder / f"round-{round_:05d}-{named}.npz"
        if (kept := _kept(path)) is not None:
            return kept[0]
        instructions = {**told(self.plan, round_), "arrays": arrays}
        self._spend(f"{round_}-{named}")
        update, stays = self._part(parameters, instructions, (round_, named), self._stays(round_))
        self._forget(round_)
        _keep(path, update, stays)
        return update

    def evaluate(self, parameters: Parameters, part: str) -> dict[str, float]:
        """Measure what this site would read with on its own held-out patients."""
        own = personal(parameters, self._stays(self.plan.rounds + 1))
        return dict(self.task.evaluate(self.site.data(self.plan), own, part))

    def keep_final(self, parameters: Parameters, result: Mapping[str, Any]) -> None:
        """Keep the finished model, with what stays private to this site in it, and all sites' figures."""
        own = personal(parameters, self._stays(self.plan.rounds + 1))
        write_arrays(self.folder / "final.npz", {"parameters": own}, {"plan": self.plan.sha256})
        write_json(self.folder / "result.json", result)

    def differences(self, parameters: Parameters, result: Mapping[str, Any]) -> list[str]:
        """Say what in the statements that came does not agree with the account, the result and this site."""
        given = result["contribution"]
        measure = str(given.get("account", {}).get("score", ""))
        alone = self.measured_alone("test") if self.plan.compare_alone else {}
        together = self.evaluate(parameters, "test")
        own = (alone.get(measure), together.get(measure))
        return differences(given, self.site.settings.name, own, result)

    def alone(self) -> Parameters:
        """Train without anyone else: the same start, as many rounds, as many local updates."""
        path = self.folder / f"alone{self._of_whom()}.npz"
        held = read_arrays(path)
        done, parameters = (
            (int(held[1]["done"]), held[0]["parameters"]) if held else (0, self.task.initial(self.plan.seed))
        )
        for round_ in range(done + 1, self.plan.rounds + 1):
            update, _ = self._part(parameters, told_alone(self.plan, round_), (round_, "alone"), {})
            parameters = update.parameters
            write_arrays(path, {"parameters": parameters}, {"done": round_})
        return parameters

    def measured_alone(self, part: str) -> dict[str, float]:
        """Measure the site's model of its own."""
        return dict(self.task.evaluate(self.site.data(self.plan), self.alone(), part))

    def calibrating(self, parameters: Parameters) -> dict[str, Any]:
        """Give what a bundle's curve and gate are made of, and the budget of privacy that was spent here."""
        noised = bool(self.plan.privacy.differential)
        found = calibrating(packable(self.task), self.site.data(self.plan), parameters, noised)
        return {**found, "epsilon": self._epsilon()} if noised else found

    def appraising(self, parameters: Parameters, told: Mapping[str, Any]) -> dict[str, Any]:
        """Give figures on this site's test patients, of the finished model and of the site's own."""
        return appraising(packable(self.task), self.site.data(self.plan), (parameters, self.alone()), told)

    def _of_whom(self) -> str:
        """Tells work on some patients from work on others: who withdrew is not in what is sent again."""
        lent = self.site.lent
        return "" if lent is None else "-" + sha256("\n".join(sorted(lent)).encode()).hexdigest()[:16]

    def _epsilon(self) -> float | None:
        """What this site has spent, from the noise of its last round and the number of its trainings."""
        path = self.folder / "spent.json"
        rounds = [kept[0].metrics for p in self.folder.glob("round-*.npz") if (kept := _kept(p))]
        if not path.exists() or not rounds:
            return None
        budget = import_module("coread.learning.federated.differential_privacy.budget")
        told = [rounds[-1]] * len(json.loads(path.read_text()))
        epsilon = float(budget.spent(told, float(self.plan.privacy.differential["delta"])).epsilon)
        return epsilon if np.isfinite(epsilon) else None

    def _part(
        self, parameters: Parameters, instructions: Mapping[str, Any], at: tuple[int, str], stays: Parameters
    ) -> tuple[Update, Parameters]:
        seed = self._seed(*at)
        started = time.process_time()
        data = self.site.data(self.plan)
        update, keep = take_part(self.task, data, parameters, instructions, seed, stays)
        demand_sound(update, parameters)
        return replace(update, metrics={**update.metrics, "seconds": time.process_time() - started}), keep

    def _seed(self, round_: int, named: str) -> int:
        """Seed of a training; where noise protects the patients, one that nobody outside the site can know.

        It depends on what the site was given: the same noise on two sets of parameters would cancel out.
        """
        if not self.plan.privacy.differential:
            return round_seed(self.plan.seed, self.site.settings.name, round_)
        path = self.folder / _NOISE_KEY
        if not path.exists():
            write_bytes(path, secrets.token_bytes(32))
            path.chmod(0o600)
        about = f"{self.plan.sha256}:{round_}:{named}".encode()
        return int.from_bytes(hashlib.blake2b(about, key=path.read_bytes(), digest_size=32).digest(), "big")

    def _spend(self, training: str) -> None:
        """Count a training against the budget of privacy, before it begins; the same one again is free.

        Raises
        ------
        FederationRefused
            If the plan's rounds are used up: a coordinator that asks again and again learns more than agreed.
        """
        if not self.plan.privacy.differential:
            return
        path = self.folder / "spent.json"
        done = json.loads(path.read_text()) if path.exists() else []
        if training not in done and len(done) >= self.plan.rounds:
            found = f"a training beyond the {len(done)} that the budget of privacy covers"
            raise FederationRefused(found, "as many as the plan has rounds", "agree on a new plan", "")
        write_json(path, sorted({*done, training}))

    def _stays(self, before: int) -> Parameters:
        """What the site kept to itself after the last round before this one."""
        for path in sorted(self.folder.glob("round-*.npz"), reverse=True):
            if int(path.name.split("-")[1]) < before and (kept := _kept(path)):
                return kept[1]
        return {}

    def _forget(self, round_: int) -> None:
        """Keep the round before, of which the next may need something, and nothing older."""
        for path in self.folder.glob("round-*.npz"):
            if int(path.name.split("-")[1]) != round_ - 1:
                path.unlink(missing_ok=True)


def demand_sound(update: Update, before: Parameters) -> None:
    """Refuse at its source an update that is no update.

    Raises
    ------
    FederationRefused
        If arrays are missing, of another shape, or not finite.
    """
    for name, array in before.items():
        found = update.parameters.get(name)
        if found is None or np.shape(found) != np.shape(array) or not np.all(np.isfinite(found)):
            expected = f"finite values of shape {np.shape(array)}"
            raise FederationRefused(f"training that spoilt {name!r}", expected, "look at the site's data", "")


def _keep(path: Path, update: Update, stays: Parameters) -> None:
    groups = {"parameters": update.parameters, "extra": update.extra, "stays": stays}
    write_arrays(path, groups, {"examples": update.examples, "metrics": dict(update.metrics)})


def _kept(path: Path) -> tuple[Update, Parameters] | None:
    try:
        held = read_arrays(path)
    except RunRefused:  # e.g. a disk that was full; it is trained anew
        return None
    if held is None:
        return None
    groups, facts = held
    update = Update(
        groups.get("parameters", {}), int(facts["examples"]), facts["metrics"], groups.get("extra", {})
    )
    return update, groups.get("stays", {})
