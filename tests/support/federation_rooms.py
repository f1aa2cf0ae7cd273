"""A small federation in one process: a task on numbers, sites in folders, a wire that can lose things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from coread.learning.federated.coordinator.asking import Asking
from coread.learning.federated.coordinator.keeping import Kept
from coread.learning.federated.coordinator.rounds import Rounds
from coread.learning.federated.keys import signing_key
from coread.learning.federated.orders import Answer, Order
from coread.learning.federated.plan.carrying import strategy_in
from coread.learning.federated.plan.code import code_sha256, versions
from coread.learning.federated.plan.plan import Patience, Plan, Privacy
from coread.learning.federated.record import Record
from coread.learning.federated.sites.desk import Desk
from coread.learning.federated.sites.folder import SiteFolder, SiteSettings
from coread.learning.federated.task import Count, Parameters, SiteData, Update

TASK = "federation_rooms:numbers"


class Numbers:
    """Least squares on the numbers that lie in a site's folder."""

    name = "numbers"

    def __init__(self, width: int = 3) -> None:
        self.width = width

    def initial(self, seed: int) -> Parameters:
        return {"slope": np.zeros(self.width, np.float32), "offset": np.zeros(1, np.float32)}

    def count(self, data: SiteData) -> Count:
        size = len(self._read(data)[1])
        return Count({"train": size, "val": size, "test": size}, {"train": size}, {})

    def local(
        self, data: SiteData, parameters: Parameters, instructions: Mapping[str, Any], seed: int
    ) -> Update:
        x, y = self._read(data)
        slope, offset = parameters["slope"].astype(np.float64), float(parameters["offset"][0])
        rng = np.random.default_rng(seed)
        for _ in range(instructions["steps"]):
            rows = rng.integers(0, len(y), instructions["batch"])
            error = x[rows] @ slope + offset - y[rows]
            slope = slope - instructions["rate"] * x[rows].T @ error / len(rows)
            offset = offset - instructions["rate"] * float(error.mean())
        made = {"slope": slope.astype(np.float32), "offset": np.array([offset], np.float32)}
        return Update(made, len(y), {"loss": float(np.mean(np.square(x @ slope + offset - y)))})

    def evaluate(self, data: SiteData, parameters: Parameters, part: str) -> Mapping[str, float]:
        x, y = self._read(data)
        return {"error": float(np.mean(np.square(x @ parameters["slope"] + parameters["offset"][0] - y)))}

    def _read(self, data: SiteData) -> tuple[np.ndarray, np.ndarray]:
        with np.load(data.folder / "numbers.npz") as held:
            return held["x"], held["y"]


def numbers(width: int = 3) -> Numbers:
    return Numbers(width)


def write_numbers(folder: Path, seed: int, size: int = 40, width: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size, width))
    y = x @ np.arange(1, width + 1) + 0.5 + 0.1 * rng.normal(size=size)
    np.savez(folder / "numbers.npz", x=x, y=y)
    return folder


class Clock:
    """Time that passes only when it is waited for."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


class LocalWire:
    """Carries orders to desks in this process; what it is told to lose, spoil or cut off, it does."""

    def __init__(self, desks: dict[str, Desk]) -> None:
        self.desks = desks
        self.away: set[str] = set()
        self.spoil: Callable[[Order, Answer], Answer | None] = lambda order, answer: answer
        self.sent: list[tuple[str, Order]] = []
        self._waiting: list[tuple[str, Order]] = []

    def online(self) -> frozenset[str]:
        return frozenset(set(self.desks) - self.away)

    def send(self, orders: Mapping[str, Order]) -> None:
        self.sent += orders.items()
        self._waiting += orders.items()

    def answers(self) -> list[Answer]:
        now, self._waiting = self._waiting, []
        made = [
            self.spoil(order, self.desks[site].answer(order)) for site, order in now if site not in self.away
        ]
        return [answer for answer in made if answer is not None]


@cache
def _empty_ledger() -> bytes:
    """A ledger without events; making its tables takes longer than most tests."""
    with TemporaryDirectory() as folder:
        Record.kept_in(Path(folder)).close()
        return (Path(folder) / "ledger.sqlite").read_bytes()


class Rooms:
    """A coordinator and its sites below one folder."""

    def __init__(self, folder: Path, count: int = 3, **plan: Any) -> None:
        self.folder, self.clock = folder, Clock()
        self.key = signing_key(folder / "coordinator")
        self.sites: dict[str, SiteFolder] = {}
        for at in range(count):
            name = f"site{at}"
            data = write_numbers(folder / "data" / name, at, 30 + 10 * at)
            (folder / name).mkdir(parents=True)
            (folder / name / "ledger.sqlite").write_bytes(_empty_ledger())
            settings = SiteSettings(
                name, str(data), coordinator=self.key.public, least_free_mb=1, authority="", link=""
            )
            self.sites[name] = SiteFolder.made(folder / name, settings)
        self.wire = LocalWire({name: Desk(site) for name, site in self.sites.items()})
        self.plan = self.planned(**plan)

    def planned(self, **changed: Any) -> Plan:
        words = {"en": "Slopes", "zh": "斜率"}
        made = Plan(
            name="slopes", title=words, purpose=words, task=TASK, options={"width": 3}, query={},
            needs=("image:numbers",), rounds=3,
            strategy={"name": "fedavg", "local": {"steps": 5, "batch": 8, "rate": 0.1}},
            sites={name: site.key.public for name, site in self.sites.items()},
            coordinator=self.key.public, code_sha256=code_sha256(TASK), versions=versions(),
            least_cases=20, patience=Patience(60.0, 20.0, 5.0, 4),
        )  # fmt: skip
        return replace(made, **changed)

    def hidden(self, threshold: int = 2) -> Plan:
        return self.planned(privacy=Privacy(secure_aggregation=True, threshold=threshold))

    def approve(self, plan: Plan | None = None, among: tuple[str, ...] | None = None) -> None:
        for name in among or tuple(self.sites):
            site = self.sites[name]
            site.keep_plan(plan or self.plan)
            site.approvals.consent("image:numbers", "officer")
            site.approvals.approve(plan or self.plan, "officer")

    def rounds(self, plan: Plan | None = None, place: str = "coordinator") -> Rounds:
        plan = plan or self.plan
        asking = Asking(self.wire, self.clock, plan, self.key.sign)
        if not (self.folder / place / "ledger.sqlite").exists():
            (self.folder / place).mkdir(exist_ok=True)
            (self.folder / place / "ledger.sqlite").write_bytes(_empty_ledger())
        record = Record.kept_in(self.folder / place)
        return Rounds(
            asking, strategy_in(plan), Kept(self.folder / place, plan), record, lambda text, share: None
        )

    def restart(self, name: str) -> None:
        """The site's process dies and is started again."""
        self.wire.desks[name] = Desk(SiteFolder(self.folder / name))
