"""What a round costs beside bare Flower: a model of ten values and one of 10 MB, three sites on this machine.

    python benchmarks/federation_overhead.py [--quick] [--rounds 6] [--out FILE]

Bare Flower is Flower as its documentation shows it: ``flower-superlink`` and three ``flower-supernode`` over
TLS with node authentication, a ClientApp that gives back what came, FedAvg without evaluation, times taken
by the strategy itself around each round. Ours is the same machine minutes later: three site processes and a
coordinator, the same number of rounds, with signatures, update checks, ledger and state on disk; once in the
open and once under secure aggregation, which stands beside Flower's own SecAgg+ (its former workflow interface,
the only one that has it; 22 bits where ours has 24, values beyond 8 clipped in silence). The first round of each (in which Flower fetches its app) is shown,
the ratio is of the medians of the others. Nothing is trained in either.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance

from coread.learning.federated.flower.quiet import switches
from coread.learning.federated.keys import node_key
from coread.learning.federated.trial.staging import HOST, Lent, Trial, certificates, free_port, until

SITES = ("one", "two", "three")
SIZES = {"no-op": (10, 1), "10 MB": (2_500_000, 10)}
BIN = Path(sys.executable).parent

APP = """
import json, time
import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

server = ServerApp()
client = ClientApp()


@client.train()
def train(msg, ctx):
    content = {"arrays": msg.content["arrays"], "metrics": MetricRecord({"num-examples": 100})}
    return Message(RecordDict(content), reply_to=msg)


class Timed(FedAvg):
    marks = []

    def configure_train(self, *given, **named):
        self.marks.append(time.monotonic())
        return super().configure_train(*given, **named)

    def aggregate_train(self, *given, **named):
        made = super().aggregate_train(*given, **named)
        self.marks.append(time.monotonic())
        return made


