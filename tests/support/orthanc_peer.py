"""A private Orthanc to send objects to, and to fetch them back from."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import time

import httpx
import pydicom
import pytest


def orthanc_server(tmp_path_factory):
    """Start a private Orthanc; yield its address and its DICOM port."""
    from_path = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if from_path is None:
        if os.environ.get("COREAD_REQUIRE_PEERS") == "1":
            pytest.fail("required here, but Orthanc is not installed")
        pytest.skip("Orthanc is not installed (see CONTRIBUTING.md for the Debian packages)")
    folder = tmp_path_factory.mktemp("orthanc")
    with socket.socket() as web, socket.socket() as dimse:
        web.bind(("127.0.0.1", 0))
        dimse.bind(("127.0.0.1", 0))
        ports = web.getsockname()[1], dimse.getsockname()[1]
    configuration = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "HttpPort": ports[0],
        "DicomPort": ports[1],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": False,
        "UnknownSopClassAccepted": True,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    server = subprocess.Popen(
        [from_path, str(folder / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{ports[0]}"
    try:
        _wait(address)
        yield address, ports[1]
    finally:
        server.terminate()
        server.wait(20)


def _wait(address):
    for _ in range(150):
        try:
            httpx.get(f"{address}/system", timeout=2).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail("Orthanc did not start within 30 s")


def sent_and_fetched(made, orthanc, tool, folder):
    """Send one object by C-STORE, fetch it back by its SOP Instance UID."""
    address, port = orthanc
    path = folder / "object.dcm"
    path.write_bytes(made.data)
    subprocess.run(
        [tool("storescu"), "-xf", _profile(folder, made), "Ours", "127.0.0.1", str(port), str(path)],
        check=True,
        capture_output=True,
    )
    (found,) = httpx.post(f"{address}/tools/lookup", content=made.id).json()
    kept = httpx.get(f"{address}{found['Path']}/file").content
    # The next variant of the same reading bears the same UID; Orthanc would keep the first.
    httpx.delete(f"{address}{found['Path']}").raise_for_status()
    return kept


def _profile(folder, made):
    """A storescu profile that proposes just this object's class."""
    sop_class = pydicom.dcmread(io.BytesIO(made.data), specific_tags=["SOPClassUID"]).SOPClassUID
    path = folder / "store.cfg"
    path.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LittleEndianExplicit\n"
        "[[PresentationContexts]]\n[Result]\n"
        f"PresentationContext1 = {sop_class}\\Plain\n"
        "[[Profiles]]\n[Ours]\nPresentationContexts = Result\n"
    )
    return str(path)


def dump(dataset):
    """Every element with its value, nested ones and pixel data included."""
    return {str(element.tag): (element.VR, element.value) for element in dataset}
