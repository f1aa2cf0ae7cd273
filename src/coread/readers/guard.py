"""The wall around a plug-in: whatever it throws becomes one numbered error without anybody's data."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from coread.errors import CoReadError, ReaderFailed

T = TypeVar("T")


def guarded(call: Callable[[], T]) -> T:
    """Call a plug-in.

    Raises
    ------
    CoReadError
        As the plug-in raised it; the errors of this tree hold no person.
    ReaderFailed
        For everything else. Only the kind of the exception and the line of code are kept: the message of a
        foreign exception may quote a header.
    """
    try:
        return call()
    except CoReadError:
        raise
    except (Exception, SystemExit) as fault:  # noqa: BLE001 - the one place where a plug-in may throw anything
        kind, place = type(fault).__name__, _place(fault)
    # Outside of the handler, so that the foreign message is not carried along as context.
    raise ReaderFailed(f"{kind} in the reader's code", "a value", "report it to the reader's maker", place)


def _place(fault: BaseException) -> str:
    """File and line of the innermost frame, without the folder."""
    frames = traceback.extract_tb(fault.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
