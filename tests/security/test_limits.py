"""Requests that are too large, too deep or too many: refused, cheaply, and without a fault of ours."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import httpx
import pytest
from identity_site import PASSWORD
from page_site import new_key

from coread.gateways.pages.routes import Form

UID = "1.2.1"
MB = 1 << 20


def posted(visitor, path: str, content: bytes, method: str = "POST", **headers: str) -> httpx.Response:
    given = {"X-CSRF-Token": visitor.csrf, "Content-Type": "application/json"} | headers
    return visitor.client.request(method, path, content=content, headers=given)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/views"), ("PUT", f"/api/v1/studies/{UID}/draft"), ("POST", "/api/v1/login"),
        ("POST", "/login"), ("POST", "/language"), ("POST", "/account/password"), ("POST", "/api/v1/nothing"),
        ("POST", "/fhir/Patient/_search"),
    ],
)  # fmt: skip
def test_a_large_body_is_not_read_to_its_end(doctor, method, path):
    sent = 0

    def endless():
        nonlocal sent
        for _ in range(64):
            sent += MB
            yield b"a" * MB

    for kind in ("application/json", "application/x-www-form-urlencoded"):
        sent = 0
        headers = {"X-CSRF-Token": doctor.csrf, "Content-Type": kind}
        try:
            answer = doctor.client.request(method, path, content=endless(), headers=headers)
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            continue  # the server hung up, which is right too
        assert answer.status_code in {400, 401, 403, 404, 405, 413}, f"{path} {answer.status_code}"


BOMBS = {
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep inside": b'{"sections":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "NaN": b'{"revision": NaN, "key": "a-long-enough-key"}',
    "infinity": b'{"revision": Infinity, "confidence": -Infinity}',
    "large number": b'{"revision": ' + b"9" * 100_000 + b"}",
    "large exponent": b'{"revision": 1e999999, "confidence": 1e-999999}',
    "many keys": json.dumps({f"key{n}": n for n in range(80_000)}).encode(),
    "many sections": json.dumps({"sections": [{"name": "a", "text": ""}] * 50_000}).encode(),
    "same key": b'{"revision": 1, "revision": 2, "key": "a", "key": "b"}',
    "no object": b'"text"',
    "null": b"null",
    "nothing": b"",
    "half": b'{"revision": 1',
    "two": b"{}{}",
    "utf-16": '{"revision": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"revision": 1}',
    "long text": json.dumps({"text": "a" * MB, "name": "a" * MB}).encode()[: 2 * MB - 10] + b'"}',
}


@pytest.mark.parametrize("kind", BOMBS)
def test_no_json_breaks_or_holds_up_the_service(doctor, kind):
    for method, path in (
        ("POST", f"/api/v1/studies/{UID}/impression"), ("POST", f"/api/v1/studies/{UID}/statements"),
        ("PUT", f"/api/v1/studies/{UID}/draft"), ("POST", "/api/v1/views"), ("POST", "/api/v1/login"),
        ("DELETE", "/api/v1/phrases"),
    ):  # fmt: skip
        began = time.monotonic()
        answer = posted(doctor, path, BOMBS[kind], method)
        assert 400 <= answer.status_code < 500, f"{path}: {answer.status_code} {answer.text[:200]}"
        assert time.monotonic() - began < 5
    assert doctor.get("/api/v1/session").status_code == 200


VALUES = (
    None,
    True,
    -1,
    0,
    1.5,
    2**63,
    -(2**63),
    "",
    "x",
    "1",
    [],
    [[]],
    {},
    {"a": {}},
    ["x"] * 300,
    "a" * 30_000,
)
_FIELDS = (
    "revision", "key", "verdict", "statement", "reason", "comment", "active_s", "shown", "nudge", "code",
    "is_abnormal", "confidence", "text", "presence", "site", "sop_instance_uid", "frame", "boxes", "outline",
    "measurements", "template", "language", "sections", "password", "totp", "on", "colleague_id", "question",
    "name", "query", "section", "id", "login",
)  # fmt: skip


@pytest.mark.parametrize("place", range(len(VALUES)))
def test_no_value_of_any_member_is_a_fault_of_ours(site, guesser, place):
    """Each address that takes JSON, with each member in turn being what it should not be."""
    value = VALUES[place]
    finding = guesser.review(UID)["findings"][0]["finding_uid"]
    for address in (*site.pages.table(), *site.identity.table()):
        if address.form is not Form.DATA or address.method == "GET":
            continue
        path = (
            address.path.replace("{study_uid}", UID)
            .replace("{finding_uid}", finding)
            .replace("{question_id}", "q")
        )
        whole = {"revision": guesser.review(UID)["revision"], "key": new_key()}
        for body in ({**dict.fromkeys(_FIELDS, value), **whole}, dict.fromkeys(_FIELDS, value)):
            answer = guesser.send(address.method, path, body)
            assert answer.status_code < 500, f"{address.method} {path} {value!r:.40}: {answer.text[:300]}"
    guesser.send("DELETE", f"/api/v1/studies/{UID}/lock")


def test_a_form_of_many_fields_is_refused(doctor):
    body = "&".join(f"a{n}=1" for n in range(100_000))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/language", "/account/language", "/logout"):
        answer = doctor.client.post(path, content=f"csrf={doctor.csrf}&{body}", headers=headers)
        assert answer.status_code in {400, 403, 413}, f"{path} {answer.status_code}"


def test_a_long_address_and_many_headers_are_refused(raw):
    told = raw("GET", "/?q=" + "a" * 100_000)
    assert told.status in {400, 414, 431, 303}
    assert len(told.headers.get("location", "")) < 4000
    with contextlib.suppress(ConnectionError):  # the server may hang up while the rest is still coming
        assert raw("GET", "/login", {f"X-{n}": "a" * 1000 for n in range(400)}).status in {400, 431}
    assert raw("GET", "/login", {"Cookie": "a=b; " * 5000}).status < 500


@pytest.mark.parametrize(
    "query",
    [
        "from=99999999999999999999", "from=-1", "from=1e9", "q=" + "a" * 3000, "state=" + "x," * 1000,
        "modality=XX",
        "view=" + "%00" * 50, "&".join(f"a{n}=b" for n in range(2000)), "q=%FF%FE", "unread=1&unread=2",
    ],
)  # fmt: skip
def test_no_query_is_a_fault_of_ours(doctor, query):
    for path in (
        "/", "/worklist/rows", "/api/v1/worklist", f"/api/v1/studies/{UID}/draft", "/api/v1/phrases",
        f"/api/v1/studies/{UID}/review", f"/dicomweb/studies/{UID}/metadata", "/dicomweb/studies",
    ):  # fmt: skip
        assert doctor.get(f"{path}?{query}").status_code < 500, path


def test_one_request_is_one_request(site):
    """A body whose length is told twice and differently is refused: nothing hides behind it."""
    site.client()
    smuggled = b"GET /api/v1/worklist HTTP/1.1\r\nHost: localhost\r\n\r\n"
    heads = (
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5\r\n 6\r\n",
    )
    for head in heads:
        with socket.create_connection(("127.0.0.1", site.server.port), timeout=10) as wire:
            wire.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n0\r\n\r\n" + smuggled)
            wire.settimeout(3)
            told = b""
            try:
                while part := wire.recv(65536):
                    told += part
            except TimeoutError:
                pass
        assert told.count(b"HTTP/1.1 ") <= 2, told[:300]
        assert b"entries" not in told
        statuses = [int(line.split()[1]) for line in told.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert statuses, head
        assert set(statuses) <= {400, 401, 403, 413, 501}, (head, statuses)


def test_a_store_request_beyond_the_limit_is_refused(tmp_path):
    from page_site import page_site  # noqa: PLC0415 - a site of its own, with a small limit

    from coread.domain.person import Role  # noqa: PLC0415
    from coread.gateways.reading_room import ReadingRoom  # noqa: PLC0415
    from coread.gateways.web import WebOptions, web_app  # noqa: PLC0415

    with page_site(tmp_path) as site:
        site.app = web_app(site, WebOptions(max_body_bytes=MB), ReadingRoom(site.pages, site.identity))
        site.add("keeper", Role.ENGINEER)
        keeper = site.enter("keeper")
        kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
        part = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + b"a" * (2 * MB) + b"\r\n--b--\r\n"
        try:
            answer = posted(keeper, "/dicomweb/studies", part, **kind)
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            return
        assert answer.status_code == 413


def test_guessing_is_slowed_however_it_is_done(tmp_path):
    """By page, by interface, by signature: failures of one address or login add up."""
    from page_site import page_site  # noqa: PLC0415 - a site of its own: its doctors end locked out

    with page_site(tmp_path) as site:
        site.add("one")
        uid = site.room.study(1)
        visitor = site.enter("one")
        revision = visitor.drafted(uid)["revision"]
        statuses = []
        for attempt in range(40):
            body = {"password": f"guess {attempt} of a signature", "revision": revision, "key": new_key()}
            statuses.append(visitor.send("POST", f"/api/v1/studies/{uid}/sign", body).status_code)
        assert set(statuses) == {401, 429}
        assert statuses[-1] == 429
        answer = visitor.act("POST", uid, "sign", revision=revision, password=PASSWORD)
        assert answer.status_code == 429, "a locked login signs nothing, even with the right password"
        assert int(answer.headers["retry-after"]) > 0
        other = site.client()
        assert other.post("/api/v1/login", json={"login": "one", "password": PASSWORD}).status_code == 429
        assert visitor.review(uid)["reports"] == []
