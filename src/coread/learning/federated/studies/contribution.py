"""What each vendor's nodules are worth to the federation, and whether the account can be cheated.

Planted: labels of one site shuffled (each site in turn), the nodules of a site all held twice, a site that
comes twice under two names. Worth of a coalition: area under the ROC curve on all sites' validation patients.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coread.evaluation import roc_auc
from coread.learning.federated.contribution.quality import fingerprints, signals
from coread.learning.federated.contribution.rules import Rules, shares
from coread.learning.federated.contribution.statement import Account, Statement, digest, name_of, statements
from coread.learning.federated.contribution.values import (
    Coalition,
    coalitions,
    estimated_shapley,
    exact_shapley,
    seats,
)
from coread.learning.federated.simulation.federation import Plan, federate
from coread.learning.federated.strategies.averaging import LocalPlan
from coread.learning.federated.strategies.catalogue import DEFAULT, strategy_of
from coread.learning.federated.studies.figures import row
from coread.learning.federated.studies.vendors import HEADS
from coread.learning.federated.task import Parameters, SiteData
from coread.learning.federated.tasks.cases import Cases
from coread.learning.federated.tasks.heads import HeadTask
from coread.learning.federated.tasks.lidc import VENDORS
from coread.learning.federated.tasks.sites import lidc_sites, nodule_malignancy
from coread.learning.runs.files import plain
from coread.learning.runs.run import Run

Tell = Callable[[str, float], None]

SEEDS = (0, 1, 2)

NOBODY = 0.5
"""Worth of the empty coalition: the area of a coin."""

SAME_SEAT = 0.5
"""Share of common images above which two sites are taken for one."""

TWICE = "Siemens"
"""The site whose nodules are held twice, and that comes twice."""

KEY = b"agreed by the sites of this study"

ESTIMATED = (2, 4, 8)
"""Pairs of random orders with which the estimate is held against the exact values."""


@dataclass(frozen=True, eq=False)
class Game:
    """A federation whose coalitions can be trained.

    Attributes
    ----------
    task, sites, local
        What is trained, and where.
    judges
        Sites on whose validation patients a coalition is judged.
    planted
        The site whose training cases are not what they were; coalitions without it are worth what they were.
    """

    task: HeadTask
    sites: Mapping[str, SiteData]
    local: LocalPlan
    judges: Sequence[str]
    planted: str = ""

    def model(self, some: Coalition, seed: int) -> Parameters:
        """What a coalition trains."""
        members = {name: self.sites[name] for name in sorted(some)}
        strategy = strategy_of(DEFAULT, self.local)
        return federate(members, Plan(self.task, strategy, self.local.rounds, seed)).parameters

    def worth(self, some: Coalition, seeds: Sequence[int]) -> float:
        """Mean over the seeds of the area on all judges' validation patients."""
        if not some:
            return NOBODY
        return float(np.mean([self._area(self.model(some, seed)) for seed in seeds]))

    def _area(self, parameters: Parameters) -> float:
        said = [self.task.judged(self.sites[name], parameters, "val") for name in self.judges]
        truth, score = (np.concatenate([getattr(one, k) for one in said]) for k in ("truth", "score"))
        return roc_auc(truth, score)


def study(data: Path, out: Path, quick: bool, progress: Tell) -> dict[str, Any]:
    """Value the sites honestly and under each trick; resumable in `out`."""
    torch.set_num_threads(1)
    task = nodule_malignancy(str(out.parent / "federated_features"))
    local = replace(HEADS, rounds=3, steps=5) if quick else HEADS
    honest = Game(task, lidc_sites(data), local, VENDORS)
    seeds, run = SEEDS[:1] if quick else SEEDS, Run(out)
    games = {
        "honest": honest,
        **{f"shuffled {v}": shuffled(honest, v) for v in VENDORS},
        "twice": doubled(honest),
    }
    worths: dict[str, dict[Coalition, float]] = {}
    for number, (name, game) in enumerate(games.items()):
        progress(name, number / (len(games) + 1))
        worths[name] = worth_of_all(game, seeds, run, name.replace(" ", "-"), worths.get("honest", {}))
    progress("statements", len(games) / (len(games) + 1))
    accounts = {name: account_of(games[name], worth, seeds) for name, worth in worths.items()}
    accounts["two names"] = two_names(honest, worths["honest"], seeds)
    given = {name: statements(account) for name, account in accounts.items()}
    return dict(plain(concluded(given, worths["honest"], seeds)))


