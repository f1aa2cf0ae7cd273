"""What privacy costs and what it buys: area at a budget of 8 and of 3, and attacks before and after.

Two sources of radiographs are private; the third, public one gives the statistics by which features are
standardised. Membership: federations are trained on random halves of the training patients of each site; each
is attacked in turn with the others as the attacker's shadows, which is more than an outsider would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coread.evaluation import Interval, roc_auc
from coread.learning.federated.attacks.membership import confidence, lira_scores, losses
from coread.learning.federated.differential_privacy.budget import delta_for, spent
from coread.learning.federated.simulation.federation import Federated, Plan, federate
from coread.learning.federated.strategies.averaging import LocalPlan
from coread.learning.federated.strategies.catalogue import DEFAULT, strategy_of
from coread.learning.federated.studies.arms import FEDERATION, Said
from coread.learning.federated.studies.figures import Draws, at_site, cases_of, figure, row
from coread.learning.federated.studies.inversion import inversions
from coread.learning.federated.task import Parameters, SiteData
from coread.learning.federated.tasks.cases import Cases
from coread.learning.federated.tasks.heads import HeadTask
from coread.learning.federated.tasks.sites import chest_opacity, chest_sites
from coread.learning.runs.files import plain, write_json
from coread.learning.runs.run import Run

Tell = Callable[[str, float], None]
Float = NDArray[np.float64]

SEEDS = (0, 1, 2)
SITES = ("nih", "paediatric")

PLAIN = LocalPlan(rounds=20, steps=20, batch=32, rate=1e-3, decay=0.1)
"""As in the study by source."""

LONG = replace(PLAIN, rounds=20, steps=100, rate=3e-3, decay=0.0)
"""Trained until it knows its patients: the worst case of a careless federation."""

NOISY = LocalPlan(rounds=10, steps=10, batch=256, rate=1e-2, decay=0.0)
"""Fewer and larger updates: noise is spread over more examples. Chosen on validation patients."""

CLIP = 1.0

FEDERATIONS = 8
"""Trained for the attack, each on other halves."""

LIMIT = 0.55
"""Area that a membership attack may reach at most after protection."""


@dataclass(frozen=True)
class Condition:
    """How a federation protects its patients.

    Attributes
    ----------
    name
        In words.
    local
        What a site does in a round.
    privacy
        Instruction for the task; None for none.
    """

    name: str
    local: LocalPlan
    privacy: Mapping[str, float] | None = None


def _budget(epsilon: float) -> Condition:
    updates = float(NOISY.rounds * NOISY.steps)
    return Condition(f"epsilon {epsilon:g}", NOISY, {"clip": CLIP, "epsilon": epsilon, "updates": updates})


CONDITIONS = (
    Condition("no protection", PLAIN),
    Condition("no protection, trained five times as long", LONG),
    Condition("clipped, no noise (no privacy)", NOISY, {"clip": CLIP, "noise": 0.0}),
    _budget(8.0),
    _budget(3.0),
)


def study(data: Path, out: Path, quick: bool, progress: Tell) -> dict[str, Any]:
    """Measure areas, budgets and attacks; resumable in `out`."""
    torch.set_num_threads(1)
    cache = out.parent / "federated_features"
    task = chest_opacity(str(cache), norm="reference")
    sites = {name: data_of for name, data_of in chest_sites(data).items() if name in SITES}
    run = Run(out)
    areas: dict[str, Any] = {}
    attacked: dict[str, Any] = {}
    for number, condition in enumerate(CONDITIONS[:3] if quick else CONDITIONS):
        progress(condition.name, number / (len(CONDITIONS) + 1))
        part = run.part(f"condition{number}")
        areas[condition.name] = utility(task, sites, condition, SEEDS[:1] if quick else SEEDS, part)
        attacked[condition.name] = attack(task, sites, condition, 6 if quick else FEDERATIONS, part)
    progress("inversion", len(CONDITIONS) / (len(CONDITIONS) + 1))
    inverted = plain(inversions(data, task, sites, run.part("inversion"), quick=quick))
    return dict(plain(concluded(areas, attacked, inverted)))


def _kept(run: Run, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    held = run.read_json(name)
    if held is None:
        held = plain(make())
        write_json(run.path(f"{name}.json"), held)
    return dict(held)


def trained(task: HeadTask, sites: Mapping[str, SiteData], condition: Condition, seed: int) -> Federated:
    """One federation under a condition."""
    also = {"also": {"privacy": dict(condition.privacy)}} if condition.privacy else {}
    strategy = strategy_of(DEFAULT, condition.local, also)
    return federate(sites, Plan(task, strategy, condition.local.rounds, seed))


def utility(
    task: HeadTask, sites: Mapping[str, SiteData], condition: Condition, seeds: Sequence[int], run: Run
) -> dict[str, Any]:
    """Test areas by seed, and the budget that each site spent."""
    said: list[Said] = []
    budget: dict[str, Any] = {}
    for seed in seeds:
        kept = _kept(run, f"utility-{seed}", partial(_used, task, sites, condition, seed))
        start = task.initial(0)
        said.append(
            {
                (FEDERATION, name): replace(
                    task.judged(data, start, "test"), score=np.array(kept["scores"][name])
                )
                for name, data in sites.items()
            }
        )
        budget = kept["spent"]
    return {"draws": {name: at_site(said, FEDERATION, name) for name in sites}, "spent": budget, "said": said}


def _used(
    task: HeadTask, sites: Mapping[str, SiteData], condition: Condition, seed: int
) -> dict[str, dict[str, Any]]:
    held = trained(task, sites, condition, seed)
    return {
        "scores": {name: task.judged(data, held.parameters, "test").score for name, data in sites.items()},
        "spent": {name: budget_of(task, data, held) for name, data in sites.items()}
        if condition.privacy
        else {},
    }


def budget_of(task: HeadTask, data: SiteData, held: Federated) -> Any:
    """What a site spent in a federation."""
    rounds = [metrics[data.site] for metrics in held.metrics if data.site in metrics]
    return spent(rounds, delta_for(len(task.cases_of(data).learned())))


def attack(
    task: HeadTask, sites: Mapping[str, SiteData], condition: Condition, count: int, run: Run
) -> dict[str, Any]:
    """Attack each of `count` federations with the others as shadows.

    Returns
    -------
    dict
        ``loss`` and ``lira``: mean area over the attacked federations with the interval of the mean.
    """
    names = sorted(sites)
    cases = {name: _trained_on(task, sites[name]) for name in names}
    inside = {name: halves(cases[name], count, index) for index, name in enumerate(names)}
    scores = []
    for number in range(count):
        lent = {name: cases[name].only(np.flatnonzero(inside[name][number])) for name in names}
        kept = _kept(run, f"shadow-{number}", partial(_shadow, task, sites, condition, (number, lent, cases)))
        scores.append(kept["scores"])
    truth = np.concatenate([cases[name].truth for name in names])
    member = np.concatenate([inside[name] for name in names], axis=1)
    return {
        kind: how(np.array(scores), truth, member) for kind, how in (("loss", _by_loss), ("lira", _by_lira))
    }


def _shadow(
    task: HeadTask,
    sites: Mapping[str, SiteData],
    condition: Condition,
    lent: tuple[int, Mapping[str, Cases], Mapping[str, Cases]],
) -> dict[str, Any]:
    """Scores of all cases by a federation that was trained on those that it was lent."""
    number, some, cases = lent
    held = trained(replace(task, cases_of=lambda data: some[data.site]), sites, condition, number)
    parts = [_scores(task, sites[name], cases[name], held.parameters) for name in sorted(cases)]
    return {"scores": np.concatenate(parts)}


def _trained_on(task: HeadTask, data: SiteData) -> Cases:
    held = task.cases_of(data)
    return held.only(held.learned())


def halves(held: Cases, count: int, salt: int) -> NDArray[np.bool_]:
    """Which cases each federation is trained on, [federation, case]: all of a patient's or none.

    Half of the patients each, drawn so that two federations in a row have opposite halves: each case is in as
    often as out.
    """
    rng = np.random.default_rng([salt, 31])
    names = np.unique(np.asarray(held.patients))
    rows = []
    for number in range(count):
        if number % 2 == 0:
            chosen = rng.permutation(names)[: len(names) // 2]
            rows.append(np.isin(np.asarray(held.patients), chosen))
        else:
            rows.append(~rows[-1])
    return np.stack(rows)


def _scores(task: HeadTask, data: SiteData, held: Cases, parameters: Parameters) -> Float:
    lent = replace(task, cases_of=lambda _: replace(held, part=["val"] * len(held.part)))
    return lent.judged(data, parameters, "val").score


def _by_loss(score: Float, truth: NDArray[np.int64], member: NDArray[np.bool_]) -> dict[str, Any]:
    areas = [roc_auc(m.astype(int), -losses(s, truth)) for s, m in zip(score, member, strict=True)]
    return _mean(areas)


def _by_lira(score: Float, truth: NDArray[np.int64], member: NDArray[np.bool_]) -> dict[str, Any]:
    sure = np.stack([confidence(s, truth) for s in score])
    areas = []
    for target in range(len(score)):
        rest = np.arange(len(score)) != target
        found = lira_scores(sure[target], sure[rest], member[rest])
        areas.append(roc_auc(member[target].astype(int), found))
    return _mean(areas)


def _mean(areas: Sequence[float]) -> dict[str, Any]:
    """Mean over the attacked federations; interval of that mean, normal, federations taken as independent."""
    mean, error = float(np.mean(areas)), float(np.std(areas, ddof=1) / np.sqrt(len(areas)))
    held = Interval(mean, mean - 1.96 * error, mean + 1.96 * error)
    return {"value": held.value, "lower": held.lower, "upper": held.upper, "n": len(areas)}


def concluded(
    areas: Mapping[str, Any], attacked: Mapping[str, Any], inverted: Mapping[str, Any]
) -> dict[str, Any]:
    """Figures and lines of the table."""
    base = _mean_area(areas["no protection"])
    n = cases_of(areas["no protection"]["said"], SITES)
    found = {
        name: {
            "auc": figure(_mean_area(one), n),
            "cost": figure(base - _mean_area(one), n),
            "sites": {site: figure(d, cases_of(one["said"], [site])) for site, d in one["draws"].items()},
            "spent": one["spent"],
            "membership": attacked[name],
        }
        for name, one in areas.items()
    }
    head = {
        "title": "Federation: what privacy costs and buys",
        "evidence_grade": "retrospective, simulated federation",
    }
    return {
        **head,
        "rows": rows_of(found, inverted),
        "did_not_work": did_not_work(found),
        "seeds": list(SEEDS),
        "conditions": found,
        "inversion": inverted,
    }


def _mean_area(held: Mapping[str, Any]) -> Draws:
    return np.asarray(np.mean(list(held["draws"].values()), axis=0))


def rows_of(found: Mapping[str, Any], inverted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines of the lab's table."""
    made = []
    for name, one in found.items():
        told = "; ".join(
            f"{site}: epsilon {s['epsilon']}, delta {s['delta']:.1e}" for site, s in one["spent"].items()
        )
        made.append(row(f"chest, mean AUC of two private sites, {name}", one["auc"], note=told))
        if name.startswith("epsilon"):
            made.append(row(f"chest, AUC that {name} costs", one["cost"], note="against no protection"))
        worst = max(one["membership"].values(), key=lambda held: held["value"])
        goal = {"goal": f"<= {LIMIT}", "met": worst["value"] <= LIMIT} if name.startswith("epsilon") else {}
        made.append(row(f"membership inference, stronger of two attacks, AUC, {name}", worst, **goal))
    for name, one in inverted.items():
        made.append(row(f"gradient inversion, {name}: correlation with what was seen", one))
    return made


def did_not_work(found: Mapping[str, Any]) -> list[str]:
    """Clipping without noise, from the figures."""
    name = "clipped, no noise (no privacy)"
    if name not in found:
        return []
    worst = max(held["value"] for held in found[name]["membership"].values())
    return [f"Clipping without noise promises nothing (epsilon infinite); membership AUC {worst:.3f}."]
