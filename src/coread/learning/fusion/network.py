"""A small network that adds up what each source of knowledge says, and has learned to do without any of them.

Each block has its own little stem; absent blocks say nothing; a learned bias stands in for them. In training,
blocks are dropped at random, so that the score without a block has been practised: Neverova et al., IEEE
TPAMI 2016, doi:10.1109/TPAMI.2015.2461544 (ModDrop).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.fusion.modalities import Block, Blocks
from coread.learning.runs.checkpoint import Checkpoint, seed_everything
from coread.learning.runs.run import Run

Float = NDArray[np.float64]


@dataclass(frozen=True)
class FusionPlan:
    """What decides the weights, beside data, code and seed.

    Attributes
    ----------
    steps, batch
        Steps of AdamW and cases per step.
    rate, decay, dropout
        Step size, weight decay, share of hidden units silenced.
    hidden
        Units of each block's stem.
    drop_block
        Chance of each block to be dropped from a training case; at least one stays.
    """

    steps: int = 800
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.2
    dropout: float = 0.3
    hidden: int = 16
    drop_block: float = 0.3


class FusionNet(nn.Module):  # type: ignore[misc]
    """Blocks in, one score out.

    Parameters
    ----------
    widths
        Width of each block by name.
    plan
        Sizes.
    """

    def __init__(self, widths: Mapping[str, int], plan: FusionPlan) -> None:
        super().__init__()
        self.names = sorted(widths)
        self.stems = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(widths[name], plan.hidden), nn.ReLU(), nn.Dropout(plan.dropout))
                for name in self.names
            }
        )
        self.absent = nn.ParameterDict({name: nn.Parameter(torch.zeros(plan.hidden)) for name in self.names})
        self.score = nn.Linear(plan.hidden * len(self.names), 1)

    def forward(self, values: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Score [n] of blocks [n, width] and their presence [n]."""
        said = []
        for name in self.names:
            there = present[name][:, None].float()
            said.append(there * self.stems[name](values[name]) + (1 - there) * self.absent[name])
        return self.score(torch.cat(said, 1)).squeeze(1)


def train_fusion(blocks: Blocks, truth: Float, odds: Float, run: Run, plan: FusionPlan) -> FusionNet:
    """Train on cases with their blocks; resumable.

    Parameters
    ----------
    blocks
        Of the training cases.
    truth
        0 or 1, [case].
    odds
        Chance of each case to be drawn, summing to 1.
    run
        Folder and seed.
    plan
        See there.
    """
    seed_everything(run.seed)
    net = FusionNet({name: block.values.shape[1] for name, block in blocks.items()}, plan)
    optimiser = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=plan.decay)
    keeper = Checkpoint(run, "fusion", plan, net=net, optimiser=optimiser)
    target = torch.from_numpy(np.asarray(truth, dtype=np.float32))
    for step in keeper.steps(plan.steps, "fusion"):
        rng = np.random.default_rng([run.seed, step])
        chosen = rng.choice(len(truth), plan.batch, p=odds)
        net.train()
        values, present = _tensors({name: block.where(chosen) for name, block in blocks.items()})
        said = net(values, dropped(present, plan.drop_block, rng))
        loss = nn.functional.binary_cross_entropy_with_logits(said, target[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    return net


def dropped(present: Mapping[str, Tensor], share: float, rng: np.random.Generator) -> dict[str, Tensor]:
    """Presence with blocks dropped at random, each with chance `share`, one of those present always kept."""
    names = sorted(present)
    there = np.stack([present[name].numpy() for name in names], 1)
    kept = there & (rng.random(there.shape) >= share)
    lost = ~kept.any(1) & there.any(1)
    first = np.argmax(there * rng.random(there.shape), axis=1)
    kept[lost, first[lost]] = True
    return {name: torch.from_numpy(kept[:, column]) for column, name in enumerate(names)}


@torch.no_grad()  # type: ignore[untyped-decorator]
def fused(net: FusionNet, blocks: Blocks) -> Float:
    """Scores [case] of cases, with whatever blocks they have."""
    net.eval()
    return np.asarray(net(*_tensors(blocks)).numpy(), dtype=np.float64)


def _tensors(blocks: Mapping[str, Block]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    values = {name: torch.from_numpy(block.values) for name, block in blocks.items()}
    return values, {name: torch.from_numpy(np.asarray(block.present)) for name, block in blocks.items()}
