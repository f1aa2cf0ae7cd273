"""A training killed with SIGKILL at random moments ends with the same bits as one that was never killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

import killed_training  # noqa: E402

STEPS = 400


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, killed_training.__file__, str(folder), "7", str(STEPS)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)


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


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    whole = start(tmp_path / "whole")
    assert whole.wait(120) == 0, whole.stderr.read()
    draw, kills = random.Random(5), 0
    checkpoint = tmp_path / "killed" / "net.pt"
    while True:
        process = start(tmp_path / "killed")
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        if kills < 5:
            while process.poll() is None and (
                not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before
            ):
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.08))
        if kills < 5 and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
            kills += 1
            continue
        assert process.wait(120) == 0, process.stderr.read()
        break
    assert kills >= 2
    ends = [
        dict(flattened(torch.load(tmp_path / name / "net.pt", weights_only=True)))
        for name in ("whole", "killed")
    ]
    assert ends[0].keys() == ends[1].keys()
    assert [place for place in ends[0] if not same(ends[0][place], ends[1][place])] == []
    assert len([place for place in ends[0] if place.startswith("/notes/")]) == STEPS
