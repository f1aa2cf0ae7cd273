"""kill -9 at random: three sites train while sites, coordinator and SuperLink are killed again and again.

    python benchmarks/federation_kills.py [--quick] [--kills 20] [--rounds 30] [--out FILE]

A model is trained on real patients (shipped with scikit-learn: 569 fine needle aspirates of the breast,
Wolberg et al. 1995, doi:10.24432/C5DW2B) by three site processes, a coordinator and its SuperLink over TLS.
The run is made twice with one seed: once left alone, once with kills of a process drawn at random at moments
drawn at random, each process started again at once, as a service manager would. Printed: whether the run
finished, whether the final model is the same to the bit, each site's figures, and the seconds lost per kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from provenance import RESULTS, provenance

from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.trial.demonstration import SPECIMENS, draft
from coread.learning.federated.trial.staging import Lent, Trial


def main() -> int:
    """Run twice, compare, print, keep the JSON; exit with 1 if a model differs or a run does not finish."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--kills", type=int, default=20)
    wanted.add_argument("--rounds", type=int, default=30)
    wanted.add_argument("--pace", type=float, default=1.0, help="seconds of training in a round at each site")
    wanted.add_argument("--seed", type=int, default=0)
    wanted.add_argument("--quick", action="store_true", help="4 kills in 8 rounds")
    wanted.add_argument("--secure", action="store_true", help="under secure aggregation")
    wanted.add_argument("--out", type=Path, default=RESULTS / "federation_kills.json")
    given = wanted.parse_args()
    kills, rounds = (4, 8) if given.quick else (given.kills, given.rounds)
    calm = run(rounds, 0, 0.0, given)
    print("calm:", round(calm["seconds"], 1), "s", flush=True)
    stormy = run(rounds, kills, calm["seconds"], given)
    lost = [(stormy["seconds"] - calm["seconds"]) / max(len(stormy["kills"]), 1)]
    largest = max(float(np.max(np.abs(stormy["model"][n] - calm["model"][n]))) for n in calm["model"])
    result = {
        "rounds": rounds,
        "sites": len(SPECIMENS),
        "load_average": os.getloadavg(),
        "secure_aggregation": given.secure,
        "finished": stormy["finished"] and calm["finished"],
        "kills": stormy["kills"],
        "killed": {who: sum(k["who"] == who for k in stormy["kills"]) for who in _names()},
        "seconds_calm": round(calm["seconds"], 1),
        "seconds_with_kills": round(stormy["seconds"], 1),
        "seconds_lost_per_kill": {"value": round(lost[0], 2), "n": len(stormy["kills"])},
        "largest_difference_of_a_parameter": largest,
        "full_rounds": {"calm": calm["full"], "with_kills": stormy["full"], "of": rounds},
        "figures": {"calm": calm["figures"], "with_kills": stormy["figures"]},
    }
    given.out.write_text(json.dumps({**provenance("flwr", "numpy"), **result}, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "kills"}, indent=1))
    return int(not result["finished"] or largest > (1e-6 if given.secure else 0.0))


def _names() -> tuple[str, ...]:
    return (*SPECIMENS, "coordinator", "superlink")


def run(rounds: int, kills: int, usual_s: float, given: argparse.Namespace) -> dict[str, Any]:
    """One whole federation."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "data").mkdir()
        lent = {name: Lent(folder / "data", {"hospital": name}) for name in SPECIMENS}
        with Trial(folder, lent) as trial:
            plan = trial.freeze(draft(rounds=rounds, pace_s=given.pace, hidden=given.secure))
            trial.approve(plan)
            pauses = (usual_s / max(kills, 1), random.Random(given.seed))
            return _run(trial, plan, kills, *pauses)


def _run(trial: Trial, plan: Plan, kills: int, pause_s: float, rng: random.Random) -> dict[str, Any]:
    start = time.monotonic()
    for site in trial.sites:
        trial.start_site(site)
    trial.start_coordinator(plan, 600.0)
    done: list[dict[str, Any]] = []
    ended = threading.Event()
    keeper = threading.Thread(target=_keep_up, args=(trial, plan, ended), daemon=True)
    keeper.start()
    kept = trial.kept(plan)
    _wait(lambda: len(kept.history()) >= 1, 600)
    while not kept.read("result"):
        if len(done) < kills:
            time.sleep(rng.uniform(0.0, 2 * pause_s))
            if not kept.read("result") and (killed := _kill(trial, rng.choice(_names()))):
                done.append({**killed, "after_s": round(time.monotonic() - start, 1)})
                print(len(done), done[-1], "round", len(kept.history()), flush=True)
        time.sleep(0.2)
        if time.monotonic() - start > 1800:
            break
    seconds = time.monotonic() - start
    ended.set()
    keeper.join()
    result, held = kept.read("result") or {"sites": {}}, kept.load()
    history = kept.history()
    return {
        "finished": bool(result["sites"]),
        "seconds": seconds,
        "kills": done,
        "model": held[1].parameters if held else {},
        "full": sum(len(entry["took_part"]) == len(SPECIMENS) for entry in history),
        "figures": {site: figures["federation"] for site, figures in result["sites"].items()},
    }


def _keep_up(trial: Trial, plan: Plan, ended: threading.Event) -> None:
    """Start what died again, as a service manager would."""
    while not ended.wait(0.2):
        for name, process in list(trial.processes.items()):
            if process.poll() is not None and process.returncode != 0 and not ended.is_set():
                trial.start_coordinator(plan, 600.0) if name == "coordinator" else trial.start_site(name)


def _kill(trial: Trial, who: str) -> dict[str, Any] | None:
    if who == "superlink":
        pid = _superlink(trial.processes["coordinator"].pid)
    else:
        process = trial.processes[who]
        pid = process.pid if process.poll() is None else None
    if pid is None:
        return None
    os.kill(pid, signal.SIGKILL)
    return {"who": who}


def _superlink(parent: int) -> int | None:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"\nPPid:\t{parent}\n" in (entry / "status").read_text():
                return int(entry.name)
        except OSError:
            continue
    return None


def _wait(true: Any, within_s: float) -> None:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the first round")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
