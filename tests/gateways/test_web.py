"""The HTTP service whole: health, guard, headers, faults."""

from __future__ import annotations

import httpx
import pytest

from coread.errors import LowDisk
from coread.gateways.serving import WebServer
from coread.gateways.web import WebOptions, web_app
from coread.testing import patients


def test_health_and_readiness(site, rooms, monkeypatch):
    assert site.get("/health").json() == {"status": "alive"}
    assert site.get("/ready").json() == {"status": "ready"}

    def no_room():
        raise LowDisk("3 bytes")

    monkeypatch.setattr(rooms.archive.store, "check_room", no_room)
    response = site.get("/ready")
    assert response.status_code == 507
    assert response.json()["number"] == 1301
    assert response.headers["retry-after"]


def test_faults_of_addresses_are_plain_json(site):
    response = site.get("/nothing")
    assert response.status_code == 404
    assert response.json()["number"] == 1401
    assert response.headers["cache-control"] == "no-store"
    assert "script-src" not in response.headers["content-security-policy"]
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]"])
def test_a_foreign_name_on_loopback_is_refused(site, host):
    response = site.get("/dicomweb/studies", headers={"Host": host})
    assert response.status_code == 403
    assert response.json()["number"] == 1901


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8042", "127.0.0.1", "[::1]:8042"])
def test_loopback_names_are_let_in(site, host):
    assert site.get("/health", headers={"Host": host}).status_code == 200


def test_names_and_origins_can_be_allowed(rooms):
    options = WebOptions(
        allowed_origins=("https://ohif.example",),
        allowed_hosts=("Clinic.example",),
        public_url="https://pacs.example/coread",
    )
    rooms.intake.accept_bytes(patients.ct_slice(study_uid="1.2"), "stow")
    with WebServer(web_app(rooms, options)) as server:
        for host in ("clinic.example", "pacs.example"):
            assert (
                httpx.get(f"{server.url}/health", headers={"Host": host}, trust_env=False).status_code == 200
            )
        origin = {"Origin": "https://ohif.example"}
        response = httpx.get(f"{server.url}/dicomweb/studies", headers=origin, trust_env=False)
        assert response.headers["access-control-allow-origin"] == "https://ohif.example"
        assert response.json()[0]["00081190"]["Value"] == ["https://pacs.example/coread/dicomweb/studies/1.2"]
        asked = origin | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "accept"}
        preflight = httpx.options(f"{server.url}/dicomweb/studies", headers=asked, trust_env=False)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://ohif.example"
        other = httpx.get(f"{server.url}/health", headers={"Origin": "https://evil.example"}, trust_env=False)
        assert "access-control-allow-origin" not in other.headers


def test_browsers_are_held_to_https_where_it_is_spoken(rooms, site):
    assert "strict-transport-security" not in site.get("/health").headers
    with WebServer(web_app(rooms, WebOptions(public_url="https://coread.example"))) as server:
        response = httpx.get(f"{server.url}/health", headers={"Host": "coread.example"}, trust_env=False)
    assert response.headers["strict-transport-security"] == "max-age=31536000"


def test_by_default_no_other_origin_may_read(site):
    response = site.get("/health", headers={"Origin": "https://ohif.example"})
    assert "access-control-allow-origin" not in response.headers
