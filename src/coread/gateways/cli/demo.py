"""The demo: real images through a real clinic to a second system; then a table and a picture."""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from coread.clinic import Clinic, now
from coread.dicom import open_object, scan_header
from coread.domain.person import Role
from coread.domain.reading import Outcome, Reading
from coread.errors import NotFound
from coread.gateways import dimse
from coread.gateways.cli import screenshots
from coread.gateways.cli.opening import wide_console
from coread.gateways.doors import Doors
from coread.governance import generate_password
from coread.settings import Settings

_console = wide_console()

_QUIET_PERIOD_S = 0.5
_PATIENCE_S = 120.0
_LOGIN = "demo"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One real image of the package pydicom-data, and what must become of it."""

    file: str
    description: str
    expected: tuple[Outcome, ...]


# The chest radiograph must be read or, if the reader is not sure, abstained on; all others must be refused.
SPECIMENS = (
    Specimen("RG1_J2KR.dcm", "chest radiograph, CR, JPEG 2000", (Outcome.FINDINGS, Outcome.ABSTAINED)),
    Specimen("RG3_J2KR.dcm", "leg radiograph, CR, JPEG 2000", (Outcome.REFUSED,)),
    Specimen("693_UNCI.dcm", "head CT slice", (Outcome.REFUSED,)),
    Specimen("MR2_UNCI.dcm", "MR slice", (Outcome.REFUSED,)),
    Specimen("US1_J2KR.dcm", "ultrasound frame, JPEG 2000", (Outcome.REFUSED,)),
)

_RULES = """
# The demo shows every study to the reader, so that its gate can be seen at work.
[[rule]]
name = "everything"
owner = "the demo"
comment = "A hospital would send chest radiographs only; see docs/routing.md."
readers = ["chest-radiograph"]
destinations = ["pacs"]

[fallback]
readers = []
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one study."""

    specimen: Specimen
    reading: Reading
    seconds: float
    """From the end of the quiet period to the last result filed."""
    objects: tuple[str, ...]

    @property
    def is_as_expected(self) -> bool:
        """Whether the reading ended as it must."""
        return self.reading.outcome in self.specimen.expected


def add_to(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for what the demo leaves; emptied first.")] = Path(
        "demo-out"
    ),
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep the reading room open afterwards, until Ctrl-C.")
    ] = False,
    web_port: Annotated[int, typer.Option(help="TCP port of the reading room; 0: any free one.")] = 0,
) -> None:
    """Show the main job on real images, and leave the results where one can look at them."""
    if out.exists() and not (out / ".coread-demo").exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{out} holds other things; choose an empty folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / ".coread-demo").touch()
    images = [_specimen_path(specimen).read_bytes() for specimen in SPECIMENS]
    with _running(out, web_port) as (doors, pacs):
        login = _doctor(doors.clinic)
        with _progress() as progress:
            rows = _walk(doors, images, progress)
            arrived = _wait_for_delivery(doors.clinic, pacs.clinic, rows, progress)
            picture = _leave_results(out, doors.clinic, rows)
            shots = _photograph(doors, rows, login, out, progress)
        _tell(rows, arrived, doors.clinic.ledger.size(), picture, out)
        _tell_of_room(doors, login, shots, stay=stay)
        if stay:
            _wait_for_ctrl_c()
    if not all(row.is_as_expected for row in rows):
        raise typer.Exit(1)


def _specimen_path(specimen: Specimen) -> Path:
    spec = importlib.util.find_spec("data_store")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound(
            "no package pydicom-data", "the demo's images", 'run: pip install "coread[demo]"', "demo"
        )
    return Path(spec.submodule_search_locations[0]) / "data" / specimen.file


@contextmanager
def _running(out: Path, web_port: int) -> Iterator[tuple[Doors, Doors]]:
    """Open a second system that plays the hospital's PACS, and the clinic that sends to it."""
    with Doors(_pacs_settings(out / "pacs"), "gateway") as pacs:
        (out / "rules.toml").write_text(_RULES, encoding="utf-8")
        with Doors(_clinic_settings(out, pacs.dicom_port, web_port)) as doors:
            yield doors, pacs


