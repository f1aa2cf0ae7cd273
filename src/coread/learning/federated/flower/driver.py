"""The coordinator's seat at SuperLink: it registers nodes, opens a run and carries orders as its driver."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from flwr.app import Message
from flwr.cli.build import build_fab_from_disk
from flwr.common.serde import fab_to_proto, run_from_proto
from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, StartRunRequest, StopRunRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullAppMessagesRequest, PullTaskInputRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid

from coread.errors import FederationRefused
from coread.learning.federated.flower.fetching import fetched
from coread.learning.federated.flower.records import order_to_record, record_to_answer
from coread.learning.federated.flower.superlink import Place
from coread.learning.federated.orders import Answer, Order
from coread.learning.runs.files import write_json

#: An instruction that no site fetches within this time is thrown away by SuperLink.
_LIFE_S = 6 * 3600.0
_APP = """[project]
name = "coread-federation"
version = "1.0.0"
description = "A name for a run: sites run what they have installed, never what is in here."
license = "Apache-2.0"
dependencies = []
[tool.flwr.app]
publisher = "coread"
[tool.flwr.app.components]
serverapp = "nothing:app"
clientapp = "nothing:app"
"""
_KINDS = {"train": "train", "masked": "train", "alone": "train", "evaluate": "evaluate"}


class FlowerWire:
    """Carries orders as Flower messages (see `coread.learning.federated.orders.Wire`).

    Parameters
    ----------
    grid
        Of a run whose driver this process is.
    nodes
        Name of the site by node id.
    """

    def __init__(self, grid: HttpGrid, nodes: Mapping[int, str]) -> None:
        self._grid, self._nodes = grid, dict(nodes)
        self._ids = {site: node for node, site in self._nodes.items()}
        self._open: set[str] = set()
        self._seen: tuple[float, frozenset[str]] = (-1e9, frozenset())

    def online(self) -> frozenset[str]:
        """Sites that are connected; looked up once a second at most."""
        if time.monotonic() - self._seen[0] > 1.0:
            found = frozenset(self._nodes[node] for node in self._grid.get_node_ids() if node in self._nodes)
            self._seen = (time.monotonic(), found)
        return self._seen[1]

    def send(self, orders: Mapping[str, Order]) -> None:
        """Push orders, one by one, so that no request holds more than one model."""
        for site, order in orders.items():
            kind = f"{_KINDS.get(order.kind, 'query')}.{order.kind}"
            message = Message(order_to_record(order), self._ids[site], kind, ttl=_LIFE_S, group_id=order.kind)
            self._open |= {number for number in self._grid.push_messages([message]) if number}

    def answers(self) -> Sequence[Answer]:
        """Pull what came; a message that is no answer, or says that none can come, is dropped."""
        found: list[Answer] = []
        for message in self._pulled() if self._open else ():
            self._open.discard(message.metadata.reply_to_message_id)
            if message.has_error():
                continue
            try:
                found.append(record_to_answer(message.content))
            except ValueError:
                continue
        return found

    def _pulled(self) -> Iterator[Message]:
        """As the grid's own ``pull_messages``, but without its long pauses (see `fetched`)."""
        client, node, run_id = self._grid._runtime_client, self._grid.node, TaskIdentity.run_id
        got = client.PullMessages(PullAppMessagesRequest(message_ids=sorted(self._open)))
        pull = make_pull_object_fn_protobuf(client.PullObject, node, run_id)
        confirm = make_confirm_message_received_fn_protobuf(client.ConfirmMessageReceived, node, run_id)
        for head, tree in zip(got.messages_list, got.message_object_trees, strict=True):
            try:
                yield fetched(tree, pull, confirm)
            except (
                ObjectPullError
            ):  # its sender died while pushing; it will be asked whether it has the order
                self._open.discard(head.metadata.reply_to_message_id)


