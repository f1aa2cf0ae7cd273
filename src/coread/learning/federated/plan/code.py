"""Which code runs at a site: the hash of the installed package, and the versions of what it stands on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from coread.errors import RecipeUnavailable

#: Parts of CoRead whose source is hashed.
PARTS = ("learning/", "evaluation/")
#: Packages on whose versions the numbers of a training depend.
PACKAGES = ("coread", "numpy", "torch", "flwr")


def versions() -> dict[str, str]:
    """Versions of the installed packages that matter."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


@cache
def code_sha256(task: str) -> str:
    """Hash the source of what trains, measures and decides what leaves, and of the task's own package.

    Of CoRead itself this is ``learning`` and ``evaluation``; a site may have another clinic beside it.

    Parameters
    ----------
    task
        ``module:factory``.

    Returns
    -------
    str
        SHA-256 over the sorted paths and the bytes of every ``.py`` file, 64 hexadecimal digits.

    Raises
    ------
    RecipeUnavailable
        If the task's package is not installed.
    """
    made = hashlib.sha256()
    for package in sorted({"coread", task.split(":", maxsplit=1)[0].split(".", maxsplit=1)[0]}):
        for name, path in sorted(_sources(package).items()):
            if package == "coread" and not name.startswith(PARTS):
                continue
            made.update(f"{package}/{name}\n{path.stat().st_size}\n".encode())
            made.update(path.read_bytes())
    return made.hexdigest()


def _sources(package: str) -> Mapping[str, Path]:
    spec = find_spec(package)
    if spec is None or not (spec.submodule_search_locations or spec.origin):
        remedy = "install the package that the plan names"
        raise RecipeUnavailable(f"no package {package!r}", "the package of the task", remedy)
    if not spec.submodule_search_locations:
        return {f"{package}.py": Path(str(spec.origin))}
    folder = Path(next(iter(spec.submodule_search_locations)))
    found = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return {path.relative_to(folder).as_posix(): path for path in found if path.suffix == ".py"}
