"""A round under secure aggregation: four steps, of which the coordinator learns the sum only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coread.errors import FederationRefused
from coread.learning.federated.coordinator.asking import Asking, Gathered, new_number
from coread.learning.federated.coordinator.made import Made
from coread.learning.federated.orders import ATTEMPT_UNKNOWN, Answer, Arrays
from coread.learning.federated.secure_aggregation.collector import Collector
from coread.learning.federated.secure_aggregation.member import Advert, Attempt
from coread.learning.federated.secure_aggregation.ring import Layout, decode
from coread.learning.federated.task import Parameters, Update

ALL = "*"
"""Name of the one update that is the weighted mean of all sites."""

#: For the short steps, in which nothing is trained.
_STEP_S = 120.0


class HiddenRound:
    """One attempt at a round.

    Parameters
    ----------
    asking
        To the sites.
    name
        Round and try; made unique, because an attempt is never taken up again.
    before
        Parameters that the sites are given.
    """

    def __init__(self, asking: Asking, name: str, before: Parameters) -> None:
        plan = asking.plan
        self._asking, self._before = asking, before
        self._attempt = Attempt(plan.sha256, f"{name}.{new_number()}", plan.privacy.threshold, plan.sites)
        self._refused: dict[str, str] = {}
        self._layouts: dict[str, Layout] = {}
        self._rounding: list[float] = []

    def run(self, sites: Sequence[str], facts: Mapping[str, Any], arrays: Mapping[str, Arrays]) -> Made:
        """Do the four steps; too few sites at any of them end the attempt with nothing learnt."""
        try:
            return self._made(*self._steps(sites, facts, arrays))
        except FederationRefused as fault:
            return _nothing({**self._refused, ALL: f"attempt ended: {fault.found}"})

    def _steps(
        self, sites: Sequence[str], facts: Mapping[str, Any], arrays: Mapping[str, Arrays]
    ) -> tuple[Update, Collector]:
        adverts = self._step("keys", {site: {} for site in sites}, _STEP_S)
        keys = {site: Advert(**answer.facts["advert"]) for site, answer in adverts.items()}
        held = Collector(self._attempt, keys)
        told = {site: vars(advert) for site, advert in held.adverts.items()}
        for site, answer in self._step("shares", {s: {"adverts": told} for s in keys}, _STEP_S).items():
            held.keep_notes(site, answer.facts["notes"])
        self._demand(held.sharing)
        asked = {site: {**facts, "notes": held.notes_for(site)} for site in held.sharing}
        for site, answer in self._step("masked", asked, None, arrays).items():
            self._add(held, site, answer)
        self._demand(held.survivors)
        last = self._step("unmask", {s: {"survivors": list(held.survivors)} for s in held.survivors}, _STEP_S)
        shares = {
            site: {peer: (str(kind), str(share)) for peer, (kind, share) in answer.facts["shares"].items()}
            for site, answer in last.items()
        }
        return self._update(held, shares), held

    def _step(
        self,
        kind: str,
        facts: Mapping[str, Mapping[str, Any]],
        within_s: float | None,
        arrays: Mapping[str, Arrays] | None = None,
    ) -> dict[str, Answer]:
        name = {"attempt": self._attempt.name}
        orders = {
            site: self._asking.order(kind, facts={**name, **told}, arrays=arrays or {})
            for site, told in facts.items()
        }
        # A site that was started anew has lost its keys of this attempt: with it begins a new attempt, in
        # which the others answer from what they have trained already.
        gathered = self._asking.gather(orders, within_s, lambda _: kind != "keys")
        return self._sound(gathered)

    def _sound(self, gathered: Gathered) -> dict[str, Answer]:
        self._refused |= gathered.silent
        codes = {a.facts.get("code") for a in gathered.answers.values() if a.kind == "refused"}
        if "given up" in gathered.silent.values() or ATTEMPT_UNKNOWN in codes:
            raise FederationRefused("a site that was started anew", "the same sites to the end", "", "")
        found = {site: answer for site, answer in gathered.answers.items() if answer.kind != "refused"}
        for site, answer in gathered.answers.items():
            if answer.kind == "refused":
                self._refused[site] = f"{answer.facts.get('code')}: {answer.facts.get('reason')}"
        self._demand(found)
        return found

    def _demand(self, sites: Any) -> None:
        if len(sites) < max(self._attempt.threshold, self._asking.plan.least_sites):
            raise FederationRefused(f"{len(sites)} sites", f"{self._attempt.threshold} to the end", "", "")

    def _add(self, held: Collector, site: str, answer: Answer) -> None:
        values = answer.arrays.get("masked", {}).get("values", np.zeros(0))
        layout: Layout = tuple((str(name), tuple(shape)) for name, shape in answer.facts["layout"])
        names = {f"parameters/{name}": tuple(np.shape(array)) for name, array in self._before.items()}
        fits = all(dict(layout).get(name) == shape for name, shape in names.items())
        sizes = sum(int(np.prod(shape, dtype=np.int64)) for _, shape in layout)
        if not fits or values.dtype != np.uint64 or values.shape != (sizes + 1,):
            self._refused[site] = "update-refused: masked values of another layout"
            return
        held.add(site, values)
        self._layouts[site] = layout
        self._rounding.append(float(answer.facts.get("rounding", 0.0)))

    def _update(self, held: Collector, shares: Mapping[str, Mapping[str, tuple[str, str]]]) -> Update:
        layout = next(iter(self._layouts.values()))
        change, weight = decode(held.total(shares), layout)
        mean = {
            name: (array + change[f"parameters/{name}"]).astype(np.float32)
            for name, array in self._before.items()
        }
        extra = {
            name.removeprefix("extra/"): array.astype(np.float32)
            for name, array in change.items()
            if name.startswith("extra/")
        }
        return Update(mean, weight, {}, extra)

    def _made(self, update: Update, held: Collector) -> Made:
        notes = {
            "took_part": list(held.survivors),
            "largest_rounding": f"{max(self._rounding, default=0.0):.3g}",
        }
        return Made({ALL: update}, self._refused, notes)


def _nothing(refused: Mapping[str, str]) -> Made:
    return Made({}, refused, {"took_part": []})