def _pacs_settings(folder: Path) -> Settings:
    return Settings.model_validate(
        {"data": {"folder": folder}, "dimse": {"port": 0, "ae_title": "PACS"}, "web": {"port": 0}}
    )


def _clinic_settings(out: Path, pacs_port: int, web_port: int) -> Settings:
    pacs = {"name": "pacs", "kind": "dimse", "host": "127.0.0.1", "port": pacs_port, "ae_title": "PACS"}
    return Settings.model_validate(
        {
            "data": {"folder": out / "clinic"},
            "dimse": {"port": 0},
            "web": {"port": web_port},
            "completeness": {"quiet_period_s": _QUIET_PERIOD_S},
            "routing": {"rules": out / "rules.toml"},
            "destinations": [pacs],
        }
    )


def _doctor(clinic: Clinic) -> tuple[str, str]:
    """Make an account that may look at everything; return its login and password."""
    password = generate_password()
    clinic.people.add(_LOGIN, "Demo Doctor", list(Role), password, by="system", at=now(), is_temporary=False)
    return _LOGIN, password


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=_console, transient=True)


def _walk(doors: Doors, images: Sequence[bytes], progress: Progress) -> list[Row]:
    """Send every image by C-STORE, then wait for its reading."""
    task = progress.add_task("sending by C-STORE")
    peer = dimse.Peer("127.0.0.1", doors.dicom_port, "COREAD", calling_ae_title="MODALITY")
    dimse.send_store(peer, images)
    progress.update(task, description="reading")
    studies = [scan_header(data).ref.study_instance_uid for data in images]
    return [_row(doors.clinic, s, uid) for s, uid in zip(SPECIMENS, studies, strict=True)]


def _row(clinic: Clinic, specimen: Specimen, study_uid: str) -> Row:
    finished = _wait_for_event(clinic, study_uid, "study.read")
    complete = _wait_for_event(clinic, study_uid, "study.complete")
    readings = clinic.readings.of_study(study_uid)
    if not readings:
        raise NotFound("no reading", "one of chest-radiograph", "run: coread readers", specimen.description)
    objects = tuple(
        i.header.facts.get("Modality", "?")
        for i in clinic.archive.study(study_uid).instances
        if i.source.startswith("reader:")
    )
    return Row(specimen, readings[-1], (finished - complete).total_seconds(), objects)


def _photograph(
    doors: Doors, rows: Sequence[Row], login: tuple[str, str], out: Path, progress: Progress
) -> list[Path]:
    """Take pictures of the reading room, where there is a browser."""
    if screenshots.why_not() or doors.web is None:
        return []
    study = f"/studies/{rows[0].reading.study_instance_uid}"
    pictures = (
        screenshots.Picture("reading-list", "/", "main tbody tr"),
        screenshots.Picture("study", study, "#viewer:not([data-loading])"),
    )
    task = progress.add_task("taking pictures of the reading room", total=2 * len(pictures))
    return screenshots.take(
        doors.web.url, login, pictures, out / "screenshots", lambda: progress.advance(task)
    )


def _wait_for_ctrl_c() -> None:
    wanted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: wanted.set())
    while not wanted.wait(1):
        continue


def _wait_for_event(clinic: Clinic, study_uid: str, kind: str) -> datetime:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if found := clinic.ledger.events(subject=study_uid, kind=kind):
            return found[-1].event.at
        time.sleep(0.05)
    raise NotFound(
        f"no event {kind} after {_PATIENCE_S:.0f} s", "the study read", "look into the log", "demo"
    )


def _wait_for_delivery(clinic: Clinic, pacs: Clinic, rows: Sequence[Row], progress: Progress) -> int:
    """Wait until the second system holds every result, and count them there."""
    progress.add_task("delivering to the second system")
    until = time.monotonic() + _PATIENCE_S
    wanted = sum(len(row.objects) for row in rows)
    arrived = 0
    while arrived < wanted and time.monotonic() < until:
        arrived = sum(_kept(pacs, row.reading.study_instance_uid) for row in rows)
        time.sleep(0.05)
    return arrived