def worth_of_all(
    game: Game, seeds: Sequence[int], run: Run, name: str, honest: Mapping[Coalition, float]
) -> dict[Coalition, float]:
    """Worth of every coalition, kept as far as it is known; those without the planted site as when honest."""
    known: dict[str, float] = run.read_json(name) or {}
    for some in coalitions(list(game.sites)):
        if name_of(some) not in known:
            same = some in honest and game.planted not in some
            known[name_of(some)] = honest[some] if same else game.worth(some, seeds)
            run.write_json(name, known)
    return {some: known[name_of(some)] for some in coalitions(list(game.sites))}


def shuffled(game: Game, site: str) -> Game:
    """The game with the training labels of one site in random order."""
    return _with_cases(game, site, _shuffled)


def doubled(game: Game) -> Game:
    """The game with every case of one site held twice."""
    return _with_cases(game, TWICE, lambda held: held.only(np.repeat(np.arange(len(held.target)), 2)))


def _shuffled(held: Cases) -> Cases:
    rows = np.flatnonzero(np.asarray(held.part) == "train")
    mixed = np.random.default_rng(7).permutation(held.target[rows])
    return held.relabelled(rows.astype(np.int64), mixed)


def _with_cases(game: Game, site: str, change: Callable[[Cases], Cases]) -> Game:
    plain_cases = game.task.cases_of
    changed = change(plain_cases(game.sites[site]))

    def cases(data: SiteData) -> Cases:
        return changed if data.site == site else plain_cases(data)

    return replace(game, task=replace(game.task, cases_of=cases), planted=site)


def account_of(game: Game, worth: Mapping[Coalition, float], seeds: Sequence[int]) -> Account:
    """Everything that the sites know at the end."""
    whole = frozenset(game.sites)
    ours = game.model(whole, seeds[0])
    measured, spent = {}, {}
    for name, data in game.sites.items():
        began = time.process_time()
        rest = game.model(whole - {name}, seeds[0])
        held = game.task.cases_of(data)
        measured[name] = signals(held, _scores(game.task, data, held, rest))
        spent[name] = round((time.process_time() - began) / (len(game.sites) - 1), 1)
    return Account(
        federation="nodule malignancy by vendor",
        score="AUC on all sites' validation patients",
        worth={name_of(some): value for some, value in worth.items()},
        seat=seats({n: fingerprints(game.task.cases_of(d), KEY) for n, d in game.sites.items()}, SAME_SEAT),
        estimated={},
        signals={name: dict(plain(one)) for name, one in measured.items()},
        compute_s=spent,
        before={name: _own(game, name, game.model(frozenset({name}), seeds[0])) for name in game.sites},
        after={name: _own(game, name, ours) for name in game.sites},
    )


def _scores(task: HeadTask, data: SiteData, held: Cases, parameters: Parameters) -> Any:
    lent = replace(held, part=["val"] * len(held.part), truth=np.zeros(len(held.part), np.int64))
    statistics = task.statistics(data, parameters)
    fixed = replace(task, cases_of=lambda _: lent, norm="reference", reference=statistics)
    return fixed.judged(
        data, {**parameters, "norm.mean": statistics[0], "norm.scale": statistics[1]}, "val"
    ).score


def _own(game: Game, site: str, parameters: Parameters) -> float | None:
    return game.task.evaluate(game.sites[site], parameters, "val").get("auc")


