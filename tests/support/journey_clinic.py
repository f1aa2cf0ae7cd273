"""A whole clinic with its doors open, a PACS and a record system behind it, for journeys of people."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pydicom
from journey_records import RecordSystem
from real_files import real_file

from coread.clinic import Clinic, now
from coread.dicom import open_object
from coread.domain.identity import derive_uid
from coread.domain.person import Person, Role
from coread.gateways.dimse import Peer, send_store
from coread.gateways.doors import Doors
from coread.settings import Settings
from coread.testing.nodules import DrawnNodule, nodule_series
from coread.testing.patients import chest_radiograph

PASSWORD = "quiet river under seven bridges"

#: Who works in the clinic, and when it shows what readers say: everywhere at once, but in three houses.
BLIND, SECOND, TRIAGE = "Blind First Hospital", "Second Reader Hospital", "Triage Hospital"

_RULES = """
[[rule]]
name = "real radiographs"
owner = "the tests"
comment = "The real reader beside a simple one."
when = { Modality = ["CR"] }
readers = ["chest-radiograph", "example-brightness"]
destinations = ["pacs", "records"]

[[rule]]
name = "drawn radiographs"
owner = "the tests"
comment = "One that answers, one that abstains, one that breaks."
when = { Modality = ["DX"] }
readers = ["example-brightness", "example-unsure", "example-fails"]
destinations = ["pacs", "records"]

[[rule]]
name = "drawn CT"
owner = "the tests"
comment = "Read by nobody unless a doctor asks."
when = { Modality = ["CT"] }
readers = []
destinations = ["pacs", "records"]

[fallback]
readers = []
"""

_ENTRY_POINTS = """[coread.readers]
example-brightness = coread.testing.readers:brightness
example-unsure = coread.testing.readers:unsure
example-fails = coread.testing.readers:fails
example-growing = coread.testing.growing:growing
"""


class JourneyClinic:
    """The open clinic with shortcuts for tests.

    Parameters
    ----------
    doors
        Open.
    pacs_url
        Web address of the Orthanc that results are sent to; empty where there is none.
    records
        The record system.
    """

    def __init__(self, doors: Doors, pacs_url: str, records: RecordSystem | None) -> None:
        self.doors = doors
        self.pacs_url = pacs_url
        self.records = records
        self._studies = 0

    @property
    def clinic(self) -> Clinic:
        return self.doors.clinic

    @cached_property
    def url(self) -> str:
        assert self.doors.web
        return self.doors.web.url.replace("127.0.0.1", "localhost")

    def add(self, login: str, name: str, *roles: Role, language: str | None = None) -> Person:
        """Add a person with `PASSWORD`."""
        person = self.clinic.people.add(
            login, name, roles or [Role.DOCTOR], PASSWORD, by="person:test", at=now(), is_temporary=False
        )
        if language:
            self.clinic.people.set_language(person.id, language)
        return person

    # ---------- images ----------

    def send(self, *images: bytes) -> None:
        """Send images by C-STORE, as a scanner does."""
        peer = Peer("127.0.0.1", self.doors.dicom_port, "COREAD", calling_ae_title="MODALITY")
        send_store(peer, images)

    def drawn(self, images: int = 1, *, is_awaited: bool = True, **facts: Any) -> str:
        """Send a drawn chest of so many images; return the study's UID once it is read."""
        self._studies += 1
        uid = derive_uid("journey", self.url, str(self._studies))
        self.send(*(self.image(uid, number, **facts) for number in range(1, images + 1)))
        if is_awaited:
            self.wait_read(uid)
        return uid

    def nodule(self, nodule: DrawnNodule, **facts: Any) -> str:
        """Send a CT with a drawn nodule; return the study's UID once it is complete."""
        self._studies += 1
        told = {"PatientID": f"N-{self._studies:04d}", "StudyDate": "20260724", "PatientAge": "061Y"}
        slices = nodule_series(nodule, self._studies, told | facts)
        self.send(*slices)
        uid = str(open_object(slices[0]).header.ref.study_instance_uid)
        self.wait_read(uid)
        return uid

    def image(self, uid: str, number: int = 1, transfer_syntax_uid: str = "", **facts: Any) -> bytes:
        """Make one image of a drawn study."""
        told = {
            "InstanceNumber": str(number),
            "PatientID": f"J-{uid[-6:]}",
            "StudyDescription": "Chest PA",
            "StudyDate": "20260724",
            "InstitutionName": "General Hospital",
        }
        coded = {"transfer_syntax_uid": transfer_syntax_uid} if transfer_syntax_uid else {}
        return chest_radiograph(
            number, size_px=256, facts=told | facts, study_uid=uid,
            series_uid=f"{uid}.1", sop_uid=f"{uid}.1.{number}", **coded,
        )  # fmt: skip

    def real(self, file: str = "RG1_J2KR.dcm", **facts: Any) -> str:
        """Send a real radiograph of pydicom-data as a new study; return its UID once it is read."""
        self._studies += 1
        dataset = pydicom.dcmread(real_file(file))
        dataset.SpecificCharacterSet = "ISO_IR 192"
        uid = derive_uid("journey", self.url, str(self._studies))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (
            uid,
            f"{uid}.1",
            f"{uid}.1.1",
        )
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        for keyword, value in facts.items():
            setattr(dataset, keyword, value)
        written = io.BytesIO()
        dataset.save_as(written, enforce_file_format=True)
        self.send(written.getvalue())
        self.wait_read(uid)
        return uid

    # ---------- what became of them ----------

    def kinds(self, uid: str) -> list[str]:
        """Return the kinds of a study's events."""
        return [record.event.kind for record in self.clinic.ledger.events(subject=uid, limit=10_000)]

    def wait_read(self, uid: str, version: int = 1) -> None:
        """Wait until every reader had its turn on a version of the study."""
        wait_until(lambda: self.kinds(uid).count("study.read") >= version, f"reading {version} of {uid}")

    def wait_published(self, uid: str, reports: int = 1) -> None:
        """Wait until so many signed reports have gone out to everybody."""
        wait_until(lambda: self.kinds(uid).count("report.published") >= reports, f"report {reports} of {uid}")
        wait_until(lambda: not self._waiting(uid), f"deliveries of {uid}")

    def _waiting(self, uid: str) -> list[str]:
        return [one.id for one in self.clinic.deliveries.of_study(uid) if str(one.state) != "delivered"]

    def at_pacs(self, uid: str, modality: str) -> list[pydicom.Dataset]:
        """Return what the PACS has of a study in a modality, as it gives it back."""
        found = httpx.post(f"{self.pacs_url}/tools/lookup", content=uid, timeout=20).json()
        (study,) = (item["ID"] for item in found if item["Type"] == "Study")
        instances = httpx.get(f"{self.pacs_url}/studies/{study}/instances", timeout=20).json()
        objects = [self._fetched(instance["ID"]) for instance in instances]
        return [found for found in objects if found.Modality == modality]

    def _fetched(self, identifier: str) -> pydicom.Dataset:
        answer = httpx.get(f"{self.pacs_url}/instances/{identifier}/file", timeout=20)
        return pydicom.dcmread(io.BytesIO(answer.content))


