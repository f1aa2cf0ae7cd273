"""Several findings read by one head, of which each site has labelled only some, and some only in part.

Where nobody has said whether a finding is there, the case is left out of the finding's loss. A site without
any label of a finding neither trains its row nor takes part in its mean (see
`coread.learning.federated.strategies.averaging.by_share`): nothing is ever taken for absent because nobody
looked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.evaluation import roc_auc
from coread.learning.federated.strategies.averaging import SHARE
from coread.learning.federated.task import Count, Parameters, SiteData, Update
from coread.learning.federated.tasks.cases import FLOOR, PARTS, Float, Judged
from coread.learning.federated.tasks.heads import prior_offset, standardised
from coread.learning.federated.tasks.networks import arrays_of, update_locally, with_arrays

Missing = Literal["masked", "diluted", "absent"]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Cases of one site with what is known of each finding.

    Attributes
    ----------
    features
        float32 [case, feature], as a frozen trunk saw them.
    target
        1, 0, or nan where nobody has said, [case, finding].
    patients, part
        Whose, and train, val or test, [case].
    """

    features: Float
    target: Float
    patients: tuple[str, ...]
    part: NDArray[np.str_]

    def rows(self, part: str) -> NDArray[np.int64]:
        """Cases of a part."""
        return np.flatnonzero(self.part == part).astype(np.int64)


class Heads(nn.Module):  # type: ignore[misc]
    """Log-odds [n, finding] of standardised features [n, d]."""

    def __init__(self, features: int, findings: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, findings)

    def forward(self, features: Tensor) -> Tensor:
        """Log-odds [n, finding]."""
        return self.head(features)


@dataclass(frozen=True, eq=False)
class FindingsTask:
    """A head for several findings that sites train together.

    Attributes
    ----------
    name
        Of the task.
    cases_of
        The cases of a site, remembered by whoever makes them.
    features
        How many.
    findings
        Names of the findings, in the order of the head's rows.
    missing
        ``masked`` as described above. For comparison: ``diluted``, where a site without the label gives the
        row back as it was and all are averaged; ``absent``: what nobody has said is taken for absent.
    """

    name: str
    cases_of: Callable[[SiteData], Labelled]
    features: int
    findings: tuple[str, ...]
    missing: Missing = "masked"

    def initial(self, seed: int) -> Parameters:
        """Zeros: the loss is convex."""
        count = len(self.findings)
        weight = np.zeros((count, self.features), np.float32)
        return {"head.weight": weight, "head.bias": np.zeros(count, np.float32)}

    def count(self, data: SiteData) -> Count:
        """Count patients, cases, and the training cases with each finding."""
        held = self.cases_of(data)
        parts = {part: held.rows(part) for part in PARTS}
        patients = {part: len({held.patients[row] for row in rows}) for part, rows in parts.items()}
        sick = (held.target[parts["train"]] == 1).sum(0)
        labels = {name: int(n) for name, n in zip(self.findings, sick, strict=True)}
        return Count(patients, {part: len(rows) for part, rows in parts.items()}, labels)

    def local(
        self, data: SiteData, parameters: Parameters, instructions: Mapping[str, Any], seed: int
    ) -> Update:
        """Train on the labels that the site has; its change counts row by row as their share."""
        ready, target = self._ready(data, "train")
        net, rng = self._net(parameters), np.random.default_rng(seed)
        known = np.isfinite(target)
        loss, stays = update_locally(net, _loss(ready, target, int(instructions["batch"])), instructions, rng)
        share = known.mean(0).astype(np.float32) if len(target) else np.zeros(len(self.findings), np.float32)
        if self.missing == "diluted":
            share = (share > 0).astype(np.float32)
        shares = {"head.weight": share[:, None], "head.bias": share}
        made = {
            name: (parameters[name] + shares[name] * (array - parameters[name])).astype(np.float32)
            for name, array in arrays_of(net).items()
        }
        told = {f"{SHARE}/{name}": array for name, array in shares.items() if self.missing == "masked"}
        return Update(made, max(len(target), 1), {"loss": loss}, {**stays, **told})

    def _ready(self, data: SiteData, part: str) -> tuple[Float, Float]:
        """Features standardised by the site's own training images, and targets, of one part."""
        held = self.cases_of(data)
        train, rows = held.features[held.rows("train")].astype(np.float64), held.rows(part)
        statistics = np.stack([train.mean(0), train.std(0) + FLOOR]).astype(np.float32)
        target = held.target[rows]
        if self.missing == "absent" and part == "train":
            target = np.nan_to_num(target, nan=0.0)
        return standardised(held.features[rows], statistics), target

    def _net(self, parameters: Parameters) -> Heads:
        net = Heads(self.features, len(self.findings))
        with_arrays(net, parameters)
        return net

    def judged(self, data: SiteData, parameters: Parameters, part: str, finding: str) -> Judged:
        """Log-odds of one finding in the cases of a part in which its truth is known."""
        ready, target = self._ready(data, part)
        held, at = self.cases_of(data), self.findings.index(finding)
        known = np.flatnonzero(np.isfinite(target[:, at]))
        rows = held.rows(part)[known]
        score = ready[known].astype(np.float64) @ parameters["head.weight"][at].astype(np.float64)
        truth = target[known, at].astype(np.int64)
        return Judged(score + float(parameters["head.bias"][at]), truth, [held.patients[r] for r in rows])

    def evaluate(self, data: SiteData, parameters: Parameters, part: str) -> Mapping[str, float]:
        """Area under the ROC curve of each finding that the site has labelled both ways."""
        found: dict[str, float] = {"cases": float(len(self.cases_of(data).rows(part)))}
        for name in self.findings:
            said = self.judged(data, parameters, part, name)
            if 0 < said.truth.sum() < len(said.truth):
                found[f"auc {name}"] = roc_auc(said.truth, said.score)
        return found


def _loss(ready: Float, target: Float, batch: int) -> Callable[[nn.Module, Generator], Tensor]:
    """Mean over findings of the mean over a batch's labelled cases; the site's prevalence is taken out."""
    features, wanted = torch.from_numpy(ready), torch.from_numpy(target)
    offsets = [prior_offset(column[np.isfinite(column)]) for column in target.T]
    offset = torch.tensor(offsets, dtype=torch.float32)

    def loss(net: nn.Module, rng: Generator) -> Tensor:
        rows = torch.from_numpy(rng.integers(0, len(wanted), batch))
        aim = wanted[rows]
        known = torch.isfinite(aim)
        each = nn.functional.binary_cross_entropy_with_logits(
            net(features[rows]) + offset, aim.nan_to_num(), reduction="none"
        )
        return ((each * known).sum(0) / known.sum(0).clamp(min=1)).mean()

    return loss
