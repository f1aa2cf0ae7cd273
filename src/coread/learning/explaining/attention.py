"""A head that looks by attention: it weighs the places of a feature map and says how much it weighed each.

Gated attention pooling: Ilse, Tomczak & Welling, ICML 2018, arXiv:1802.04712. The weights sum to 1 and can be
drawn; whether they explain anything is measured like every other map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.runs.checkpoint import Checkpoint, seed_everything
from coread.learning.runs.run import Run

Float = NDArray[np.float32]
Half = NDArray[np.float16]


@dataclass(frozen=True)
class AttentionPlan:
    """What decides the weights, beside data, code and seed.

    Attributes
    ----------
    steps, batch
        Steps of AdamW and maps per step.
    rate, decay, dropout
        Step size, weight decay, share of channels silenced.
    hidden
        Width of the attention.
    """

    steps: int = 600
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.1
    dropout: float = 0.5
    hidden: int = 64


class AttentionHead(nn.Module):  # type: ignore[misc]
    """Feature map [n, channel, h, w] in; score [n] and attention [n, h, w] out.

    Parameters
    ----------
    channels
        Of the feature map.
    plan
        Width and dropout.
    """

    def __init__(self, channels: int, plan: AttentionPlan) -> None:
        super().__init__()
        self.normal = nn.BatchNorm1d(channels, affine=False)
        self.seek = nn.Linear(channels, plan.hidden)
        self.gate = nn.Linear(channels, plan.hidden)
        self.weigh = nn.Linear(plan.hidden, 1)
        self.score = nn.Linear(channels, 1)
        self.dropout = nn.Dropout(plan.dropout)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh the places, and score their weighted mean."""
        count, channels, high, wide = maps.shape
        places = maps.flatten(2).transpose(1, 2)
        places = self.normal(places.reshape(-1, channels)).reshape(count, high * wide, channels)
        drawn = self.weigh(torch.tanh(self.seek(places)) * torch.sigmoid(self.gate(places)))
        attention = torch.softmax(drawn.squeeze(2), 1)
        pooled = (attention[:, :, None] * places).sum(1)
        return self.score(self.dropout(pooled)).squeeze(1), attention.reshape(count, high, wide)


def train_attention(maps: Half, truth: Float, odds: Float, run: Run, plan: AttentionPlan) -> AttentionHead:
    """Train a head on cached maps; resumable.

    Parameters
    ----------
    maps
        float16 [n, channel, h, w].
    truth
        0 or 1, [n].
    odds
        Chance of each map to be drawn, [n], summing to 1.
    run
        Folder and seed.
    plan
        See there.
    """
    seed_everything(run.seed)
    head = AttentionHead(maps.shape[1], plan)
    optimiser = torch.optim.AdamW(head.parameters(), plan.rate, weight_decay=plan.decay)
    keeper = Checkpoint(run, "attention", plan, head=head, optimiser=optimiser)
    for step in keeper.steps(plan.steps, "attention head"):
        chosen = np.random.default_rng([run.seed, step]).choice(len(maps), plan.batch, p=odds)
        head.train()
        said, _ = head(torch.from_numpy(maps[chosen].astype(np.float32)))
        loss = nn.functional.binary_cross_entropy_with_logits(said, torch.from_numpy(truth[chosen]).float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    head.eval()
    return head


@torch.no_grad()  # type: ignore[untyped-decorator]
def attended(head: AttentionHead, maps: Half, batch: int = 256) -> tuple[Float, Float]:
    """Scores [n] and attention [n, h, w] of cached maps."""
    parts = [
        head(torch.from_numpy(maps[i : i + batch].astype(np.float32))) for i in range(0, len(maps), batch)
    ]
    return torch.cat([p[0] for p in parts]).numpy(), torch.cat([p[1] for p in parts]).numpy()


def attention_map(head: AttentionHead, deep: Callable[[Float], Half]) -> Callable[[Float], Float]:
    """The head's attention as a method of explanation; `deep` gives the map of an input."""

    def made(image: Float) -> Float:
        return np.asarray(attended(head, deep(image))[1][0])

    return made
