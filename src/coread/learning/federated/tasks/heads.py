"""A logistic head on what a frozen, public trunk sees: seconds to train, convex, and fit for noise.

The trunk is the same at each site and never travels; a few thousand numbers do. Normalisation: the features
are standardised by public reference statistics (``reference``), by the mean of the sites' statistics
(``shared``), or by each site's own (``own``), which never leave it and are those of unlabelled training
images, so that a site that joins later has them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.errors import FederationRefused
from coread.evaluation import roc_auc
from coread.learning.federated.task import Count, Parameters, SiteData, Update
from coread.learning.federated.tasks.cases import Cases, Float, Judged
from coread.learning.federated.tasks.networks import arrays_of, update_locally, with_arrays

Norm = Literal["reference", "shared", "own"]

WIDEST = 8.0
"""Standardised features are cut off here: a channel that hardly ever speaks must not shout."""

Private = Callable[["Head", Cases, Mapping[str, Any], Generator], Mapping[str, float]]
"""Trains with differential privacy in place; gives what the accountant must know."""


class Packing(Protocol):
    """How a head becomes the network of a reader of the clinic."""

    def seen(self, features: Float) -> Float:
        """What the reader's gate looks at, of the trunk's features [case, feature]."""
        ...

    def export(self, weight: Float, bias: float, statistics: Float, path: Path) -> None:
        """Write trunk and head as one network."""
        ...

    def described(self) -> Mapping[str, Any]:
        """Return what the card says of reader, finding and limits."""
        ...


class Head(nn.Module):  # type: ignore[misc]
    """Log-odds [n] of standardised features [n, d]."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Log-odds [n]."""
        return self.head(features).squeeze(1)