def _kept(clinic: Clinic, study_uid: str) -> int:
    try:
        return len(clinic.archive.study(study_uid).instances)
    except NotFound:
        return 0


def _leave_results(out: Path, clinic: Clinic, rows: Sequence[Row]) -> Path | None:
    """Copy what a person may want to look at: DICOM results, FHIR, and the picture."""
    picture = None
    for number, row in enumerate(rows, 1):
        folder = out / "results" / f"{number}-{row.specimen.file.removesuffix('.dcm')}"
        folder.mkdir(parents=True)
        for instance in clinic.archive.study(row.reading.study_instance_uid).instances:
            if not instance.source.startswith("reader:"):
                continue
            data = clinic.archive.read(instance.ref.sop_instance_uid)
            modality = instance.header.facts.get("Modality", "OT")
            (folder / f"{modality}-{instance.sha256[:8]}.dcm").write_bytes(data)
            if "SECONDARY" in instance.header.facts.get("ImageType", "") and picture is None:
                picture = out / "chest.png"
                picture.write_bytes(open_object(data).png(1))
        for text in clinic.resources.of_study(row.reading.study_instance_uid):
            resource = json.loads(text)
            name = f"{resource['resourceType']}-{resource['id'][:8]}.json"
            (folder / name).write_text(json.dumps(resource, indent=1, ensure_ascii=False), encoding="utf-8")
    return picture


def _tell(rows: Sequence[Row], arrived: int, events: int, picture: Path | None, out: Path) -> None:
    table = Table(title="CoRead 共读: what came in, what was said, what went out")
    for heading in ("study", "reader", "answer", "calibrated confidence, or why not", "s", "results"):
        table.add_column(heading, justify="right" if heading == "s" else "left")
    for row in rows:
        table.add_row(*_cells(row))
    _console.print(table)
    sent = sum(len(row.objects) for row in rows)
    _console.print(
        f"s: from complete to all results filed; the quiet period of {_QUIET_PERIOD_S} s is not counted.\n"
        f"{arrived} of {sent} result objects stand in the second system, sent by C-STORE. "
        f"{events} events are on record.\n"
        f"DICOM and FHIR results: {out / 'results'}\n"
        + (f"Picture: {picture}\n" if picture else "")
        + "Evidence: retrospective, public data; for research, not for diagnosis."
    )


def _tell_of_room(doors: Doors, login: tuple[str, str], shots: Sequence[Path], *, stay: bool) -> None:
    """Say where the reading room is and how to get in."""
    if shots:
        _console.print(f"Reading room: {len(shots)} pictures in {shots[0].parent}")
    else:
        _console.print(f"No pictures of the reading room: {screenshots.why_not()}.")
    name, password = login
    if stay and doors.web:
        _console.print(f"Reading room: {doors.web.url}/  login {name}, password {password}")
        _console.print("Ctrl-C closes it.")
    else:
        _console.print("To work in it: make demo-open, which keeps it open and prints login and password.")


def _cells(row: Row) -> tuple[str, ...]:
    answer, detail = _said(row.reading)
    results = ", ".join(sorted(set(row.objects))) + ", FHIR"
    colour = "green" if row.is_as_expected else "red"
    return (
        row.specimen.description,
        str(row.reading.reader),
        f"[{colour}]{answer}[/{colour}]",
        detail,
        f"{row.seconds:.2f}",
        results,
    )


def _said(reading: Reading) -> tuple[str, str]:
    if reading.reason is not None:
        return str(reading.outcome), reading.reason.text
    finding = max(reading.findings, key=lambda found: found.confidence.probability)
    sure = finding.confidence
    answer = f"{finding.code.meaning}: {finding.presence}"
    return answer, f"p = {sure.probability:.2f} [{sure.lower:.2f}, {sure.upper:.2f}]"
