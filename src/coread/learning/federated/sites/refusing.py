"""Why a site does not follow an order. A refusal is a value: it goes back with a code and a reason."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from coread.errors import CohortRefused
from coread.learning.federated.approval import Stand
from coread.learning.federated.keys import verifier
from coread.learning.federated.orders import Order
from coread.learning.federated.plan.code import code_sha256, versions
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.sites.folder import SiteFolder
from coread.learning.federated.task import FederatedTask


@dataclass(frozen=True)
class Refusal:
    """One reason."""

    code: str
    """Stable word, e.g. ``not-approved``."""
    text: str


_STANDS: Mapping[Stand, Refusal] = {
    Stand.PENDING: Refusal("not-approved", "no officer of this site has approved this plan"),
    Stand.VETOED: Refusal("vetoed", "this site said no to this plan"),
    Stand.STOPPED: Refusal("stopped", "this site has left this plan"),
}


def unsigned(order: Order, key: str) -> Refusal | None:
    """Refuse an order that the coordinator whom the site knows did not sign."""
    if not key or not verifier(key, order.signature, order.text()):
        return Refusal("wrong-signature", "the order is not signed by the coordinator that this site knows")
    return None


def unapproved(site: SiteFolder, sha256: str) -> Refusal | None:
    """Refuse what the site's officer has not approved, or has stopped."""
    return _STANDS.get(site.approvals.stand(sha256))


def unfit(site: SiteFolder, plan: Plan, task: FederatedTask) -> Refusal | None:
    """Refuse what this site cannot do now: consent, code, versions, cases, disk."""
    missing = site.approvals.missing(plan)
    if missing:
        return Refusal("not-consented", f"the site does not lend {', '.join(missing)}")
    here = {package: versions().get(package, "none") for package in plan.versions}
    differing = [f"{p} {here[p]} for {v}" for p, v in plan.versions.items() if here[p] != v]
    if differing:
        return Refusal("version-differs", f"here {', '.join(differing)} of the plan")
    if code_sha256(plan.task) != plan.code_sha256:
        return Refusal("code-differs", "the code installed here is not that of the plan")
    return short_of_cases(site, plan, task) or short_of_room(site)


def short_of_cases(site: SiteFolder, plan: Plan, task: FederatedTask) -> Refusal | None:
    """Refuse with fewer training patients than the plan asks for; how many they are is not said."""
    try:
        count = task.count(site.data(plan)).patients.get("train", 0)
    except (CohortRefused, OSError) as fault:
        return Refusal("no-cohort", f"the site's data cannot be read ({type(fault).__name__})")
    if count < plan.least_cases:
        return Refusal("too-few-cases", f"fewer than {plan.least_cases} training patients")
    return None


def short_of_room(site: SiteFolder) -> Refusal | None:
    """Refuse while the disk is nearly full."""
    free_mb = shutil.disk_usage(site.folder).free / 2**20
    if free_mb < site.settings.least_free_mb:
        return Refusal("disk-full", f"{free_mb:.0f} MB free, {site.settings.least_free_mb} MB needed")
    return None


def beside_the_plan(order: Order, plan: Plan) -> Refusal | None:
    """Refuse what the approved plan does not say: another way for updates to leave, or more rounds.

    What is done in a round is not in the order at all: the site reads it from its own copy of the plan.
    """
    hidden = plan.privacy.secure_aggregation
    if (order.kind == "train" and hidden) or (
        order.kind in {"keys", "shares", "masked", "unmask"} and not hidden
    ):
        return Refusal("beside-the-plan", "updates leave in the way that the plan says, and in no other")
    round_ = order.facts.get("round", 1)
    if not isinstance(round_, int) or not 1 <= round_ <= plan.rounds:
        return Refusal("beside-the-plan", f"round {round_!r} of a plan of {plan.rounds} rounds")
    return None
