"""A federation over real wires: SuperLink, three site processes, TLS, secure aggregation, one site killed."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")
pytest.importorskip("flwr", reason="the lab is not installed (pip install coread[lab])")

import os
import signal
import time
from pathlib import Path

import numpy as np
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError, inflate_object_from_contents

from coread.errors import FederationRefused
from coread.learning.federated.flower.fetching import pulled
from coread.learning.federated.flower.quiet import switches
from coread.learning.federated.flower.records import answer_to_record, record_to_answer
from coread.learning.federated.keys import node_key
from coread.learning.federated.orders import Answer
from coread.learning.federated.plan.carrying import told
from coread.learning.federated.strategies.at_site import round_seed
from coread.learning.federated.task import task_of
from coread.learning.federated.trial.demonstration import SPECIMENS, draft
from coread.learning.federated.trial.staging import Lent, Trial, certificates, until

ROUNDS = 3


def memory_of(pid: int):
    """Readable pieces of a process's memory."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            place, rights, *_, name = [*line.split(), ""]
            if not rights.startswith("rw") or name.startswith("[v"):
                continue
            start, end = (int(at, 16) for at in place.split("-"))
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def own_update(trial, plan, site: str, before) -> dict[str, np.ndarray]:
    """What a site trained in a round: a function of plan, site, round and patients."""
    task = task_of(plan.task, plan.options)
    seed = round_seed(plan.seed, site, 1)
    return task.local(trial.sites[site].data(plan), before, told(plan, 1), seed).parameters


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    (folder / "data").mkdir()
    with Trial(folder, {name: Lent(folder / "data", {"hospital": name}) for name in SPECIMENS}) as made:
        yield made


def refuse_strangers(trial, folder, monkeypatch):
    """A wrong certificate and a node that is not enrolled, on the wires of the federation that is at work."""
    for name, value in switches(folder).items():
        monkeypatch.setenv(name, value)
    from coread.learning.federated.flower import node  # noqa: PLC0415 - after the switches

    monkeypatch.setattr(node, "_LET_IN_S", 0.5)
    link = f"{trial.coordinator.settings.host}:{trial.coordinator.settings.port}"
    key, _ = node_key(folder / "stranger")
    other, _, _ = certificates(folder / "other")
    for authority, said in ((other, "certificate"), (trial.authority, "does not let this node in")):
        stranger = node.SiteNode(node.Connection(link, authority, key, folder))
        with pytest.raises(FederationRefused, match=said):
            stranger.serve(lambda order: pytest.fail("an order for a stranger"), lambda: False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_federation_runs_to_its_end_and_the_coordinator_never_holds_a_single_update(
    trial, tmp_path, monkeypatch
):
    plan = trial.freeze(draft(rounds=ROUNDS, pace_s=0.3, hidden=True))
    trial.approve(plan)
    for site in SPECIMENS:
        trial.start_site(site)
    coordinator = trial.start_coordinator(plan, 120.0)
    kept = trial.kept(plan)
    until(lambda: len(kept.history()) >= 1, 180, "the first round")

    first = {site: own_update(trial, plan, site, task_of(plan.task, {}).initial(0)) for site in SPECIMENS}
    pids = [coordinator.pid, *children_of(coordinator.pid)]
    assert len(pids) == 2  # the coordinator and its SuperLink
    ours = np.random.default_rng(0).bytes(24)
    assert any(ours in piece for piece in memory_of(os.getpid()))  # the search finds what is there
    needles = [update["weight"].tobytes()[:24] for update in first.values()]
    held = [(pid, piece) for pid in pids for piece in memory_of(pid)]
    assert sum(len(piece) for _, piece in held) > 10_000_000
    assert not [pid for pid, piece in held for needle in needles if needle in piece]
    del held

    refuse_strangers(trial, tmp_path, monkeypatch)

    os.kill(trial.processes["south"].pid, signal.SIGKILL)
    trial.processes["south"].wait()
    trial.start_site("south")
    assert coordinator.wait(400) == 0, trial.log("coordinator")
    result, history = kept.read("result"), kept.history()
    assert [entry["took_part"] for entry in history] == [sorted(SPECIMENS)] * ROUNDS
    assert result["handed_over_to"] == sorted(SPECIMENS)
    assert all(result["sites"][site]["federation"]["auc"] > 0.9 for site in SPECIMENS)
    files = [path for path in trial.coordinator.folder.rglob("*") if path.is_file()]
    assert not [path for path in files for needle in needles if needle in path.read_bytes()]
    for site in SPECIMENS:
        assert trial.sites[site].approvals.words(plan.sha256)
        assert (trial.sites[site].work(plan) / "final.npz").exists()
        kinds = [one.event.kind for one in trial.sites[site].record.events(plan.sha256)]
        assert "federation.result" in kinds


def test_parts_that_come_later_are_not_waited_for_by_seconds():
    """A message is announced before its parts are pushed; Flower's own pauses would add up to 31 s here."""
    tries: dict[str, int] = {}
    answer = Answer("one", "masked", "p", "1", {}, {"masked": {"values": np.arange(9, dtype=np.uint64)}})
    record = answer_to_record(answer)
    contents = {number: part.deflate() for number, part in get_all_nested_objects(record).items()}

    def pull(number: str) -> bytes:
        tries[number] = tries.get(number, 0) + 1
        if tries[number] <= 4:
            raise ObjectUnavailableError(number)
        return contents[number]

    started = time.monotonic()
    parts = pulled(list(contents), pull)
    assert time.monotonic() - started < 10
    back = record_to_answer(inflate_object_from_contents(record.object_id, parts))
    assert (back.arrays["masked"]["values"] == answer.arrays["masked"]["values"]).all()
