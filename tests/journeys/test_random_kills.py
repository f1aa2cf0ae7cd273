"""kill -9 at random moments, also during reception. ``COREAD_KILLS=100`` makes it the long one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "kills.py"
_KILLS = int(os.environ.get("COREAD_KILLS", "10"))


@pytest.mark.slow
@pytest.mark.timeout(120 + 12 * _KILLS)
def test_random_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    out = tmp_path / "kills.json"
    command = [
        sys.executable,
        str(_SCRIPT),
        "--kills",
        str(_KILLS),
        "--studies",
        str(3 * _KILLS),
        "--out",
        str(out),
    ]
    environ = {name: value for name, value in os.environ.items() if name != "COREAD_KILLS"}
    subprocess.run(command, env=environ, capture_output=True, check=False)
    result = json.loads(out.read_text())
    assert result["all_finished"]
    assert not {name: count for name, count in result["found"].items() if count}
