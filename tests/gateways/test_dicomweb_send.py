"""Sending by STOW-RS: never a false success, and the right word for each failure."""

from __future__ import annotations

import json
import time

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from coread.archive import Query
from coread.errors import DestinationRefused, DestinationUnreachable
from coread.gateways.dicomweb import send_stow
from coread.gateways.outgoing import Access
from coread.gateways.serving import WebServer
from coread.testing import patients


def sequence(tag: str, *items: dict) -> dict:
    return {tag: {"vr": "SQ", "Value": list(items)}}


def failure(reason: int) -> dict:
    return {"00081197": {"vr": "US", "Value": [reason]}}


STORED = {"00081155": {"vr": "UI", "Value": ["1.2.3"]}}


class Peer:
    """A real server that answers as it is told."""

    def __init__(self) -> None:
        self.status, self.body, self.seen, self.delay_s = 200, "", [], 0.0
        self.encoding = ""

    async def answer(self, request: Request) -> Response:
        self.seen.append((request.headers, await request.body()))
        time.sleep(self.delay_s)
        if self.status == 302:
            return RedirectResponse("http://127.0.0.1:1/")
        headers = {"Content-Encoding": self.encoding} if self.encoding else {}
        return Response(self.body or " ", self.status, headers, media_type="application/dicom+json")


@pytest.fixture
def peer():
    peer = Peer()
    with WebServer(Starlette(routes=[Route("/web/studies", peer.answer, methods=["POST"])])) as server:
        peer.url = f"{server.url}/web"
        yield peer


def test_our_own_server_takes_what_our_client_sends(site, rooms):
    objects = [patients.ct_slice(1, position=i) for i in range(5)]
    url = f"{str(site.base_url).rstrip('/')}/dicomweb"
    send_stow(url, objects)
    send_stow(url, objects)
    assert len(rooms.archive.find_instances(Query())) == 5


def test_our_own_servers_refusals_are_understood(site):
    with pytest.raises(DestinationRefused, match="1 of 2 objects failed, reason 0xC000"):
        send_stow(f"{str(site.base_url).rstrip('/')}/dicomweb/", [patients.ct_slice(), b"no object"])


def test_nothing_to_send_is_sent_to_nobody():
    send_stow("http://127.0.0.1:1", [])


def test_headers_and_length_are_told(peer):
    peer.body = json.dumps(sequence("00081199", STORED))
    send_stow(peer.url, [b"DICM"], Access(headers={"Authorization": "Bearer x"}))
    headers, body = peer.seen[0]
    assert headers["authorization"] == "Bearer x"
    assert int(headers["content-length"]) == len(body)
    assert "python-httpx" in headers["user-agent"]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, sequence("00081199", STORED)),
        (200, [sequence("00081199", STORED)]),
        (202, sequence("00081199", STORED)),
    ],
)
def test_success_is_believed_where_it_is_told(peer, status, answer):
    peer.status, peer.body = status, json.dumps(answer)
    send_stow(peer.url, [b"DICM"])


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, ""),
        (200, "<xml/>"),
        (200, "{}"),
        (200, "7"),
        (200, "[]"),
        (200, json.dumps(sequence("00081199"))),
        (200, json.dumps(sequence("00081198", failure(0xC000)))),
        (200, json.dumps(sequence("00081199", STORED) | sequence("0008119A", failure(0xA900)))),
        (202, json.dumps(sequence("00081198", failure(0x0110)) | sequence("00081199", STORED))),
        (200, json.dumps(sequence("00081198", {"00081197": {"vr": "US"}}))),
        (409, json.dumps(sequence("00081198", failure(0x0111)))),
        (204, ""),
        (302, ""),
        (400, "no"),
        (401, ""),
        (403, ""),
        (404, ""),
        (415, ""),
    ],
)
def test_anything_else_is_a_refusal(peer, status, answer):
    peer.status, peer.body = status, answer
    with pytest.raises(DestinationRefused) as caught:
        send_stow(peer.url, [b"DICM"])
    assert caught.value.where == peer.url.removesuffix("/web")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (429, ""),
        (408, ""),
        (500, ""),
        (503, ""),
        (507, ""),
        (409, json.dumps(sequence("00081198", failure(0xA700), failure(0xA701)))),
    ],
)
def test_what_may_pass_is_worth_another_try(peer, status, answer):
    peer.status, peer.body = status, answer
    with pytest.raises(DestinationUnreachable):
        send_stow(peer.url, [b"DICM"])


def test_nobody_there_is_worth_another_try(free_port):
    with pytest.raises(DestinationUnreachable, match="ConnectError"):
        send_stow(f"http://127.0.0.1:{free_port}", [b"DICM"])


def test_silence_is_worth_another_try(peer):
    peer.delay_s = 1
    with pytest.raises(DestinationUnreachable, match="Timeout"):
        send_stow(peer.url, [b"DICM"], Access(timeout_s=0.2))


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://host", "http://[::", "http://h\x00/", "", "http://user:secret@127.0.0.1:1/x"]
)
def test_an_address_that_cannot_be_used_is_refused(url):
    with pytest.raises(DestinationRefused) as caught:
        send_stow(url, [b"DICM"])
    assert "secret" not in str(caught.value)


def test_an_answer_that_cannot_be_decoded_is_refused(peer):
    peer.encoding, peer.body = "gzip", "this is no gzip"
    with pytest.raises(DestinationRefused, match="decoded"):
        send_stow(peer.url, [b"DICM"])


def test_an_endless_answer_is_refused(peer):
    peer.body = " " * (9 << 20)
    with pytest.raises(DestinationRefused, match="8 MiB"):
        send_stow(peer.url, [b"DICM"])


def test_the_environments_proxy_is_not_asked(peer, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    peer.body = json.dumps(sequence("00081199", STORED))
    send_stow(peer.url, [b"DICM"])
