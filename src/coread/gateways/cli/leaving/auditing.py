"""The auditor at every door: searches what goes out for what named somebody in the input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import Progress

from coread.gateways.cli.opening import wide_console
from coread.governance.deidentify import TextFinder
from coread.governance.deidentify.pixels.rapid import RapidText, is_installed
from coread.testing.leaks import Leak, find_leaks, find_leaks_of

_console = wide_console()

Before = Callable[[], Iterable[tuple[str, bytes]]]


def add_to(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(leaks)


def leaks(
    before: Annotated[Path, typer.Argument(help="The folder that was de-identified.")],
    after: Annotated[Path, typer.Argument(help="What came of it.")],
    ocr: Annotated[bool, typer.Option(help="Read the pixels of the output as well; slow.")] = False,
) -> None:
    """Search an output for everything that named someone in its input; knows nothing of how it was made."""
    if tell_leaks(before, after, ocr=ocr):
        raise typer.Exit(1)


def tell_leaks(before: Path, after: Path, *, ocr: bool = False) -> int:
    """Search one folder for what was in another, say what was found, and return how much."""
    found: list[Leak] = []
    with Progress(console=_console) as progress:
        task = progress.add_task("searching", total=None)
        for done, of_one in find_leaks(before, after, _read if ocr and is_installed() else None):
            progress.update(task, completed=done)
            found += of_one
    for leak in found:
        _console.print(f"{leak.file}: {leak.where}: {leak.kind} {leak.value!r}", markup=False)
    _console.print(f"{len(found)} leaks")
    return len(found)


def auditor_of(before: Before, after: Path) -> Callable[[], list[tuple[str, str, str, str]]]:
    """Give what audits an export: file, where, kind and value of each leak.

    Parameters
    ----------
    before
        Gives name and bytes of each original.
    after
        Folder of what was made of them.
    """
    return lambda: [
        (leak.file, leak.where, leak.kind, leak.value)
        for _, found in find_leaks_of(before(), after)
        for leak in found
    ]


def finder_or_none(console: Console) -> TextFinder | None:
    """Return what finds burned-in text; where nothing is installed, say what that means."""
    if is_installed():
        return RapidText()
    console.print("rapidocr is not installed (pip install 'coread[deid]'): images that may bear text stay")
    return None


def _read(frame: npt.NDArray[np.uint8]) -> list[str]:
    return [found.text for found in RapidText().find(frame)]