@dataclass(eq=False)
class HeadTask:
    """A head that sites train together.

    Attributes
    ----------
    name
        Of the task.
    cases_of
        The cases of a site, cached by whoever makes them.
    count_of
        How many they are, from the site's table alone.
    features
        How many.
    norm
        See above.
    reference
        Mean and deviation [2, features] for ``reference``.
    prior_free
        Whether the site's share of positives is taken out of the loss by an offset (logit adjustment: Menon
        et al., ICLR 2021, arXiv:2007.07314; in federations Zhang et al., ICML 2022, arXiv:2209.00189). A site
        of positives only then teaches nearly nothing, instead of that all is positive.
    private
        How to train when a plan asks for differential privacy.
    packing
        How trunk and head become a reader's network; None where no shipped reader runs them.
    """

    name: str
    cases_of: Callable[[SiteData], Cases]
    count_of: Callable[[SiteData], Count]
    features: int
    norm: Norm = "own"
    reference: Float | None = None
    prior_free: bool = True
    private: Private | None = field(default=None, repr=False)
    packing: Packing | None = field(default=None, repr=False)
    _ready: dict[str, tuple[Cases, Float, Cases]] = field(default_factory=dict, init=False, repr=False)

    def initial(self, seed: int) -> Parameters:
        """A head of zeros (any start is as good: the loss is convex), and the statistics."""
        start = np.zeros((2, self.features), np.float32)
        start[1] = 1
        if self.norm == "reference":
            if self.reference is None:
                raise ValueError("norm 'reference' needs reference statistics")
            start = self.reference
        weight = {
            "head.weight": np.zeros((1, self.features), np.float32),
            "head.bias": np.zeros(1, np.float32),
        }
        return {**weight, "norm.mean": start[0], "norm.scale": start[1]}

    def count(self, data: SiteData) -> Count:
        """Count the cases of a site."""
        return self.count_of(data)

    def statistics(self, data: SiteData, parameters: Parameters, first: bool = False) -> Float:
        """Mean and deviation [2, feature] by which a site standardises."""
        if self.norm == "own" or (self.norm == "shared" and first):
            own = self.cases_of(data).statistics
            if own is not None:
                return own
        return np.stack([parameters["norm.mean"], parameters["norm.scale"]])

    def local(
        self, data: SiteData, parameters: Parameters, instructions: Mapping[str, Any], seed: int
    ) -> Update:
        """Train the head on the site's labelled training cases."""
        used = self.statistics(data, parameters, first=int(instructions.get("round", 1)) == 1)
        ready = self._standardised(data, used)
        net, rng = self.net(parameters), np.random.default_rng(seed)
        stays: Parameters = {}
        metrics: Mapping[str, float]
        if instructions.get("privacy"):
            metrics = self._privately(net, ready, instructions, rng)
        else:
            loss, stays = update_locally(net, self._loss(ready, instructions), instructions, rng)
            metrics = {"loss": loss}
        sent = (
            used if self.norm == "shared" else np.stack([parameters["norm.mean"], parameters["norm.scale"]])
        )
        arrays = {**arrays_of(net), "norm.mean": sent[0], "norm.scale": sent[1]}
        return Update(arrays, max(len(ready.target), 1), metrics, stays)

    def _standardised(self, data: SiteData, used: Float) -> Cases:
        """The site's labelled training cases, ready to learn from; remembered until the statistics change."""
        held = self.cases_of(data)
        before = self._ready.get(data.site)
        if before is None or before[0] is not held or not np.array_equal(before[1], used):
            some = held.only(held.learned())
            ready = replace(some, features=standardised(some.features, used))
            self._ready[data.site] = (held, used, ready)
        return self._ready[data.site][2]

    def _privately(
        self, net: Head, ready: Cases, instructions: Mapping[str, Any], rng: Generator
    ) -> Mapping[str, float]:
        if self.private is None or self.norm != "reference":
            raise ValueError(
                "differential privacy needs public reference statistics: standardised by a site's own, each "
                "example would touch the gradient of every other"
            )
        return self.private(net, ready, instructions, rng)

    def _loss(
        self, ready: Cases, instructions: Mapping[str, Any]
    ) -> Callable[[nn.Module, Generator], Tensor]:
        features, target = torch.from_numpy(ready.features), torch.from_numpy(ready.target)
        offset = prior_offset(ready.target) if self.prior_free else 0.0
        batch = int(instructions["batch"])

        def loss(net: nn.Module, rng: Generator) -> Tensor:
            rows = torch.from_numpy(rng.integers(0, len(target), batch))
            return nn.functional.binary_cross_entropy_with_logits(net(features[rows]) + offset, target[rows])

        return loss if len(target) else lambda net, rng: 0 * net(torch.zeros(1, self.features)).sum()

    def net(self, parameters: Parameters) -> Head:
        """The head with its parameters."""
        held = {name: array for name, array in parameters.items() if name.startswith("head.")}
        net = Head(self.features)
        with_arrays(net, held)
        return net

    def judged(self, data: SiteData, parameters: Parameters, part: str) -> Judged:
        """Log-odds of a site's judged cases of a part."""
        held = self.cases_of(data)
        held = held.only(held.judged(part))
        ready = standardised(held.features, self.statistics(data, parameters))
        score = ready.astype(np.float64) @ parameters["head.weight"][0].astype(np.float64)
        return Judged(score + float(parameters["head.bias"][0]), held.truth, list(held.patients))

    def seen(self, data: SiteData, part: str) -> Float:
        """What a reader's gate looks at, of all cases of a part."""
        held = self.cases_of(data)
        return self._packing().seen(held.features[np.asarray(held.part) == part])

    def export(self, parameters: Parameters, path: Path) -> None:
        """Write trunk, standardisation and head as one network.

        Raises
        ------
        FederationRefused
            If each site standardises by statistics of its own, so that no network is common to all.
        """
        if self.norm == "own":
            found = "features standardised by each site's own statistics, which stay there"
            expected = "one network for all sites"
            remedy = 'plan it with options norm = "shared", or "reference"'
            raise FederationRefused(found, expected, remedy, self.name)
        statistics = np.stack([parameters["norm.mean"], parameters["norm.scale"]])
        bias = float(parameters["head.bias"][0])
        self._packing().export(parameters["head.weight"][0], bias, statistics, path)

    def described(self) -> Mapping[str, Any]:
        """Return what the card says of reader, finding and limits."""
        return self._packing().described()

    def _packing(self) -> Packing:
        if self.packing is None:
            found, expected = f"the task {self.name!r}", "a task whose network a reader of the clinic runs"
            raise FederationRefused(found, expected, "plan it without a bundle (pack = false)", self.name)
        return self.packing

    def evaluate(self, data: SiteData, parameters: Parameters, part: str) -> Mapping[str, float]:
        """Area under the ROC curve (left out where a class is absent) and counts."""
        found = self.judged(data, parameters, part)
        sick = int((found.truth == 1).sum())
        counts = {"cases": float(len(found.truth)), "positives": float(sick)}
        if 0 < sick < len(found.truth):
            counts["auc"] = roc_auc(found.truth, found.score)
        return counts


def standardised(features: NDArray[np.float32], statistics: Float) -> Float:
    """Features less the mean, over the deviation, cut off at `WIDEST`."""
    ready = (features - statistics[0]) / statistics[1]
    return np.asarray(np.clip(ready, -WIDEST, WIDEST), dtype=np.float32)


def prior_offset(target: Float) -> float:
    """Log-odds of the site's share of positives, one case of each kind added (Laplace's rule)."""
    positive = float(target.sum()) + 1
    return float(np.log(positive / (len(target) + 2 - positive)))