def two_names(game: Game, worth: Mapping[Coalition, float], seeds: Sequence[int]) -> Account:
    """The account when `TWICE` comes under a second name: both sit on one seat, which plays once."""
    account = account_of(game, worth, seeds)
    again = f"{TWICE} again"
    prints = {n: fingerprints(game.task.cases_of(d), KEY) for n, d in game.sites.items()}
    copied: dict[str, Any] = {
        kind: {**getattr(account, kind), again: getattr(account, kind)[TWICE]}
        for kind in ("signals", "compute_s", "before", "after")
    }
    return replace(account, seat=seats({**prints, again: prints[TWICE]}, SAME_SEAT), **copied)


def estimates(worth: Mapping[Coalition, float]) -> dict[str, Any]:
    """How far the estimate by permutations lies from the exact values, by pairs of orders."""
    exact = exact_shapley(VENDORS, worth)
    found = {}
    for pairs in ESTIMATED:
        runs = [estimated_shapley(VENDORS, worth.__getitem__, pairs, seed) for seed in range(20)]
        apart = [abs(one[v].value - exact[v].value) for one in runs for v in VENDORS]
        told = [one[v].error for one in runs for v in VENDORS]
        found[str(pairs)] = {"mean_error": float(np.mean(apart)), "mean_told_error": float(np.mean(told))}
    return found


def concluded(
    given: Mapping[str, Mapping[str, Statement]], worth: Mapping[Coalition, float], seeds: Sequence[int]
) -> dict[str, Any]:
    """Figures and lines of the table."""
    divided = {name: shares(held, Rules()) for name, held in given.items()}
    found = {
        "statements": {
            name: {site: plain(one) for site, one in held.items()} for name, held in given.items()
        },
        "shares": divided,
        "digests": {name: digest(held) for name, held in given.items()},
        "estimates": estimates(worth),
        "worth": {name_of(some) or "(nobody)": value for some, value in worth.items()},
    }
    head = {
        "title": "Federation: contribution and benefit",
        "evidence_grade": "retrospective, simulated federation",
    }
    return {**head, "rows": rows_of(given, divided, found), "did_not_work": [], "seeds": list(seeds), **found}


def rows_of(
    given: Mapping[str, Mapping[str, Statement]],
    divided: Mapping[str, Mapping[str, float]],
    found: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Lines of the lab's table."""
    n = {"n": len(VENDORS)}
    made = [
        row(
            f"contribution, {site}: Shapley value (validation AUC)",
            {"value": one.value, **n},
            note=f"missed {_signed(one.missed)}, gained on its own patients {_signed(one.gained)}, "
            f"share {divided['honest'][site]:.1%}",
        )
        for site, one in given["honest"].items()
    ]
    for vendor in VENDORS:
        held = given[f"shuffled {vendor}"]
        lowest = min(held, key=lambda site: held[site].value or 0.0)
        what = f"contribution, {vendor} with shuffled labels: its value"
        made.append(row(what, {"value": held[vendor].value, **n}, goal="the lowest", met=lowest == vendor))
    return [*made, *_copy_rows(divided), *_estimate_rows(found["estimates"])]


def _copy_rows(divided: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Shares of a site that holds everything twice, and of one that comes twice."""
    made = []
    tricks = {"twice": "all nodules held twice", "two names": "coming under two names"}
    for name, what in tricks.items():
        before = divided["honest"][TWICE]
        after = sum(share for site, share in divided[name].items() if site.startswith(TWICE))
        made.append(
            row(
                f"contribution, {TWICE} {what}: its share",
                {"value": after, "n": len(VENDORS)},
                baseline={"value": before},
                baseline_name="honest",
                goal="not above honest",
                met=after <= before + 1e-9,
            )
        )
    return made


def _estimate_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        row(
            f"contribution, mean error of the estimate from {pairs} pairs of orders",
            {"value": one["mean_error"], "n": 20},
            note=f"it tells {one['mean_told_error']:.4f}",
        )
        for pairs, one in found.items()
    ]


def _signed(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:+.3f}"
