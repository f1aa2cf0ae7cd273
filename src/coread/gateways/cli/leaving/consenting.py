"""Before a folder leaves without an officer's look: nobody who said no is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from coread.clinic import Clinic
from coread.dicom import scan_header
from coread.domain.consent import PatientIdentity, Status, Use, passes
from coread.errors import DecisionRefused, InputFault
from coread.gateways.cli.opening import wide_console

_console = wide_console()
_HEAD_BYTES = 1 << 20
_SILENT = (Status.NOT_ASKED, Status.UNKNOWN_PERSON)


@passes(Use.LEARNING, Use.FEDERATION, Use.TEACHING)
def check_folder(clinic: Clinic, folder: Path, use: Use) -> None:
    """Refuse a folder that holds images of somebody who refused or withdrew.

    Whoever is in a folder from elsewhere may have agreed elsewhere: only a word on record counts.

    Raises
    ------
    DecisionRefused
        If it does. Which files they are is told on the screen alone: file names may name persons.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    denied = [path.name for path in files if _is_denied(clinic, path, use)]
    for name in denied:
        _console.print(f"does not agree: {name}", markup=False)
    if denied:
        found = f"{len(denied)} files of patients who do not agree to {use}"
        raise DecisionRefused(found, "a folder without them", "take out the files that are listed")


def _is_denied(clinic: Clinic, path: Path, use: Use) -> bool:
    try:
        with path.open("rb") as file:
            header = scan_header(file.read(_HEAD_BYTES), total_bytes=path.stat().st_size)
    except InputFault:  # no image of anybody, or one that cannot be read and stays
        return False
    permit = clinic.consents.may(PatientIdentity.of(header.facts), use, datetime.now(UTC))
    return not permit.is_allowed and permit.standing.status not in _SILENT
