"""Parameters in files: plain arrays, whole or absent, nothing that could run."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from coread.errors import RunRefused
from coread.learning.federated.orders import Arrays
from coread.learning.runs.files import replace_file

_FACTS = "facts.json"


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, all or nothing."""

    def put(file: BinaryIO) -> None:
        file.write(data)

    replace_file(path, put)


def write_arrays(path: Path, groups: Mapping[str, Arrays], facts: Mapping[str, Any]) -> None:
    """Write groups of named arrays and JSON facts into one file, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as held:
        held.writestr(_FACTS, json.dumps(dict(facts)))
        for group, arrays in groups.items():
            for name, array in arrays.items():
                with held.open(f"{group}/{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    write_bytes(path, made.getvalue())


def read_arrays(path: Path) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]] | None:
    """Read what `write_arrays` wrote; None if there is none.

    Raises
    ------
    RunRefused
        If the file is broken.
    """
    if not path.exists():
        return None
    groups: dict[str, dict[str, np.ndarray]] = {}
    try:
        with zipfile.ZipFile(path) as held:
            facts = json.loads(held.read(_FACTS))
            for entry in held.namelist():
                if entry == _FACTS:
                    continue
                group, _, name = entry.removesuffix(".npy").partition("/")
                with held.open(entry) as file:
                    groups.setdefault(group, {})[name] = np.lib.format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as fault:
        remedy = "delete this file; the work then begins anew at this point"
        raise RunRefused("a file that cannot be read", "plain arrays", remedy, path.name) from fault
    return groups, facts
