"""Where a job lies on disk: one folder, readable by its owner only, each file written whole or not at all."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from coread.errors import Busy, NotFound
from coread.governance.exports.job import Job, StudyPart, as_data, job_from, study_from

_PATIENCE_S, _PAUSE_S = 10.0, 0.05
_ID = re.compile(r"[0-9]{8}-[0-9a-f]{12}")


class Shelf:
    """The folder of one job.

    Parameters
    ----------
    folder
        Its own, under the folder of all exports.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held = folder / "held"
        """What goes out, as it will lie there."""

    @classmethod
    def make(cls, home: Path, job_id: str) -> Shelf:
        """Make the folder of a new job."""
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = home / job_id
        folder.mkdir(mode=0o700)
        shelf = cls(folder)
        for inner in (shelf.held, folder / "studies", folder / "masks"):
            inner.mkdir(mode=0o700)
        return shelf

    @classmethod
    def find(cls, home: Path, job_id: str) -> Shelf:
        """Return the folder of a job.

        Raises
        ------
        NotFound
            If there is none.
        """
        if not _ID.fullmatch(job_id) or not (home / job_id / "job.json").is_file():
            raise NotFound(
                "an export that is not there", "one of the list's", "go back to the list of exports"
            )
        return cls(home / job_id)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else change the job meanwhile, be it in another thread, process or host.

        Raises
        ------
        Busy
            If somebody works on it for long, e.g. makes it.
        """
        with (self.folder / "lock").open("w") as file:
            _lock(file)
            yield

    def job(self) -> Job:
        """Read the job."""
        return job_from(self._read("job.json"))

    def keep(self, job: Job) -> Job:
        """Write the job."""
        self._write("job.json", as_data(job))
        return job

    def study(self, number: int) -> StudyPart:
        """Read a study.

        Raises
        ------
        NotFound
            If the job has none of this number, or its record is gone.
        """
        if not (self.folder / f"studies/{number}.json").is_file():
            raise NotFound(
                "a study that the export does not hold", "one of its list", "go back to the export"
            )
        return study_from(self._read(f"studies/{number}.json"))

    def keep_study(self, study: StudyPart) -> None:
        """Write a study."""
        self._write(f"studies/{study.number}.json", as_data(study))

    def persons(self) -> dict[str, dict[str, Any]]:
        """Read who stands behind each pseudonym; empty once that was forgotten."""
        is_there = (self.folder / "persons.json").is_file()
        found: dict[str, dict[str, Any]] = self._read("persons.json") if is_there else {}
        return found

    def keep_persons(self, persons: dict[str, dict[str, Any]]) -> None:
        """Write who stands behind each pseudonym: so that a withdrawn consent finds its objects."""
        self._write("persons.json", persons)

    def mask(self, study: int, number: int, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Read what the program blanked in an object, bool [row, column]; nothing where nothing is kept."""
        path = self._mask_path(study, number)
        return np.asarray(Image.open(path)) > 0 if path.is_file() else np.zeros(shape, bool)

    def keep_mask(self, study: int, number: int, mask: npt.NDArray[np.bool_]) -> None:
        """Write what the program blanked in an object, bool [row, column]."""
        file = io.BytesIO()
        Image.fromarray(mask).save(file, "PNG")
        self._write_bytes(self._mask_path(study, number), file.getvalue())

    def forget(self, *, held: bool) -> None:
        """Delete all that names a person; with `held` also what was made.

        Parameters
        ----------
        held
            Whether the objects go too.
        """
        for inner in ("studies", "masks", *(["held"] if held else [])):
            shutil.rmtree(self.folder / inner, ignore_errors=True)
        (self.folder / "persons.json").unlink(missing_ok=True)

    def replace_held(self, target: str, data: bytes) -> None:
        """Write one of the held objects anew."""
        self._write_bytes(self.held / target, data)

    def _mask_path(self, study: int, number: int) -> Path:
        return self.folder / "masks" / f"{study}-{number}.png"

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def _write(self, name: str, data: object) -> None:
        self._write_bytes(self.folder / name, json.dumps(data, ensure_ascii=False, indent=1).encode())

    def _write_bytes(self, path: Path, data: bytes) -> None:
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _lock(file: IO[str]) -> None:
    """Lock a file; the lock goes with the process that holds it."""
    last = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last:
                raise Busy("an export that is being worked on", "one at rest", "wait a while") from None
            time.sleep(_PAUSE_S)
        else:
            return
