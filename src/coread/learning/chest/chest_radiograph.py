"""The recipe of the chest reader: fine-tune a pretrained backbone on adults and children together.

Two shortcuts are known and closed here. The adult source shows healthy people mostly lying (AP) and sick
people mostly standing (PA), so adult images are drawn evenly over view and label; and each source is drawn
with as many sick as healthy images, so that recognising the source says nothing about the label. The last
weights are an exponential average over the steps; nothing of the test split is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.evaluation.discrimination import roc_auc
from coread.learning.chest.augment import disturb
from coread.learning.chest.cohort import NIH_FINDINGS, Radiograph, Split, chest_cohort, grey
from coread.learning.chest.transfer import ChestNet, freeze_early, training_mode
from coread.readers.chest_radiograph.preprocess import prepare

Report = Callable[[str, float], None]
"""Told a line of text and the share of the work done, 0..1."""

Remember = Callable[..., None]
"""Given the pass and its figures by name (see `coread.learning.runs.run.Run.remember`)."""

SITE_SHARE = {"nih": 0.42, "paediatric": 0.58}
"""Share of the drawn images per source: the small adult source is repeated, but not beyond about twice an
epoch."""

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.pt"


@dataclass(frozen=True)
class Plan:
    """Everything that decides the weights, beside the data and the code.

    Attributes
    ----------
    epochs, batch
        Passes over (as many images as) the training split; images per step.
    rate, head_rate, decay
        Peak step size of the backbone and of the new heads (AdamW, cosine), weight decay.
    smoothing
        Label smoothing: the adult labels were mined from report text and are partly wrong.
    extra_weight
        Weight of the auxiliary adult findings in the loss.
    average
        Decay of the exponential average of the weights, per step.
    settling_epochs, settling_share, settling_average
        After the cycle, passes at a small constant step size (a share of the peak) whose weights are averaged
        with a longer memory: stochastic weight averaging, Izmailov et al., UAI 2018, arXiv:1803.05407.
        None in the shipped run: not yet shown to help.
    seed, threads
        Seed of every random draw; processor threads.
    """

    epochs: int = 14
    batch: int = 32
    rate: float = 4e-4
    head_rate: float = 2e-3
    decay: float = 0.02
    smoothing: float = 0.05
    extra_weight: float = 0.3
    average: float = 0.99
    settling_epochs: int = 0
    settling_share: float = 0.3
    settling_average: float = 0.997
    seed: int = 20
    threads: int = 2

    @property
    def all_epochs(self) -> int:
        """Passes of the cycle and of the settling together."""
        return self.epochs + self.settling_epochs


def train(
    data: Path, out: Path, plan: Plan, report: Report, remember: Remember = lambda *_, **__: None
) -> Path:
    """Train, or go on training where a stopped run left off.

    Parameters
    ----------
    data
        Folder that holds the published sets.
    out
        Folder for checkpoint and weights; a checkpoint of the same plan found there is continued.
    plan
        What decides the weights.
    report
        Told of each step.
    remember
        Given the loss and the validation areas of each pass, for the drawing of the training's course.

    Returns
    -------
    Path
        File of the averaged weights.
    """
    torch.set_num_threads(plan.threads)
    cohort = chest_cohort(data)
    learners, judges = of_split(cohort, "train"), of_split(cohort, "val")
    run = Run(learners, plan, out)
    inputs = prepared(judges)
    while run.epoch < plan.all_epochs:
        loss = run.pass_once(report)
        areas = _val_areas(run.averaged, judges, inputs)
        remember(run.epoch, loss=loss, **{f"val_auc_{site}": area for site, area in areas.items()})
        said = ", ".join(f"{site} {area:.3f}" for site, area in areas.items())
        report(f"epoch {run.epoch}: loss {loss:.3f}; val AUC {said}", run.epoch / plan.all_epochs)
    weights = out / WEIGHTS
    torch.save(run.averaged.state_dict(), weights)
    return weights


def of_split(cohort: Sequence[Radiograph], split: Split) -> list[Radiograph]:
    """The radiographs of one split."""
    return [item for item in cohort if item.split == split]


def prepared(cohort: Sequence[Radiograph]) -> NDArray[np.float32]:
    """Undisturbed inputs float32 [n, 1, 224, 224], made as the clinic makes them."""
    return np.concatenate([prepare(grey(item.path).astype(np.float32)).tensor for item in cohort])


def read_all(net: ChestNet, inputs: NDArray[np.float32], batch: int = 64) -> tuple[NDArray[np.float32], ...]:
    """Logits [n], features [n, d] and maps [n, h, w] of prepared inputs."""
    net.eval()
    with torch.no_grad():
        parts = [net.read(torch.from_numpy(inputs[i : i + batch])) for i in range(0, len(inputs), batch)]
    return tuple(torch.cat(column).numpy() for column in zip(*parts, strict=True))


def load_weights(path: Path) -> ChestNet:
    """A network with trained weights, ready to read."""
    net = ChestNet(extra_labels=len(NIH_FINDINGS))
    net.load_state_dict(torch.load(path, weights_only=True))
    net.eval()
    return net


class Run:
    """One training run: network, its running average, optimiser, and the epoch reached."""

    def __init__(self, learners: list[Radiograph], plan: Plan, out: Path) -> None:
        torch.manual_seed(plan.seed)
        self.learners, self.plan, self.out = learners, plan, out
        self.pixels = [grey(item.path) for item in learners]
        self.labels, self.findings, self.known = _targets(learners)
        self.odds = drawing_odds(learners)
        self.net, self.averaged = (
            ChestNet(len(NIH_FINDINGS)).to(memory_format=torch.channels_last) for _ in "ab"
        )
        self.averaged.load_state_dict(self.net.state_dict())
        freeze_early(self.net)
        self.optimiser = _optimiser(self.net, plan)
        self.steps = plan.epochs * (len(learners) // plan.batch)
        rates = [plan.rate, plan.head_rate]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, rates, self.steps, pct_start=0.15)
        self.epoch = 0
        self._resume()

    def pass_once(self, report: Report) -> float:
        """One pass; returns the mean loss and leaves a checkpoint."""
        rng = np.random.default_rng([self.plan.seed, self.epoch])
        torch.manual_seed(self.plan.seed * 1000 + self.epoch)
        training_mode(self.net)
        if self.settling:
            self._hold_rates()
        steps = len(self.learners) // self.plan.batch
        losses = []
        for step in range(steps):
            losses.append(self._step(rng))
            report(f"epoch {self.epoch + 1}", (self.epoch + (step + 1) / steps) / self.plan.all_epochs)
        self.epoch += 1
        self._save()
        return float(np.mean(losses))

    def _step(self, rng: Generator) -> float:
        chosen = rng.choice(len(self.learners), self.plan.batch, p=self.odds)
        inputs = np.concatenate([prepare(disturb(self.pixels[i], rng)).tensor for i in chosen])
        loss = self._loss(
            torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last), torch.from_numpy(chosen)
        )
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.optimiser.step()
        if not self.settling:
            self.schedule.step()
        self._average()
        return float(loss.detach())

    def _loss(self, inputs: Tensor, chosen: Tensor) -> Tensor:
        logit, extra = self.net(inputs)
        smooth = self.plan.smoothing
        target = self.labels[chosen] * (1 - 2 * smooth) + smooth
        main = nn.functional.binary_cross_entropy_with_logits(logit, target)
        each = nn.functional.binary_cross_entropy_with_logits(extra, self.findings[chosen], reduction="none")
        known = self.known[chosen]
        return main + self.plan.extra_weight * (each.mean(1) * known).sum() / known.sum().clamp(min=1)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _average(self) -> None:
        for mean, now in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(now, 1 - (self.plan.settling_average if self.settling else self.plan.average))

    @property
    def settling(self) -> bool:
        """Whether the cycle of step sizes is over."""
        return self.epoch >= self.plan.epochs

    def _hold_rates(self) -> None:
        peaks = (self.plan.rate, self.plan.head_rate)
        for group, peak in zip(self.optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * self.plan.settling_share

    def _save(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            name: getattr(self, name).state_dict() for name in ("net", "averaged", "optimiser", "schedule")
        }
        partial = self.out / (CHECKPOINT + ".partial")
        torch.save({**state, "epoch": self.epoch, "plan": asdict(self.plan)}, partial)
        partial.replace(self.out / CHECKPOINT)

    def _resume(self) -> None:
        if not (self.out / CHECKPOINT).exists():
            return
        state = torch.load(self.out / CHECKPOINT, weights_only=True)
        if state["plan"] != asdict(self.plan):
            raise ValueError(
                f"{self.out} holds a run of another plan, {state['plan']}; choose another folder"
            )
        for name in ("net", "averaged", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.epoch = state["epoch"]


def drawing_odds(cohort: Sequence[Radiograph]) -> NDArray[np.float64]:
    """Chance [n] of each image to be drawn.

    Sources by `SITE_SHARE`, labels evenly within a source, views evenly within both.
    """
    cells = [(item.site, item.opacity, item.view) for item in cohort]
    sizes = Counter(cells)
    views = Counter((site, opacity) for site, opacity, _ in sizes)
    odds = np.array([SITE_SHARE[c[0]] / 2 / views[c[:2]] / sizes[c] for c in cells])
    return np.asarray(odds / odds.sum())


def _targets(cohort: Sequence[Radiograph]) -> tuple[Tensor, Tensor, Tensor]:
    """Opacity [n], auxiliary findings [n, k] and whether these are known [n], all float32."""
    empty = (0,) * len(NIH_FINDINGS)
    labels = torch.tensor([item.opacity for item in cohort], dtype=torch.float32)
    findings = torch.tensor([item.findings or empty for item in cohort], dtype=torch.float32)
    known = torch.tensor([item.findings is not None for item in cohort], dtype=torch.float32)
    return labels, findings, known


def _optimiser(net: ChestNet, plan: Plan) -> torch.optim.Optimizer:
    trunk = [p for p in net.trunk.parameters() if p.requires_grad]
    heads = [*net.head.parameters(), *net.extra.parameters()]
    groups = [{"params": trunk, "lr": plan.rate}, {"params": heads, "lr": plan.head_rate}]
    return torch.optim.AdamW(groups, weight_decay=plan.decay)


def _val_areas(net: ChestNet, judges: Sequence[Radiograph], inputs: NDArray[np.float32]) -> dict[str, float]:
    """AUC on the validation split, per source."""
    logits = read_all(net, inputs)[0]
    rows = {site: [i for i, item in enumerate(judges) if item.site == site] for site in SITE_SHARE}
    return {
        site: float(roc_auc(np.array([judges[i].opacity for i in mine]), logits[mine]))
        for site, mine in rows.items()
    }
