"""A radiograph to read, and the judge of what is written."""

from __future__ import annotations

import subprocess

import pytest
from orthanc_peer import orthanc_server

from coread.dicom import open_object
from coread.testing.patients import chest_radiograph


@pytest.fixture
def radiograph():
    return open_object(chest_radiograph(size_px=64))


@pytest.fixture
def verdict(tool, tmp_path):
    """Give a function that asks dciodvfy and returns its errors and warnings."""
    program = tool("dciodvfy")

    def ask(data: bytes) -> tuple[list[str], list[str]]:
        path = tmp_path / "object.dcm"
        path.write_bytes(data)
        said = subprocess.run([program, str(path)], capture_output=True, check=False)
        lines = (said.stdout + said.stderr).decode("utf-8", "replace").splitlines()
        return [x for x in lines if x.startswith("Error")], [x for x in lines if x.startswith("Warning")]

    return ask


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory):
    """A private Orthanc; its address and its DICOM port."""
    yield from orthanc_server(tmp_path_factory)