@contextmanager
def driven(place: Place, sites: Mapping[str, str]) -> Iterator[FlowerWire]:
    """Open a run at SuperLink and hold its driver's seat.

    Parameters
    ----------
    place
        Of the SuperLink, which must be up.
    sites
        Name of each site and the key of its node, as OpenSSH writes it.

    Raises
    ------
    FederationRefused
        If SuperLink does not give the seat.
    """
    authority = place.authority.read_bytes()
    with _control(place, authority) as control:
        nodes = _registered(control, sites)
        run_id = _new_run(control, place.folder)
    token = _seat(place, authority, run_id)
    grid = HttpGrid(place.address, False, authority, token=token)
    heart = HeartbeatSender(make_task_heartbeat_fn_http(grid._runtime_client))
    given = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
    TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
    TaskIdentity.node_id = given.context.node_id
    grid.set_run(run_from_proto(given.run))
    heart.start()
    try:
        yield FlowerWire(grid, nodes)
    finally:
        heart.stop()
        with _control(place, authority) as control:
            control.StopRun(StopRunRequest(run_id=run_id))
        grid.close()


@contextmanager
def _control(place: Place, authority: bytes) -> Iterator[ControlHttpClient]:
    interceptors = [RuntimeVersionHttpInterceptor(component_name="flwr CLI")]
    client = ControlHttpClient.from_server_address(place.address, False, authority, interceptors)
    try:
        yield client
    finally:
        client.close()


def _registered(control: ControlHttpClient, sites: Mapping[str, str]) -> dict[int, str]:
    """Register the nodes that SuperLink does not know yet; return site by node id."""
    wanted = {node_public(key): site for site, key in sites.items()}
    known = {
        bytes(node.public_key): node.node_id for node in control.ListNodes(ListNodesRequest()).nodes_info
    }
    for public, site in wanted.items():
        if public not in known:
            made = control.RegisterNode(RegisterNodeRequest(public_key=public, name=site))
            known[public] = made.node_id
    return {known[public]: site for public, site in wanted.items()}


def node_public(key: str) -> bytes:
    """The public key of a node as SuperLink knows it (PEM).

    Raises
    ------
    FederationRefused
        If it is none.
    """
    try:
        return load_ssh_public_key(key.encode()).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    except ValueError as fault:
        remedy = "ask the site for its card.json again"
        raise FederationRefused("no key of a node", "an OpenSSH public key", remedy) from fault


def _new_run(control: ControlHttpClient, folder: Path) -> int:
    """Stop the run of a former process and open a new one."""
    kept = folder / "run.txt"
    if kept.exists():
        _quietly(control.StopRun, StopRunRequest(run_id=int(kept.read_text())))
    app = folder / "app"
    app.mkdir(parents=True, exist_ok=True)
    (app / "pyproject.toml").write_text(_APP)
    (app / "nothing.py").write_text("app = None\n")
    bundle = build_fab_from_disk(app)
    fab = Fab(hashlib.sha256(bundle).hexdigest(), bundle, {})
    made = control.StartRun(StartRunRequest(fab=fab_to_proto(fab)))
    kept.write_text(str(made.run_id))
    return int(made.run_id)


def _seat(place: Place, authority: bytes, run_id: int) -> str:
    """Take the driver's seat of a run; it costs the secret that only coordinator and SuperLink know."""
    interceptors = [
        RuntimeVersionHttpInterceptor(component_name="SuperExec"),
        SuperExecAuthHttpInterceptor(
            master_secret=place.secret, protected_methods={"/flwr.proto.Runtime/AcquireTask"}
        ),
    ]
    client = RuntimeHttpClient.from_server_address(place.address, False, authority, interceptors)
    try:
        for _ in range(60):
            got = client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
            if got.token and got.task.run_id == run_id:
                return str(got.token)
            time.sleep(0.2)
    finally:
        client.close()
    raise FederationRefused("no driver's seat", "the seat of the new run", "see superlink.log", place.address)


def _quietly(call: Any, request: Any) -> None:
    try:
        call(request)
    except httpx.HTTPError:  # the run has ended already
        return


def keep_nodes(folder: Path, nodes: Mapping[int, str]) -> None:
    """Keep which node is whose, for those who look at SuperLink's own lists."""
    write_json(folder / "nodes.json", {site: str(node) for node, site in nodes.items()})
