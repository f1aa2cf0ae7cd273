"""Orthanc as the other side: it takes what we send, sends to us, and fetches from us."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from coread.archive import Query
from coread.dicom import data_set_offset
from coread.errors import DestinationRefused
from coread.gateways.dicomweb import send_stow
from coread.testing import patients

pytestmark = pytest.mark.peer

STUDY = "1.2.826.1"
PLUGINS = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def data_set(data: bytes) -> bytes:
    return data[data_set_offset(data) :]


@pytest.fixture
def orthanc(tool, tmp_path, free_port, site):
    """A private Orthanc whose plug-in knows our service as the server ``coread``."""
    program = tool("Orthanc")
    if not PLUGINS.is_file():
        tool("orthanc-dicomweb")
    configuration = {
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "HttpPort": free_port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGINS)],
        "DicomWeb": {"Servers": {"coread": [f"{str(site.base_url).rstrip('/')}/dicomweb/"]}},
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(configuration))
    server = subprocess.Popen(
        [program, str(tmp_path / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{free_port}", trust_env=False, timeout=60)
    try:
        wait_for(client)
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait(30)


def wait_for(client: httpx.Client) -> None:
    for _ in range(300):
        try:
            client.get("/system").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("Orthanc did not start")


def files_in(orthanc: httpx.Client) -> list[bytes]:
    return [orthanc.get(f"/instances/{name}/file").content for name in orthanc.get("/instances").json()]


def test_orthanc_takes_what_we_send(orthanc):
    sent = [patients.ct_slice(1, position=i, study_uid=STUDY) for i in range(3)]
    sent.append(patients.text_report(1, study_uid=STUDY))
    url = f"{orthanc.base_url}/dicom-web"
    send_stow(url, sent)
    send_stow(url, sent)
    assert sorted(map(data_set, files_in(orthanc))) == sorted(map(data_set, sent))


def test_what_orthanc_refuses_is_no_success(orthanc):
    with pytest.raises(DestinationRefused):
        send_stow(f"{orthanc.base_url}/dicom-web", [patients.ct_slice(), b"no object"])


def test_orthanc_sends_to_us_and_fetches_from_us(orthanc, rooms):
    sent = [patients.ct_slice(2, position=i, study_uid=STUDY) for i in range(3)]
    for data in sent:
        orthanc.post("/instances", content=data).raise_for_status()
    (study,) = orthanc.get("/studies").json()
    stored = orthanc.post("/dicom-web/servers/coread/stow", json={"Resources": [study], "Synchronous": True})
    assert stored.status_code == 200, stored.text
    kept = [rooms.archive.read(row["SOPInstanceUID"]) for row in rooms.archive.find_instances(Query())]
    assert sorted(map(data_set, kept)) == sorted(map(data_set, sent))

    asked = {"Uri": "/studies", "Arguments": {"StudyInstanceUID": STUDY}}
    found = orthanc.post("/dicom-web/servers/coread/get", json=asked)
    assert found.status_code == 200, found.text
    assert found.json()[0]["0020000D"]["Value"] == [STUDY]

    orthanc.delete(f"/studies/{study}").raise_for_status()
    asked = {"Resources": [{"Study": STUDY}], "Synchronous": True}
    fetched = orthanc.post("/dicom-web/servers/coread/retrieve", json=asked)
    assert fetched.status_code == 200, fetched.text
    assert sorted(map(data_set, files_in(orthanc))) == sorted(map(data_set, sent))
