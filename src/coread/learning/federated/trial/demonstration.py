"""The demonstration: three hospitals train together on this machine; what each gave and gained is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.plan.words import in_words
from coread.learning.federated.sites.counting import suppressed
from coread.learning.federated.task import task_of
from coread.learning.federated.trial.specimens import HOSPITALS
from coread.learning.federated.trial.staging import Lent, Trial, until

SPECIMENS = HOSPITALS
VENDORS = ("GE", "Siemens", "Philips")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Staged:
    """What the demonstration trains, and on whom."""

    sites: Mapping[str, Lent]
    draft: str
    about: str
    """What the data are, and what the figures do not show."""


def draft(rounds: int = 8, pace_s: float = 0.0, hidden: bool = True) -> str:
    """A plan for the patients that come with scikit-learn."""
    return f"""
name = "needle-aspirates"
title = {{en = "Malignant cells in needle aspirates", zh = "细针穿刺中的恶性细胞"}}
purpose = {{en = "To try a federation on patients whom everyone may see", zh = "用公开患者试验联邦学习"}}
task = "coread.learning.federated.trial.specimens:specimens"
options = {{pace_s = {pace_s}}}
needs = ["measurements:cell-nuclei", "label:malignant"]
rounds = {rounds}
least_sites = 2
least_cases = 20
strategy = {{name = "site-balanced", local = {{steps = 10, batch = 16, rate = 0.1, optimiser = "sgd"}}}}
privacy = {{secure_aggregation = {str(hidden).lower()}, threshold = 2}}
patience = {{round_s = 300, absent_s = 60, ask_s = 4, tries = 50}}
"""


_NODULES = """
name = "nodule-malignancy"
title = {en = "Malignancy of lung nodules, by scanner vendor", zh = "肺结节恶性程度（按扫描仪厂商）"}
purpose = {en = "To rate nodules on CT as radiologists do", zh = "像放射科医生那样评定CT肺结节"}
task = "coread.learning.federated.tasks.sites:nodule_malignancy"
needs = ["image:ct-nodule", "label:malignancy-rating"]
rounds = 8
least_sites = 2
least_cases = 20
strategy = {name = "site-balanced", local = {steps = 20, batch = 16, rate = 0.01}}
privacy = {secure_aggregation = true, threshold = 2, largest_value = 64.0}
patience = {round_s = 300, absent_s = 60, ask_s = 10}
"""


def staged(data: Path | None, out: Path) -> Staged:
    """Choose: published CT nodules where they are, else the patients that come with scikit-learn.

    Parameters
    ----------
    data
        Folder of the published sets; None to do without.
    out
        Folder of the demonstration.
    """
    if data and (data / "lidc_nodules" / "nodules.csv").is_file():
        sites = {name.lower(): Lent(data, {"vendor": name}) for name in VENDORS}
        about = (
            "LIDC-IDRI nodules of three scanner vendors, one a site; the label is radiologists' rating, "
            "not pathology, and a nodule's size alone predicts it well. Figures: each site's test patients."
        )
        return Staged(sites, _NODULES, about)
    empty = out / "nothing"
    empty.mkdir(parents=True, exist_ok=True)
    about = (
        "Breast Cancer Wisconsin (Diagnostic), measurements of cell nuclei of 569 patients, divided into "
        "three hospitals by us. An easy task: it shows that the machinery works, not that federation helps."
    )
    return Staged({name: Lent(empty, {"hospital": name}) for name in SPECIMENS}, draft(), about)


def demonstrate(data: Path | None, out: Path, tell: Tell) -> dict[str, Any]:
    """Run the demonstration and write table, plot and statements.

    Parameters
    ----------
    data
        Folder of the published sets, or None.
    out
        Folder for everything.
    tell
        Told what is going on.

    Returns
    -------
    dict
        The result, as ``result.json`` in `out` has it.
    """
    begun = time.monotonic()
    stage = staged(data, out)
    tell(stage.about)
    with Trial(out / "federation", stage.sites) as trial:
        plan = trial.freeze(stage.draft)
        _warm(trial, plan, tell)
        for site in trial.sites:
            trial.start_site(site)
        coordinator = trial.start_coordinator(plan, 240.0)
        tell("three sites and a coordinator run, each a process of its own; TLS, nodes known by key")
        _decide(trial, plan, tell)
        _follow(trial, plan, coordinator, tell)
        result = _kept(trial, plan)
    result |= {"about": stage.about, "demonstration_s": round(time.monotonic() - begun, 1)}
    (out / "result.json").write_text(
        json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return result


def _kept(trial: Trial, plan: Plan) -> dict[str, Any]:
    result, history = trial.kept(plan).read("result"), trial.kept(plan).history()
    statements = {name: site.approvals.words(plan.sha256)[-1].by for name, site in trial.sites.items()}
    roots = {name: site.record.root() for name, site in trial.sites.items()}
    return {**result, "history": history, "approved_by": statements, "ledgers": roots}


def _warm(trial: Trial, plan: Plan, tell: Tell) -> None:
    """Let the task look at the images once, so that three processes do not do it at the same time."""
    started = time.monotonic()
    task = task_of(plan.task, plan.options)
    site = next(iter(trial.sites.values()))
    task.evaluate(site.data(plan), task.initial(plan.seed), "val")
    tell(f"the images were looked at once ({time.monotonic() - started:.0f} s)")


def _decide(trial: Trial, plan: Plan, tell: Tell) -> None:
    """Be the officers: wait for the plan to come over the wire, read, count, approve."""
    task = task_of(plan.task, plan.options)
    for at, (name, site) in enumerate(trial.sites.items()):
        until(lambda site=site: site.plan(plan.sha256) is not None, 180, f"the plan at {name}")  # type: ignore[misc]
        if at == 0:
            tell(f"\nwhat the officer of {name} reads (coread-lab site show):\n{in_words(plan)}\n")
        counts = suppressed(task.count(site.data(plan)).patients)
        for need in plan.needs:
            site.approvals.consent(need, f"officer of {name}")
        site.approvals.approve(plan, f"officer of {name}")
        tell(f"{name}: patients {counts}; approved, on record in its ledger")


def _follow(trial: Trial, plan: Plan, coordinator: Any, tell: Tell) -> None:
    """Tell of each round until the coordinator ends."""
    told, kept = 0, trial.kept(plan)
    while coordinator.poll() is None:
        for entry in kept.history()[told:]:
            refused = "; ".join(f"{site}: {why}" for site, why in entry["refused"].items())
            who = ", ".join(entry["took_part"])
            tell(f"round {entry['round']} of {plan.rounds}: {who}, {entry['seconds']:.1f} s {refused}")
            told += 1
        time.sleep(0.3)
    if coordinator.returncode:
        found = trial.log("coordinator")[-1500:]
        raise FederationRefused(f"a coordinator that ended: {found}", "a result", "see the logs", "")
