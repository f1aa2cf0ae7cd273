"""A site's side of secure aggregation: which attempt is on, and what is said in each of its four steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from coread.errors import FederationRefused
from coread.learning.federated.orders import Arrays, Order, Sign
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.secure_aggregation.member import Advert, Attempt, Member
from coread.learning.federated.secure_aggregation.ring import encode, whole_weight
from coread.learning.federated.task import Update

Reply = tuple[Mapping[str, Any], Mapping[str, Arrays]]


def attempt_of(plan: Plan, name: str) -> Attempt:
    """The attempt as the approved plan defines it, not as an order would have it."""
    return Attempt(plan.sha256, name, plan.privacy.threshold, plan.sites)


class AttemptUnknown(FederationRefused):
    """An order of an attempt whose keys this process does not hold: it was started anew in between."""

    def __init__(self, name: str) -> None:
        found = f"attempt {name!r}, of which this site knows nothing"
        super().__init__(found, "the attempt in hand", "begin a new one", "secure aggregation")


class Hiding:
    """The attempt in hand. A new one ends the former; none is ever taken up again."""

    def __init__(self, site: str, sign: Sign) -> None:
        self._site, self._sign = site, sign
        self._member: Member | None = None
        self._used: set[tuple[str, str]] = set()

    def keys(self, order: Order, plan: Plan) -> Reply:
        """Step 1: begin an attempt and tell this site's public keys."""
        name = str(order.facts["attempt"])
        if (plan.sha256, name) in self._used:
            raise FederationRefused(f"attempt {name!r} again", "a new attempt", "", "secure aggregation")
        self._used.add((plan.sha256, name))
        self._member = Member(self._site, attempt_of(plan, name), self._sign)
        return {"advert": asdict(self._member.advertise())}, {}

    def shares(self, order: Order, plan: Plan) -> Reply:
        """Step 2: seal the shares of this site's secrets for the others."""
        adverts = {site: Advert(**advert) for site, advert in order.facts["adverts"].items()}
        return {"notes": self._in(order, plan).share(adverts)}, {}

    def masked(self, order: Order, plan: Plan, power: float, learn: Callable[[], Update]) -> Reply:
        """Step 3: train, and give the weighted change under masks. Neither weight nor figures leave."""
        member = self._in(order, plan)
        update = learn()
        before = order.arrays["parameters"]
        change = {
            f"parameters/{name}": np.asarray(update.parameters[name], np.float64) - before[name]
            for name in before
        }
        change |= {f"extra/{name}": np.asarray(array, np.float64) for name, array in update.extra.items()}
        encoded = encode(change, whole_weight(update.examples, power), plan.privacy.largest_value)
        hidden = member.mask(encoded.values, order.facts["notes"])
        layout = [[name, list(shape)] for name, shape in encoded.layout]
        return {"layout": layout, "rounding": encoded.largest_error}, {"masked": {"values": hidden}}

    def unmask(self, order: Order, plan: Plan) -> Reply:
        """Step 4: give shares, of a survivor's seed or of a lost site's key."""
        told = self._in(order, plan).unmask(tuple(order.facts["survivors"]))
        return {"shares": {site: list(share) for site, share in told.items()}}, {}

    def _in(self, order: Order, plan: Plan) -> Member:
        name = str(order.facts["attempt"])
        member = self._member
        if member is None or (member.attempt.plan, member.attempt.name) != (plan.sha256, name):
            raise AttemptUnknown(name)
        return member
