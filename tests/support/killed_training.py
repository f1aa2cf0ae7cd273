"""A small real training with dropout and shuffling, to be killed: the arguments are folder, seed, steps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from coread.learning.runs.checkpoint import Checkpoint, seed_everything
from coread.learning.runs.run import Run


def main(folder: Path, seed: int, steps: int) -> None:
    torch.set_num_threads(1)
    run = Run(folder, seed)
    seed_everything(run.seed)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(4 * 14 * 14, 2),
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, steps)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 1, 16, 16)).astype(np.float32))
    labels = (images.mean((1, 2, 3)) > 0).long()
    keeper = Checkpoint(
        run, "net", {"steps": steps}, every_s=0.1, net=net, optimiser=optimiser, schedule=schedule
    )
    for step in keeper.steps(steps):
        chosen = torch.randint(0, 64, (16,))
        noisy = images[chosen] + float(np.random.normal()) * 0.1
        loss = nn.functional.cross_entropy(net(noisy), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        keeper.notes[str(step)] = float(loss.detach())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