def wait_until(holds: Callable[[], object], what: str = "", timeout_s: float = 40) -> None:
    """Wait, and fail after a while."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, f"waited in vain: {what}"
        time.sleep(0.05)


def add_example_readers(folder: Path) -> str:
    """Install the example readers as a plug-in is installed; return the folder to put on the path."""
    made = folder / "plug-ins" / "coread_examples-1.0.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: coread-examples\nVersion: 1.0.0\n")
    (made / "entry_points.txt").write_text(_ENTRY_POINTS)
    return str(made.parent)


@contextmanager
def journey_clinic(
    folder: Path,
    pacs: tuple[str, int] | None = None,
    records: RecordSystem | None = None,
    rules: str = "",
    has_examples: bool = True,
    **settings: Mapping[str, Any],
) -> Iterator[JourneyClinic]:
    """Open a clinic that knows the example readers and sends to a PACS and a record system.

    Parameters
    ----------
    folder
        Where it keeps everything.
    pacs
        Web address and DICOM port of an Orthanc.
    records
        A record system.
    rules
        Other rules of routing than those here.
    has_examples
        Whether the example readers are installed.
    **settings
        Tables of settings that differ from those here.
    """
    destinations = []
    if pacs:
        destinations.append(
            {"name": "pacs", "kind": "dimse", "host": "127.0.0.1", "port": pacs[1], "ae_title": "ORTHANC"}
        )
    if records:
        destinations.append({"name": "records", "kind": "fhir", "url": records.url})
    names = [str(destination["name"]) for destination in destinations]
    told = (rules or _RULES).replace('["pacs", "records"]', json.dumps(names))
    (folder / "rules.toml").write_text(told, encoding="utf-8")
    given: dict[str, Any] = {
        "data": {"folder": folder / "clinic"},
        "dimse": {"port": 0},
        "web": {"port": 0},
        "completeness": {"quiet_period_s": 0.3, "poll_interval_s": 0.25},
        "workflow": {"first_retry_s": 0.2},
        "routing": {"rules": folder / "rules.toml"},
        "review": {
            "nudge_rate": 0,
            "organisation": "Journey Hospital",
            "modes": [
                {"mode": "blind-first", "site": BLIND},
                {"mode": "second-reader", "site": SECOND},
                {"mode": "triage-only", "site": TRIAGE},
            ],
        },
        "destinations": destinations,
    }
    plug_ins = add_example_readers(folder) if has_examples else str(folder)
    with _on_the_path(plug_ins), Doors(Settings.model_validate(given | settings)) as doors:
        yield JourneyClinic(doors, pacs[0] if pacs else "", records)


@contextmanager
def _on_the_path(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