@server.main()
def main(grid, ctx):
    values, arrays = int(ctx.run_config["values"]), int(ctx.run_config["arrays"])
    held = [np.random.default_rng(0).normal(size=values // arrays).astype(np.float32) for _ in range(arrays)]
    strategy = Timed(fraction_evaluate=0.0, min_train_nodes=3, min_available_nodes=3)
    strategy.start(grid=grid, initial_arrays=ArrayRecord(held), num_rounds=int(ctx.run_config["rounds"]))
    open(ctx.run_config["out"], "w").write(json.dumps(strategy.marks))
"""

SECAGG = """
import json, time
import numpy as np
from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import ServerApp

server = ServerApp()


class Same(NumPyClient):
    def fit(self, parameters, config):
        return parameters, 100, {}


client = ClientApp(client_fn=lambda context: Same().to_client(), mods=[secaggplus_mod])


class Timed(FedAvg):
    marks = []

    def configure_fit(self, *given, **named):
        self.marks.append(time.monotonic())
        return super().configure_fit(*given, **named)

    def aggregate_fit(self, *given, **named):
        made = super().aggregate_fit(*given, **named)
        self.marks.append(time.monotonic())
        return made


@server.main()
def main(grid, ctx):
    values, arrays = int(ctx.run_config["values"]), int(ctx.run_config["arrays"])
    held = [np.random.default_rng(0).normal(size=values // arrays).astype(np.float32) for _ in range(arrays)]
    strategy = Timed(fraction_evaluate=0.0, min_fit_clients=3, min_available_clients=3,
                     initial_parameters=ndarrays_to_parameters(held))
    config = ServerConfig(num_rounds=int(ctx.run_config["rounds"]))
    # Its defaults for clipping (8), quantisation (2^22) and weights (1000); three shares, two of which suffice.
    hidden = SecAggPlusWorkflow(num_shares=3, reconstruction_threshold=2)
    DefaultWorkflow(fit_workflow=hidden)(grid, LegacyContext(context=ctx, config=config, strategy=strategy))
    open(ctx.run_config["out"], "w").write(json.dumps(strategy.marks))
"""

PROJECT = """
[project]
name = "bare"
version = "1.0.0"
license = "Apache-2.0"
[tool.flwr.app]
publisher = "coread"
[tool.flwr.app.components]
serverapp = "bare:server"
clientapp = "bare:client"
[tool.flwr.app.config]
rounds = 3
values = 10
arrays = 1
out = ""
"""

DRAFT = """
name = "nothing"
title = {{en = "Nothing", zh = "空"}}
purpose = {{en = "To time the federation itself", zh = "测量联邦本身的耗时"}}
task = "coread.learning.federated.trial.nothing:nothing"
options = {{values = {values}, arrays = {arrays}}}
needs = ["nothing"]
rounds = {rounds}
least_sites = 3
compare_alone = false
strategy = {{name = "fedavg", local = {{steps = 1}}}}
patience = {{round_s = 300, absent_s = 60}}
privacy = {{secure_aggregation = {hidden}, threshold = 2}}
"""


def main() -> int:
    """Time both, print, keep the JSON; exit with 1 if a round costs more than 1.1 times bare Flower's."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--rounds", type=int, default=6)
    wanted.add_argument("--quick", action="store_true", help="3 rounds")
    wanted.add_argument("--model", choices=list(SIZES), action="append", help="all if left out")
    wanted.add_argument("--out", type=Path, default=RESULTS / "federation_overhead.json")
    given = wanted.parse_args()
    rounds = 3 if given.quick else given.rounds
    found: dict[str, Any] = {}
    for name in given.model or SIZES:
        values, arrays = SIZES[name]
        bare = bare_rounds(rounds, values, arrays)
        secagg = bare_rounds(rounds, values, arrays, SECAGG)
        ours = {hidden: our_rounds(rounds, values, arrays, hidden) for hidden in (False, True)}
        found[name] = told(bare, secagg, ours)
        print(name, json.dumps(found[name], indent=1), flush=True)
    result = {
        "rounds": rounds,
        "sites": len(SITES),
        "limit": 1.1,
        "load_average": os.getloadavg(),
        "models": found,
    }
    text = {**provenance("flwr", "numpy"), **result}
    given.out.write_text(json.dumps(text, indent=1) + "\n")
    return int(any(held["ratio"] > 1.1 for held in found.values()))


def told(bare: list[float], secagg: list[float], ours: dict[bool, list[float]]) -> dict[str, Any]:
    """Medians and ratios of the rounds after the first."""
    middle = {key: statistics.median(held[1:]) for key, held in ours.items()}
    usual = statistics.median(bare[1:])
    return {
        "bare_flower_s": spread(bare),
        "flower_secagg_plus_s": spread(secagg),
        "ours_s": spread(ours[False]),
        "ours_secure_aggregation_s": spread(ours[True]),
        "ratio": round(middle[False] / usual, 3),
        "ratio_secure_aggregation": round(middle[True] / usual, 3),
        "ratio_secure_aggregation_to_secagg_plus": round(middle[True] / statistics.median(secagg[1:]), 3),
    }


def spread(seconds: list[float]) -> dict[str, Any]:
    """Median, range and each round."""
    rest = seconds[1:]
    return {
        "value": round(statistics.median(rest), 3),
        "lower": round(min(rest), 3),
        "upper": round(max(rest), 3),
        "n": len(rest),
        "first": round(seconds[0], 3),
    }


def our_rounds(rounds: int, values: int, arrays: int, hidden: bool) -> list[float]:
    """Seconds of each of our rounds."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "data").mkdir()
        with Trial(folder, {site: Lent(folder / "data") for site in SITES}) as trial:
            draft = DRAFT.format(values=values, arrays=arrays, rounds=rounds, hidden=str(hidden).lower())
            plan = trial.freeze(draft)
            trial.approve(plan)
            for site in SITES:
                trial.start_site(site)
            if trial.start_coordinator(plan, 120.0).wait(600):
                raise RuntimeError(trial.log("coordinator")[-2000:])
            return [entry["seconds"] for entry in trial.kept(plan).history()]


def bare_rounds(rounds: int, values: int, arrays: int, app: str = APP) -> list[float]:
    """Seconds of each round of bare Flower."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        processes: list[subprocess.Popen[bytes]] = []
        try:
            return _bare(folder, processes, {"rounds": rounds, "values": values, "arrays": arrays}, app)
        except (TimeoutError, subprocess.CalledProcessError):
            for log in sorted(folder.glob("*.log")):
                print(log.name, log.read_text(errors="replace")[-1500:])
            raise
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(20)


def _bare(
    folder: Path, processes: list[subprocess.Popen[bytes]], config: dict[str, int], code: str
) -> list[float]:
    authority, certificate, key = certificates(folder / "certificates")
    app, home, port = folder / "app", folder / "home", free_port()
    app.mkdir()
    home.mkdir()
    (app / "pyproject.toml").write_text(PROJECT)
    (app / "bare.py").write_text(code)
    (home / "config.toml").write_text(
        f'[superlink]\ndefault="local"\n[superlink.local]\naddress="{HOST}:{port}"\n'
        f'root-certificates="{authority}"\n'
    )
    environment = {**os.environ, **switches(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def start(name: str, *words: str) -> None:
        with (folder / f"{name}.log").open("ab") as log:
            processes.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))

    def flwr(*words: str) -> None:
        with (folder / "flwr.log").open("ab") as log:
            subprocess.run([str(BIN / "flwr"), *words], env=environment, check=True, stdout=log, stderr=log)

    start(
        "superlink", str(BIN / "flower-superlink"), "--ssl-ca-certfile", str(authority),
        "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key), "--enable-supernode-auth",
        "--disable-runtime-dependency-installation", "--database", str(folder / "state.db"),
        "--host", HOST, "--port", str(port),
    )  # fmt: skip
    until(lambda: b"startup complete" in (folder / "superlink.log").read_bytes(), 90, "superlink")
    for site in SITES:
        private, _ = node_key(folder / site)
        flwr("supernode", "register", str(private.with_suffix(".pub")), "local")
        start(
            site, str(BIN / "flower-supernode"), "--root-certificates", str(authority), "--superlink",
            f"{HOST}:{port}", "--auth-supernode-private-key", str(private), "--port", str(free_port()),
        )  # fmt: skip
    out = folder / "marks.json"
    values = " ".join(f"{name}={value}" for name, value in config.items())
    flwr("run", str(app), "local", "--run-config", f'{values} out="{out}"')
    until(out.exists, 600, "the rounds of bare Flower")
    time.sleep(0.5)
    marks = json.loads(out.read_text())
    shutil.rmtree(home, ignore_errors=True)
    return [after - before for before, after in zip(marks[::2], marks[1::2], strict=True)]


if __name__ == "__main__":
    sys.exit(main())
