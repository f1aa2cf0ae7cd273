"""The desk of a site: an order comes in, an answer or a refusal goes out. Knows nothing of the wire."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from coread.errors import CoReadError, FederationRefused
from coread.learning.federated.contribution.agreeing import signed_text
from coread.learning.federated.orders import ATTEMPT_UNKNOWN, Answer, Arrays, Order, digest_of
from coread.learning.federated.plan.carrying import told
from coread.learning.federated.plan.plan import Plan, read_plan
from coread.learning.federated.sites import refusing
from coread.learning.federated.sites.counting import without_small_counts
from coread.learning.federated.sites.folder import SiteFolder
from coread.learning.federated.sites.hiding import AttemptUnknown, Hiding
from coread.learning.federated.sites.lending import ConsentUnknown, Lend, Lending, NobodyAgrees
from coread.learning.federated.sites.refusing import Refusal
from coread.learning.federated.sites.working import Work
from coread.learning.federated.task import FederatedTask, Parameters, Update, task_of

_REMEMBERED = 64

#: Beyond one a round, so many measurements on held-out patients are given under a plan: whoever may measure
#: any number of made-up models can find out single patients' labels.
MORE_MEASUREMENTS = 20

#: What a task, which is a plug-in, may raise; anything else ends the site, whose supervisor starts it again.
TASK_FAULTS = (
    CoReadError, OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError,
)  # fmt: skip

Reply = tuple[Mapping[str, Any], Mapping[str, Arrays]]

_CODES: Mapping[type[FederationRefused], str] = {
    AttemptUnknown: ATTEMPT_UNKNOWN,
    ConsentUnknown: "consent-unknown",
    NobodyAgrees: "nobody-agrees",
    FederationRefused: "not-possible",
}
"""Code of each kind of refusal; the last is that of all others."""


class Desk:
    """Answers orders, one at a time.

    Parameters
    ----------
    site
        Folder of the site.
    tasks
        Makes the task that a plan names.
    lend
        Asks the clinic's register who agrees; None where the site has no cohort of an archive.
    """

    def __init__(
        self,
        site: SiteFolder,
        tasks: Callable[[str, Mapping[str, Any]], FederatedTask] = task_of,
        lend: Lend | None = None,
    ) -> None:
        self.site = site
        self._lending = Lending(site, lend)
        self._tasks = tasks
        self._made: dict[str, FederatedTask] = {}
        self._boot = secrets.token_hex(8)
        self._answered: OrderedDict[str, Answer] = OrderedDict()
        self._hiding = Hiding(site.settings.name, site.key.sign)

    def answer(self, order: Order) -> Answer:
        """Answer an order; one that was answered before is answered in the same way."""
        known = self._answered.get(order.number)
        if known is not None and not refusing.unapproved(self.site, order.plan):
            return known
        refusal = refusing.unsigned(order, self.site.settings.coordinator)
        made = self._refused(order, refusal) if refusal else self._judged(order)
        if made.kind not in {"where", "propose"}:
            self._remember(made)
        return made

    def _judged(self, order: Order) -> Answer:
        try:
            if order.kind == "propose":
                return self._spoken(order, *self._propose(order))
            return self._spoken(order, *self._where(order)) if order.kind == "where" else self._done(order)
        except FederationRefused as fault:
            codes = (code for kind, code in _CODES.items() if isinstance(fault, kind))
            return self._refused(order, Refusal(next(codes), str(fault)))
        except TASK_FAULTS as fault:
            return self._refused(order, _of_task(fault))

    def _done(self, order: Order) -> Answer:
        plan = self.site.plan(order.plan)
        if plan is None:
            return self._refused(
                order, Refusal("plan-unknown", "no plan of this hash was proposed to this site")
            )
        refusal = refusing.unapproved(self.site, order.plan) or refusing.beside_the_plan(order, plan)
        if not refusal:
            self._lending.ask(order.kind, order.plan, order.number, str(order.facts.get("round", "")))
            refusal = refusing.unfit(self.site, plan, self._task(plan))
        if refusal:
            return self._refused(order, refusal)
        facts, arrays = self._work(order, plan)
        # The officer may have said stop meanwhile: nothing that was made leaves after that.
        stopped = refusing.unapproved(self.site, order.plan)
        return self._refused(order, stopped) if stopped else self._spoken(order, facts, arrays)

    def _work(self, order: Order, plan: Plan) -> Reply:
        does: Mapping[str, Callable[[Order, Plan], Reply]] = {
            "train": self._train,
            "evaluate": self._evaluate,
            "alone": self._alone,
            "calibrate": self._calibrate,
            "appraise": self._appraise,
            "final": self._final,
            "keys": self._hiding.keys,
            "shares": self._hiding.shares,
            "masked": self._masked,
            "unmask": self._hiding.unmask,
        }
        if order.kind not in does:
            raise FederationRefused(f"an order {order.kind!r}", f"one of {', '.join(does)}", "", "")
        return does[order.kind](order, plan)

    def _propose(self, order: Order) -> Reply:
        plan = read_plan(str(order.facts.get("text", "")).encode())
        mine = plan.sites.get(self.site.settings.name) == self.site.key.public
        if plan.sha256 != order.plan or plan.coordinator != self.site.settings.coordinator or not mine:
            text = "its hash, coordinator or this site's key is not as it should be"
            return {"stand": "refused", "code": "plan-changed", "reason": text}, {}
        self.site.keep_plan(plan)
        return {"stand": str(self.site.approvals.stand(plan.sha256))}, {}

    def _where(self, order: Order) -> Reply:
        known = str(order.facts.get("number")) in self._answered
        return {"known": known, "boot": self._boot, "stand": str(self.site.approvals.stand(order.plan))}, {}

    def _learn(self, order: Order, plan: Plan) -> Update:
        arrays = dict(order.arrays.get("arrays", {}))
        parameters = dict(order.arrays["parameters"])
        return self._of(plan, self._coalition(order, plan)).learn(
            int(order.facts["round"]), parameters, arrays
        )

    def _train(self, order: Order, plan: Plan) -> Reply:
        update = self._learn(order, plan)
        facts = {"examples": update.examples, "metrics": dict(update.metrics), "round": order.facts["round"]}
        return facts, {"parameters": update.parameters, "extra": update.extra}

    def _masked(self, order: Order, plan: Plan) -> Reply:
        power = float(told(plan, int(order.facts["round"])).get("power", 1.0))
        return self._hiding.masked(order, plan, power, lambda: self._learn(order, plan))

    def _evaluate(self, order: Order, plan: Plan) -> Reply:
        groups = 2 ** len(plan.sites) if plan.contribution else 0
        self._demand_seldom(order, plan.rounds + MORE_MEASUREMENTS + groups)
        part, work = (
            str(order.facts.get("part", "val")),
            self._of(plan, str(order.facts.get("coalition", ""))),
        )
        metrics = without_small_counts(work.evaluate(dict(order.arrays["parameters"]), part))
        return {"metrics": metrics, "part": part}, {}

    def _coalition(self, order: Order, plan: Plan) -> str:
        """The group of sites that trains; empty for all.

        Raises
        ------
        FederationRefused
            If the plan does not say that groups are compared, or this site is not of the group.
        """
        named = str(order.facts.get("coalition", ""))
        if named and not (plan.contribution and self.site.settings.name in named.split("+")):
            expected = "what the plan says, and a group with this site in it"
            raise FederationRefused(f"the group {named!r}", expected, "", plan.name)
        return named

    def _calibrate(self, order: Order, plan: Plan) -> Reply:
        """Statistics of validation patients for the bundle that the plan promises, a few times at most."""
        self._demand_packing(order, plan)
        return {"packing": self._of(plan).calibrating(dict(order.arrays["parameters"]))}, {}

    def _appraise(self, order: Order, plan: Plan) -> Reply:
        self._demand_packing(order, plan)
        told = order.facts["bundle"]
        return {"packing": self._of(plan).appraising(dict(order.arrays["parameters"]), told)}, {}

    def _demand_packing(self, order: Order, plan: Plan) -> None:
        if not plan.pack:
            raise FederationRefused(
                f"an order to {order.kind}", "what the plan says: no bundle", "", plan.name
            )
        self._demand_seldom(order, MORE_MEASUREMENTS)

    def _demand_seldom(self, order: Order, most: int) -> None:
        asked = [e.event.facts.get("order") for e in self.site.record.events(order.plan)].count(order.kind)
        if asked >= most:
            found = f"{asked} orders to {order.kind} already"
            raise FederationRefused(found, f"at most {most}", "agree on another plan", "")

    def _alone(self, order: Order, plan: Plan) -> Reply:
        """Train alone and measure; the parameters stay here, the figures leave."""
        part = str(order.facts.get("part", "test"))
        return {"metrics": without_small_counts(self._of(plan).measured_alone(part)), "part": part}, {}

    def _final(self, order: Order, plan: Plan) -> Reply:
        """Keep the finished model and every site's figures; what this site gained or lost is on record."""
        result, parameters = order.facts["result"], dict(order.arrays["parameters"])
        self._of(plan).keep_final(parameters, result)
        mine = result.get("sites", {}).get(self.site.settings.name, {}).get("gain", {})
        told = {f"gain {name}": f"{value:+.4f}" for name, value in mine.items()}
        facts = {**told, "model_sha256": digest_of(order.arrays["parameters"])}
        self.site.record.note("result", plan.sha256, "coordinator", facts, f"result:{plan.sha256}")
        return {
            "statement": self._statement(plan, parameters, result)
        } if "contribution" in result else {}, {}

    def _statement(self, plan: Plan, parameters: Parameters, result: Mapping[str, Any]) -> dict[str, Any]:
        """Sign the statements of contribution if they come out the same here; else say what differs."""
        found = self._of(plan).differences(parameters, result)
        sha256 = str(result["contribution"].get("sha256"))
        if found:
            told = {"statements_sha256": sha256, "differences": "; ".join(found)[:2000]}
            self.site.record.note("statement.refused", plan.sha256, "site", told)
            return {"differences": found}
        signature = self.site.key.sign(signed_text(plan.sha256, sha256)).hex()
        mine = result["contribution"]["statements"][self.site.settings.name]
        facts = {"statements_sha256": sha256, "signature": signature}
        facts |= {name: str(mine[name]) for name in ("value", "gained", "loses")}
        self.site.record.note("statement.signed", plan.sha256, "site", facts, f"statement:{sha256}")
        return {"sha256": sha256, "signature": signature}

    def _of(self, plan: Plan, coalition: str = "") -> Work:
        return Work(self.site, plan, self._task(plan), coalition)

    def _task(self, plan: Plan) -> FederatedTask:
        if plan.sha256 not in self._made:
            self._made[plan.sha256] = self._tasks(plan.task, plan.options)
        return self._made[plan.sha256]

    def _refused(self, order: Order, refusal: Refusal) -> Answer:
        facts = {"code": refusal.code, "reason": refusal.text, "order": order.kind}
        self.site.record.note("order.refused", order.plan, "site", facts, f"refused:{order.number}")
        return self._spoken(order, facts, {}, "refused")

    def _spoken(
        self, order: Order, facts: Mapping[str, Any], arrays: Mapping[str, Arrays], kind: str = ""
    ) -> Answer:
        name = self.site.settings.name
        made = Answer(name, kind or order.kind, order.plan, order.number, facts, arrays)
        if not kind and order.kind not in {"where", "propose"}:
            told = {"order": order.kind, "round": str(order.facts.get("round", "")), "number": order.number}
            self.site.record.note("order.followed", order.plan, "site", told, f"followed:{order.number}")
        return made.signed(self.site.key.sign)

    def _remember(self, answer: Answer) -> None:
        """Keep the last answers for an order that comes again; of those with arrays the last one only."""
        for number in [number for number, old in self._answered.items() if old.arrays]:
            del self._answered[number]
        self._answered[answer.to] = answer
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)


def _of_task(fault: BaseException) -> Refusal:
    if isinstance(fault, OSError) and fault.errno == _NO_SPACE:
        return Refusal("disk-full", "the disk was full while the round was at work; free some space")
    return Refusal("task-failed", f"{type(fault).__name__}: {fault}"[:300])


_NO_SPACE = 28
"""ENOSPC."""
