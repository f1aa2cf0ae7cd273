"""The HTTP server: patient with nobody for ever, silent about values."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from coread.errors import SettingsFault
from coread.gateways.serving import PlainTracebacks, ServingLimits, WebServer

HURRIED = ServingLimits(
    max_connections=4, max_head_bytes=2000, head_s=0.5, stall_s=0.5, keep_alive_s=1, shutdown_s=1
)


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def endless(_request: Request) -> StreamingResponse:
    return StreamingResponse(b"x" * 65536 for _ in itertools.count())


def broken(_request: Request) -> PlainTextResponse:
    raise ValueError("CANARY^NAME")


@pytest.fixture(scope="module")
def server():
    routes = [
        Route("/echo", echo, methods=["GET", "POST"]),
        Route("/endless", endless),
        Route("/broken", broken),
    ]
    with WebServer(Starlette(routes=routes), limits=HURRIED) as running:
        yield running


def connect(server: WebServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def seconds_until_closed(peer: socket.socket) -> float:
    begin = time.monotonic()
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - begin


def test_it_answers_on_loopback_without_naming_itself(server):
    response = httpx.post(f"{server.url}/echo", content=b"123", trust_env=False)
    assert response.text == "3"
    assert "server" not in response.headers


def test_one_connection_serves_many_requests(server):
    with httpx.Client(trust_env=False) as client:
        for size in (0, 10, 300_000, 5):
            assert client.post(f"{server.url}/echo", content=b"x" * size).text == str(size)
            time.sleep(0.2)


def test_answers_do_not_wait_for_the_peers_acknowledgement(server):
    def request() -> float:
        begin = time.monotonic()
        assert client.get(f"{server.url}/echo").text == "0"
        return time.monotonic() - begin

    with httpx.Client(trust_env=False) as client:
        # Nagle's algorithm against a delayed acknowledgement would make each one 40 ms.
        assert sorted(request() for _ in range(20))[5] < 0.03


def test_a_peer_that_says_nothing_is_given_up(server):
    with connect(server) as peer:
        assert 0.3 < seconds_until_closed(peer) < 5


def test_headers_that_drip_are_given_up(server):
    begin = time.monotonic()
    with connect(server) as peer:
        peer.sendall(b"GET /echo HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begin < 8:
                peer.sendall(b"X: y\r\n")
                time.sleep(0.1)
    assert time.monotonic() - begin < 5


def test_second_headers_that_drip_are_given_up(server):
    with connect(server) as peer:
        peer.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(65536).startswith(b"HTTP/1.1 200")
        peer.sendall(b"GET /echo HT")
        assert seconds_until_closed(peer) < 5


def test_a_body_that_stalls_is_given_up(server):
    with connect(server) as peer:
        peer.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert 0.3 < seconds_until_closed(peer) < 5


def test_a_body_that_keeps_coming_is_not(server):
    with connect(server) as peer:
        peer.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(0.2)
            peer.sendall(b"x")
        assert b"200 OK" in peer.recv(65536)


def test_a_peer_that_does_not_read_is_given_up(server):
    with connect(server) as peer:
        peer.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2)
        assert not server._server.server_state.connections


def test_huge_headers_are_refused(server):
    with connect(server) as peer:
        peer.sendall(b"GET /echo HTTP/1.1\r\nX: " + b"y" * 5000)
        assert peer.recv(65536).startswith(b"HTTP/1.1 400")


def test_too_many_connections_are_told_so(server):
    peers = [connect(server) for _ in range(4)]
    try:
        time.sleep(0.1)
        assert httpx.get(f"{server.url}/echo", trust_env=False).status_code == 503
    finally:
        for peer in peers:
            peer.close()
    time.sleep(0.2)
    assert httpx.get(f"{server.url}/echo", trust_env=False).status_code == 200


def test_an_unforeseen_error_is_logged_without_its_values(server, caplog):
    with caplog.at_level(logging.INFO), caplog.at_level(logging.WARNING, "httpx"):
        response = httpx.get(f"{server.url}/broken?PatientName=CANARY", trust_env=False)
        time.sleep(0.3)  # the log is written after the answer
    assert response.status_code == 500
    assert "ValueError" in caplog.text
    assert "test_web_serving.py" in caplog.text
    assert "CANARY" not in caplog.text.replace('raise ValueError("CANARY^NAME")', "")


def test_the_filter_leaves_other_records_alone():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "plain %s", ("words",), None)
    assert PlainTracebacks().filter(record)
    assert record.getMessage() == "plain words"


def test_a_taken_port_is_told(server):
    with pytest.raises(SettingsFault, match="cannot be listened on"):
        WebServer(Starlette(), port=server.port)


def test_it_can_be_stopped_before_it_was_started():
    WebServer(Starlette()).stop()


def test_the_address_of_ipv6_loopback_is_written_with_brackets():
    server = WebServer(Starlette(), host="::1")
    server.stop()
    assert server.url == f"http://[::1]:{server.port}"
