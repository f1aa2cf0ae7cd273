"""The HTTP service whole: health, guard, headers, the page."""

from __future__ import annotations

import re

import httpx
import numpy as np
import pytest

from coread.domain import codes
from coread.domain.finding import Box, Confidence, Finding, HeatMap, Presence
from coread.domain.reading import Outcome, ReaderIdentity, Reading, Reason
from coread.errors import LowDisk
from coread.gateways.serving import WebServer
from coread.gateways.web import WebOptions, web_app
from coread.testing import patients

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
READER = ReaderIdentity("chest-radiograph", "1.0", "CoRead", "00")


def reading(instance, outcome=Outcome.FINDINGS, reader=READER, text="") -> Reading:
    ref = instance.ref
    findings = (
        Finding(
            codes.CONSOLIDATION,
            Presence.PRESENT,
            Confidence(0.91, 0.85, 0.95),
            ref,
            None,
            "1.2.3",
            "Consolidation 1",
            heat_map=HeatMap(np.ones((2, 2), np.float32), Box(0, 0, 64, 64)),
        ),
    )
    reason = None if outcome is Outcome.FINDINGS else Reason("why", text, "原因")
    return Reading(
        ref.study_instance_uid, 1, reader, outcome, (ref,), findings if reason is None else (), reason
    )


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


def test_the_page_tells_of_studies_and_readings(site, rooms):
    assert "No study has come yet" in site.get("/").text
    filed = rooms.intake.accept_bytes(patients.chest_radiograph(study_uid="1.2"), "stow")
    rooms.readings.save(reading(filed.instance))
    refusing = ReaderIdentity("other", "2", "CoRead", "11")
    rooms.readings.save(reading(filed.instance, Outcome.REFUSED, refusing, "This is no chest."))
    page = site.get("/").text
    assert "Lung consolidation" in page
    assert "probability 91% (95% interval 85% to 95%)" in page
    assert "chest-radiograph 1.0: findings" in page
    assert "This is no chest." in page
    assert "原因" in page
    for target in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert site.get(target).status_code == 200, target


def test_script_in_dicom_strings_is_harmless(site, rooms):
    facts = dict.fromkeys(("PatientName", "PatientID", "StudyDescription"), EVIL)
    filed = rooms.intake.accept_bytes(patients.chest_radiograph(study_uid="1.2", facts=facts), "stow")
    rooms.readings.save(reading(filed.instance, Outcome.FAILED, text=EVIL))
    response = site.get("/")
    assert "<script" not in response.text
    assert "<img src=x" not in response.text
    assert response.text.count("&lt;script&gt;") == 4
    assert "script-src" not in response.headers["content-security-policy"]
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["content-type"].startswith("text/html")


def test_earlier_studies_are_a_page_further(site, rooms):
    for number in range(27):
        rooms.intake.accept_bytes(patients.ct_slice(number, study_uid=f"1.2.{number + 1}"), "stow")
    first = site.get("/").text
    assert first.count("<tr>") == 26
    assert 'href="/?from=25"' in first
    assert site.get("/?from=25").text.count("<tr>") == 3
    assert site.get("/?from=nonsense").text == first


def test_faults_of_addresses_are_plain_json(site):
    response = site.get("/nothing")
    assert response.status_code == 404
    assert response.json()["number"] == 1401
    assert response.headers["cache-control"] == "no-store"


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


def test_by_default_no_other_origin_may_read(site):
    response = site.get("/health", headers={"Origin": "https://ohif.example"})
    assert "access-control-allow-origin" not in response.headers
