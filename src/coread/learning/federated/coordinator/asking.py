"""Asking sites and gathering answers, when sites die, come back, are slow or say nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from coread.learning.federated.keys import verifier
from coread.learning.federated.orders import Answer, Order, Sign, Wire
from coread.learning.federated.plan.plan import Patience, Plan


class Clock(Protocol):
    """Time that passes; another one in tests."""

    def now(self) -> float:
        """Seconds, never going back."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...


def new_number() -> str:
    """Make the number of an order."""
    return secrets.token_hex(12)


@dataclass
class _Asked:
    """One site that has not answered yet."""

    order: Order
    since: float
    """When it last was told or asked anything."""
    seen: float
    """When it last was connected."""
    where: str = ""
    """Number of the open question whether the order was lost."""


@dataclass(frozen=True)
class Gathered:
    """What came of asking."""

    answers: Mapping[str, Answer]
    silent: Mapping[str, str] = field(default_factory=dict)
    """Why a site gave no answer: ``late`` or ``absent``."""


class Asking:
    """Sends orders under one plan and gathers answers.

    Parameters
    ----------
    wire, clock
        To the sites; of time.
    plan
        Under which everything is asked.
    sign
        With the coordinator's key.
    poll_s
        Pause between looks.
    """

    def __init__(self, wire: Wire, clock: Clock, plan: Plan, sign: Sign, poll_s: float = 0.3) -> None:
        self.wire, self.clock, self.plan = wire, clock, plan
        self._sign, self._poll_s = sign, poll_s

    def order(self, kind: str, **rest: object) -> Order:
        """Make a signed order; `rest` are ``facts`` and ``arrays``."""
        made = Order(kind, self.plan.sha256, new_number(), **rest)  # type: ignore[arg-type]
        return made.signed(self._sign)

    def gather(
        self,
        orders: Mapping[str, Order],
        within_s: float | None = None,
        lost: Callable[[str], bool] | None = None,
    ) -> Gathered:
        """Send each site its order and wait for what they say.

        A silent site is asked from time to time whether it has the order; one that was started anew and does
        not know of it gets it again. A site without connection is waited for a while, then given up.

        Parameters
        ----------
        orders
            By site.
        within_s
            For how long; the plan's time for a round by default.
        lost
            Called with a site that was started anew; True gives up all that is being gathered.
        """
        patience, start = self.plan.patience, self.clock.now()
        until = start + (patience.round_s if within_s is None else within_s)
        asked = {site: _Asked(order, start, start) for site, order in orders.items()}
        answers: dict[str, Answer] = {}
        silent: dict[str, str] = {}
        self.wire.send(orders)
        while asked:
            if any(map(lost or (lambda _: False), self._take(asked, answers))):
                return Gathered(answers, silent | dict.fromkeys(asked, "given up"))
            silent |= self._give_up(asked, patience, until)
            self._remind(asked, patience)
            if asked:
                self.clock.wait(self._poll_s)
        return Gathered(answers, silent)

    def _take(self, asked: dict[str, _Asked], answers: dict[str, Answer]) -> list[str]:
        """Take answers in; return the sites that had lost their order, which they get again."""
        forgetful: list[str] = []
        came = [answer for answer in self.wire.answers() if self._is_genuine(answer)]
        for answer in came:
            waiting = asked.get(answer.site)
            if waiting and answer.to == waiting.order.number:
                answers[answer.site] = answer
                del asked[answer.site]
        for answer in came:
            waiting = asked.get(answer.site)
            if waiting and answer.to == waiting.where:
                waiting.where, waiting.since = "", self.clock.now()
                if not answer.facts.get("known"):
                    forgetful.append(answer.site)
                    self.wire.send({answer.site: waiting.order})
        return forgetful

    def _is_genuine(self, answer: Answer) -> bool:
        """Tell whether the site that the answer names signed it, for this plan."""
        key = self.plan.sites.get(answer.site, "")
        return answer.plan == self.plan.sha256 and verifier(key, answer.signature, answer.text())

    def _give_up(self, asked: dict[str, _Asked], patience: Patience, until: float) -> dict[str, str]:
        now, online = self.clock.now(), self.wire.online()
        given: dict[str, str] = {}
        for site, waiting in list(asked.items()):
            waiting.seen = now if site in online else waiting.seen
            if now >= until or now - waiting.seen > patience.absent_s:
                given[site] = "late" if now >= until else "absent"
                del asked[site]
        return given

    def _remind(self, asked: dict[str, _Asked], patience: Patience) -> None:
        """Ask silent sites whether they have their order; a question that got lost is asked again."""
        now = self.clock.now()
        for site, waiting in asked.items():
            if now - waiting.since >= patience.ask_s * (3 if waiting.where else 1):
                question = self.order("where", facts={"number": waiting.order.number})
                waiting.where, waiting.since = question.number, now
                self.wire.send({site: question})
