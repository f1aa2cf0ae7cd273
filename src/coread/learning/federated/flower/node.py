"""The site's node: it connects out to SuperLink, shows who it is, and lets the desk answer what it fetches.

It speaks to SuperLink as Flower's SuperNode does (same registration, same key, same messages) and leaves
out what a hospital cannot have: it listens on no port, and it neither fetches nor runs code that comes with
a run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    push_objects,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from coread.errors import FederationRefused
from coread.learning.federated.flower.fetching import fetched
from coread.learning.federated.flower.records import answer_to_record, record_to_order
from coread.learning.federated.orders import Answer, Order

Result = TypeVar("Result")

#: SuperLink takes a node for gone after twice this time without a sign of life (its least is 10 s).
HEARTBEAT_S = 10.0
_LONGEST_PAUSE_S = 2.0
_LET_IN_S = 60.0


@dataclass(frozen=True)
class Connection:
    """Where a site connects to, and as whom."""

    link: str
    authority: Path
    key: Path
    folder: Path


class SiteNode:
    """A connection to SuperLink.

    Parameters
    ----------
    connection
        Where to and as whom.
    tell
        Told of what happens on the way.
    """

    def __init__(self, connection: Connection, tell: Callable[[str], None] = lambda _: None) -> None:
        self._connection, self._tell = connection, tell
        private = load_ssh_private_key(connection.key.read_bytes(), None)
        self._public = private.public_key()
        self._client = FleetHttpClient.from_server_address(
            connection.link,
            False,
            connection.authority.read_bytes(),
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                NodeAuthHttpInterceptor(private, self._public),
            ],
        )
        self._node: Node | None = None
        self._ended = threading.Event()

    def serve(
        self, answer: Callable[[Order], Answer], ended: Callable[[], bool], poll_s: float = 0.3
    ) -> None:
        """Fetch orders and answer them until `ended` says so.

        Raises
        ------
        FederationRefused
            If the certificate does not hold, or SuperLink does not know this node.
        """
        try:
            self._join()
            threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
            while not ended():
                try:
                    if not self._one(answer):
                        time.sleep(poll_s)
                except httpx.TransportError as fault:
                    self._patient(fault)
                except (httpx.HTTPStatusError, ObjectPullError, ObjectPushError) as fault:
                    self._rejoin(fault)
        finally:
            self._ended.set()
            self._leave()

    def _one(self, answer: Callable[[Order], Answer]) -> bool:
        got = self._client.PullMessages(PullMessagesRequest(node=self._node))
        if not got.messages_list:
            return False
        proto, tree = got.messages_list[0], got.message_object_trees[0]
        message = self._fetched(message_from_proto(proto), tree)
        try:
            order = record_to_order(message.content)
        except ValueError as fault:
            self._tell(f"a message was dropped: {fault}")
            return True
        self._reply(message, answer(order))
        return True

    def _fetched(self, head: Message, tree: Any) -> Message:
        run_id = head.metadata.run_id
        pull = make_pull_object_fn_protobuf(self._client.PullObject, self._node, run_id)
        confirm = make_confirm_message_received_fn_protobuf(
            self._client.ConfirmMessageReceived, self._node, run_id
        )
        return fetched(tree, pull, confirm)

    def _reply(self, message: Message, answer: Answer) -> None:
        reply = Message(answer_to_record(answer), reply_to=message)
        reply.metadata.__dict__["_message_id"] = reply.object_id
        run_id = reply.metadata.run_id
        with no_object_id_recompute():
            tree, objects = get_object_tree(reply), get_all_nested_objects(reply)
            request = PushMessagesRequest(
                node=self._node,
                messages_list=[message_to_proto(remove_content_from_message(reply))],
                message_object_trees=[tree],
                clientapp_runtime_list=[0.0],
            )
            got = self._persistently(lambda: self._client.PushMessages(request))
            push = make_push_object_fn_protobuf(
                lambda one: self._persistently(lambda: self._client.PushObject(one)),
                self._node,
                run_id,
                got.session_id,
            )
            push_objects(objects, push, object_ids_to_push=set(got.objects_to_push))

    def _persistently(self, call: Callable[[], Result]) -> Result:
        """Call again while there is no connection: what was trained is not thrown away for that."""
        while True:
            try:
                return call()
            except httpx.TransportError as fault:
                self._patient(fault)

    def _patient(self, fault: httpx.TransportError) -> None:
        _demand_certificate(fault, self._connection.link)
        self._tell("no connection to the coordinator; trying again")
        time.sleep(1.0)

    def _join(self) -> None:
        """Connect. A node that was killed is still taken for connected: it says goodbye for it first."""
        kept = self._connection.folder / "node-id.txt"
        if kept.exists():
            self._goodbye(int(kept.read_text()))
        pause, begun = 0.2, time.monotonic()
        while True:
            try:
                self._node = Node(node_id=self._activated())
                kept.write_text(str(self._node.node_id))
                self._tell(f"connected to {self._connection.link}")
                return
            except httpx.TransportError as fault:
                _demand_certificate(fault, self._connection.link)
                self._tell("the coordinator is not there; trying again")
                begun = time.monotonic()
            except httpx.HTTPStatusError as fault:
                _demand_let_in(fault, time.monotonic() - begun)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _activated(self) -> int:
        from flwr.supercore.primitives.asymmetric import public_key_to_bytes  # noqa: PLC0415

        request = ActivateNodeRequest(
            public_key=public_key_to_bytes(self._public), heartbeat_interval=HEARTBEAT_S
        )
        return int(self._client.ActivateNode(request).node_id)

    def _rejoin(self, fault: Exception) -> None:
        """A run that has ended, or a SuperLink that forgot us: drop what was in hand and connect again."""
        if (
            isinstance(fault, httpx.HTTPStatusError)
            and fault.response.status_code == httpx.codes.UNAUTHORIZED
        ):
            self._tell("the coordinator no longer knows this connection; connecting again")
            self._join()
            return
        self._tell(f"an order was dropped: {type(fault).__name__}")
        time.sleep(0.5)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S / 2.5):
            try:
                self._client.SendNodeHeartbeat(
                    SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_S)
                )
            except (httpx.HTTPError, RuntimeError):  # the next one, or the main loop, will see
                continue

    def _leave(self) -> None:
        if self._node is not None:
            self._goodbye(self._node.node_id)
        self._client.close()

    def _goodbye(self, node_id: int) -> None:
        try:
            self._client.DeactivateNode(DeactivateNodeRequest(node_id=node_id))
        except (httpx.HTTPError, RuntimeError):
            return


def _demand_certificate(fault: httpx.TransportError, link: str) -> None:
    if "certificate" in str(fault).lower():
        found = "a coordinator whose certificate does not hold"
        remedy = "check address and authority with the coordinator's people; nothing was sent"
        raise FederationRefused(found, "a certificate of the authority in site.json", remedy, link) from fault


def _demand_let_in(fault: httpx.HTTPStatusError, asking_s: float) -> None:
    """Give up where SuperLink goes on not letting this node in.

    It says the same of a node that it does not know (yet) and of one whose former process it still takes for
    connected: so the node asks for a while.
    """
    text = fault.response.text
    if "ersion" in text:
        remedy = "install the version of the lab that the coordinator uses"
        raise FederationRefused("another version of Flower", "the coordinator's", remedy, "") from fault
    if asking_s > _LET_IN_S and fault.response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
        found = f"a coordinator that does not let this node in ({fault.response.status_code})"
        remedy = "send card.json to the coordinator, who enrols the site; then start again"
        raise FederationRefused(found, "a registered node", remedy, "") from fault
