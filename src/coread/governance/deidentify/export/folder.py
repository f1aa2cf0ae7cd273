"""De-identifies every file of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from coread.dicom import is_directory
from coread.errors import ContainerRefused, InputFault
from coread.governance.deidentify.deidentifier import Deidentified, Deidentifier, Refused
from coread.governance.deidentify.export.directory import rewrite_directory

DIRECTORY_NAME = "DICOMDIR"


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file. Names of sources may name persons: inside the hospital only."""

    source: Path
    target: Path | None
    """Where it was written, relative to the output folder; None where it stays."""
    reason: str = ""
    """Why it stays."""
    made: Deidentified | None = field(default=None, repr=False)


def deidentify_folder(
    source: Path,
    out: Path,
    deidentifier: Deidentifier,
    progress: Callable[[int, int], None] = lambda done, known: None,
    jobs: int = 1,
) -> Iterator[FileOutcome]:
    """De-identify a folder (or a lone file) and give the outcome of each file as it is done.

    Files are named by key after patient, study, series and instance (eight characters each, as PS3.10
    section 8.5 wants on media), so that no old name goes out. A DICOMDIR is written anew for what went out.

    Parameters
    ----------
    source
        What is to go out. Nothing is changed in it.
    out
        New or empty, or of an earlier run of the same domain.
    deidentifier
        Profile, domain, text finder.
    progress
        Told how many of how many files are done.
    jobs
        Processes that work side by side.

    Raises
    ------
    ContainerRefused
        If one folder lies in the other.
    """
    _check(source, out)
    files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    directories = [path for path in files if _is_directory(path)]
    images = [path for path in files if path not in set(directories)]
    places: dict[Path, Path] = {}
    for done, outcome in enumerate(_outcomes(images, out, deidentifier, jobs), 1):
        if outcome.target is not None:
            places[outcome.source.resolve()] = outcome.target
        progress(done, len(files))
        yield outcome
    for path in directories:
        yield _directory(path, out, deidentifier, places)
        progress(len(files), len(files))


def deidentify_objects(
    objects: Iterable[tuple[str, bytes]], out: Path, deidentifier: Deidentifier
) -> Iterator[FileOutcome]:
    """De-identify objects that lie in no folder, and give the outcome of each as it is done.

    Parameters
    ----------
    objects
        Name (becomes the outcome's source) and bytes of each.
    out, deidentifier
        As of `deidentify_folder`.
    """
    for name, data in objects:
        yield _made_of(Path(name), data, out, deidentifier)


def _check(source: Path, out: Path) -> None:
    inside, outside = source.resolve(), out.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise ContainerRefused(
            "an output folder inside the input, or the input inside it", "two places apart"
        )


def _is_directory(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    try:
        return path.name.upper() == DIRECTORY_NAME or is_directory(head)
    except InputFault:
        return False


def _outcomes(files: list[Path], out: Path, deidentifier: Deidentifier, jobs: int) -> Iterator[FileOutcome]:
    if jobs <= 1:
        yield from (_one(path, out, deidentifier) for path in files)
        return
    with ProcessPoolExecutor(jobs, initializer=_start, initargs=(out, deidentifier)) as pool:
        yield from pool.map(_one_in_child, files, chunksize=4)


_child: dict[str, tuple[Path, Deidentifier]] = {}


def _start(out: Path, deidentifier: Deidentifier) -> None:
    _child["work"] = (out, deidentifier)


def _one_in_child(path: Path) -> FileOutcome:
    return _one(path, *_child["work"])


def _one(path: Path, out: Path, deidentifier: Deidentifier) -> FileOutcome:
    try:
        data = path.read_bytes()
    except OSError:
        return FileOutcome(path, None, "the file cannot be read")
    return _made_of(path, data, out, deidentifier)


def _made_of(source: Path, data: bytes, out: Path, deidentifier: Deidentifier) -> FileOutcome:
    made = deidentifier.deidentify(data)
    if isinstance(made, Refused):
        return FileOutcome(source, None, made.reason)
    target = _place(made, deidentifier)
    if not _written(out / target, made.data):
        return FileOutcome(source, None, "another object of the same UID went out already")
    return FileOutcome(source, target, made=made)


def _place(made: Deidentified, deidentifier: Deidentifier) -> Path:
    short = deidentifier.pseudonyms.short
    levels = (made.subject.pseudonym, made.uids["study"], made.uids["series"], made.uids["instance"])
    return Path(*map(short, levels))


def _written(path: Path, data: bytes) -> bool:
    """Write a file whole or not at all; False where another one is there already."""
    if path.exists():
        return path.read_bytes() == data
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_bytes(data)
    draft.replace(path)
    return True


def _directory(path: Path, out: Path, deidentifier: Deidentifier, places: dict[Path, Path]) -> FileOutcome:
    made = rewrite_directory(path, deidentifier, places)
    if isinstance(made, Refused):
        return FileOutcome(path, None, made.reason)
    target = Path(DIRECTORY_NAME)
    if not _written(out / target, made):
        return FileOutcome(path, None, "another DICOMDIR went out already")
    return FileOutcome(path, target)
