"""Import of folders, zips, media and lone files: the good part goes in, the rest is told."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO

from coread.archive import Draft, Filed
from coread.dicom import is_directory, referenced_files
from coread.errors import (
    ContainerRefused,
    InputFault,
    NotDicom,
    NotFound,
    ObjectTooLarge,
    SameUidOtherBytes,
)
from coread.intake.containers import (
    UNREADABLE,
    Item,
    count_files,
    file_item,
    folder_items,
    is_zip,
    medium_items,
    opened_zip,
    seekable,
)
from coread.intake.intake import Intake

_SOURCE = "folder"
_HEAD_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
_THREADS = 4
_MAX_WAITING = 16
_MAX_PROBLEMS = 1000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """One file that did not become a stored instance, and why."""

    name: str
    """Where it lies, below the imported path."""
    outcome: str
    """``conflict``, ``quarantined``, ``refused``, ``missing`` or ``unreadable``."""
    reason: str


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import brought."""

    counts: Mapping[str, int]
    """Files by outcome: ``stored``, ``duplicate``, ``conflict``, ``quarantined``, ``skipped`` (no DICOM
    object), ``opened`` (zips, DICOMDIRs), ``refused`` (links, unsafe names, zips above the limits),
    ``missing`` (named by a DICOMDIR) and ``unreadable``."""
    problems: tuple[Problem, ...]
    """The first thousand that did not become stored instances; skipped ones are only counted."""

    @property
    def is_clean(self) -> bool:
        """Whether everything that is DICOM is now in the archive."""
        return not self.problems


def import_path(path: Path, intake: Intake, progress: Progress | None = None) -> ImportSummary:
    """Take in what lies under a path: a folder, a zip, a DICOMDIR or a lone file.

    A folder is walked whole, zips within it are opened. Of a DICOMDIR given by itself, only the files
    that it names are read. Doing it twice changes nothing.

    Parameters
    ----------
    path
        What to import.
    intake
        Where to.
    progress
        Called with the number of files done, and of files known so far.

    Raises
    ------
    NotFound
        If there is nothing at `path`.
    LowDisk, Busy
        If there is no room for more; what was imported so far stays.
    """
    if not path.exists():
        raise NotFound("no file or folder of this name", remedy="check the path", where="import")
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="import") as pool:
        run = _Import(intake, pool, progress)
        run.take(path)
        return run.summary()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where items lie."""

    folder: Path | None = None
    """Folder in which a DICOMDIR names its files; None within a zip."""
    is_lone: bool = False
    """Whether the item is all that was asked for."""
    zip_depth: int = 0
    unfolded_bytes: int = 0
    """What the zips around unfold to."""


class _Import:
    """One import under way.

    This thread reads and writes drafts; a few others sync and file them, so that their syncs overlap.
    """

    def __init__(self, intake: Intake, pool: ThreadPoolExecutor, progress: Progress | None) -> None:
        self._intake = intake
        self._pool = pool
        self._progress = progress
        self._waiting: deque[tuple[str, Future[Filed]]] = deque()
        self._counts: Counter[str] = Counter()
        self._problems: list[Problem] = []
        self._known = 0

    def take(self, path: Path) -> None:
        """Take what lies under `path`, and wait until the last of it is filed."""
        if path.is_dir():
            self._known = count_files(path)
            self._take_items(folder_items(path), _Place(path))
        else:
            self._known = 1
            self._take_items([file_item(path.resolve(), path.name)], _Place(path.parent, is_lone=True))
        self._settle(0)

    def summary(self) -> ImportSummary:
        """Return what has come of it."""
        return ImportSummary(MappingProxyType(dict(self._counts)), tuple(self._problems))

    def _take_items(self, items: Iterable[Item], place: _Place) -> None:
        for item in items:
            if item.fault:
                self._tell(item.name, item.outcome, item.fault)
            else:
                self._take_item(item, place)

    def _take_item(self, item: Item, place: _Place) -> None:
        try:
            with item.open() as file:
                self._take_file(item.name, file, place)
        except NotDicom:
            self._tell(item.name, "skipped")
        except InputFault as fault:
            self._tell(item.name, "refused", str(fault))
        except UNREADABLE as error:
            self._tell(item.name, "unreadable", type(error).__name__)

    def _take_file(self, name: str, file: IO[bytes], place: _Place) -> None:
        head = file.read(_HEAD_BYTES)
        if is_zip(head):
            file.seek(0)
            self._take_zip(name, file, place)
        elif is_directory(head):
            self._take_directory(name, head + file.read(self._intake.limits.directory_bytes), place)
        else:
            self._take_object(name, head, file)

    def _take_object(self, name: str, head: bytes, file: IO[bytes]) -> None:
        draft = self._intake.draft()
        try:
            self._copy(head, file, draft)
        except BaseException:
            draft.discard()
            raise
        self._settle(_MAX_WAITING)
        self._waiting.append((name, self._pool.submit(self._intake.accept, draft, head, _SOURCE)))

    def _copy(self, head: bytes, file: IO[bytes], draft: Draft) -> None:
        most = self._intake.limits.object_bytes
        chunk = head
        while chunk:
            draft.write(chunk)
            if draft.size_bytes > most:
                raise ObjectTooLarge("a file above the limit", f"at most {most} bytes")
            chunk = file.read(_CHUNK_BYTES)

    def _take_zip(self, name: str, file: IO[bytes], place: _Place) -> None:
        limits, depth = self._intake.limits, place.zip_depth + 1
        if depth > limits.zip_depth:
            raise ContainerRefused("a zip within zips", f"at most {limits.zip_depth} within each other")
        room = limits.zip_total_bytes - place.unfolded_bytes
        with seekable(file, room, is_on_disk=depth == 1) as whole, opened_zip(whole, limits, room) as content:
            self._known += len(content.items)
            inner = _Place(None, False, depth, place.unfolded_bytes + content.unfolded_bytes)
            self._take_items((replace(item, name=f"{name}/{item.name}") for item in content.items), inner)
        self._tell(name, "opened")

    def _take_directory(self, name: str, data: bytes, place: _Place) -> None:
        references = referenced_files(data) if place.folder else ()
        items = list(medium_items((place.folder / name).parent, references)) if place.folder else []
        self._tell(name, "opened")
        if not place.is_lone:  # the files themselves are met by the walk
            items = [item for item in items if item.outcome == "missing"]
        self._known += len(items)
        self._take_items(items, replace(place, is_lone=False, folder=None))

    def _settle(self, most_waiting: int) -> None:
        """Wait for the oldest until no more than so many are under way."""
        while len(self._waiting) > most_waiting:
            name, future = self._waiting.popleft()
            try:
                self._tell(name, str(future.result().outcome))
            except SameUidOtherBytes as fault:
                self._tell(name, "conflict", str(fault))
            except ObjectTooLarge as fault:
                self._tell(name, "refused", str(fault))
            except InputFault as fault:
                self._tell(name, "quarantined", str(fault))

    def _tell(self, name: str, outcome: str, reason: str = "") -> None:
        self._counts[outcome] += 1
        if reason and len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(Problem(name, outcome, reason))
        if self._progress:
            self._progress(self._counts.total(), self._known)
