"""A training killed with SIGKILL at random moments ends with the same bits as one that was never killed."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

import killed_training  # noqa: E402

STEPS, KILLS, SEED = 600, 3, 7


@pytest.fixture(scope="module")
def start():
    """Give a function that starts a training in a process of its own, forked where torch is loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "coread.learning.runs.checkpoint"])

    def begin(folder: Path):
        process = context.Process(target=killed_training.main, args=(folder, SEED, STEPS))
        process.start()
        return process

    return begin


def flattened(held, path=""):
    """Every leaf of a state, with its place."""
    if isinstance(held, dict):
        for key, value in held.items():
            yield from flattened(value, f"{path}/{key}")
    elif isinstance(held, list | tuple):
        for number, value in enumerate(held):
            yield from flattened(value, f"{path}/{number}")
    else:
        yield path, held


def same(first, second):
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def age(path):
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_for_a_checkpoint(process, path):
    before = age(path)
    while process.is_alive() and age(path) == before:
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(start, tmp_path):
    whole = start(tmp_path / "whole")
    whole.join(200)
    assert whole.exitcode == 0
    draw, kills = random.Random(5), 0
    for _ in range(KILLS):
        process = start(tmp_path / "killed")
        wait_for_a_checkpoint(process, tmp_path / "killed" / "net.pt")
        time.sleep(draw.uniform(0, 0.05))
        process.kill()
        process.join(30)
        kills += process.exitcode == -signal.SIGKILL
    last = start(tmp_path / "killed")
    last.join(200)
    assert last.exitcode == 0
    assert kills >= 2
    ends = [
        dict(flattened(torch.load(tmp_path / name / "net.pt", weights_only=True)))
        for name in ("whole", "killed")
    ]
    assert ends[0].keys() == ends[1].keys()
    assert [place for place in ends[0] if not same(ends[0][place], ends[1][place])] == []
    assert len([place for place in ends[0] if place.startswith("/notes/")]) == STEPS
