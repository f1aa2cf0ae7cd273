"""The package of a new reader, written from templates: code, words to fill in, and the contract as a test."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from coread.errors import RunRefused

TEMPLATES = Path(__file__).parent / "templates"

FILES = {
    "pyproject.toml": "pyproject.toml.in",
    "README.md": "readme.md.in",
    "src/{package}/__init__.py": "reader.py.in",
    "src/{package}/recipe.py": "recipe.py.in",
    "src/{package}/reader.toml": "reader.toml.in",
    "tests/test_contract.py": "test_contract.py.in",
}
"""Files of the package, and the templates that they are made from."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the author says of the reader.

    Attributes
    ----------
    name
        Of the reader and its package: lower case words joined by hyphens, e.g. ``knee-effusion``.
    label
        The label, or word of the code book, that means the finding is there.
    modalities
        Modality (0008,0060) of the images that the reader is to be given.
    title
        One line of English; from the name if left out.
    title_zh
        The same in Chinese; a gap to fill in if left out, and no reader is loaded with a gap.
    """

    name: str
    label: str
    modalities: tuple[str, ...] = ("DX", "CR")
    title: str = ""
    title_zh: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            expected = "lower case words joined by hyphens, e.g. knee-effusion"
            raise RunRefused(f"the name {self.name!r}", expected, "choose another name")

    @property
    def package(self) -> str:
        """Name that Python imports."""
        return self.name.replace("-", "_")


def scaffold(wanted: Wanted, folder: Path) -> Path:
    """Write the package of a reader.

    Parameters
    ----------
    wanted
        What it is to read.
    folder
        Where the package's folder is made; what an author has written there is never overwritten.

    Returns
    -------
    Path
        Folder of the package's code, for `coread.learning.new_reader.make`.

    Raises
    ------
    RunRefused
        If the folder of the package holds another reader.
    """
    root = folder / wanted.name
    words = _words(wanted)
    for name, template in FILES.items():
        place = root / name.format(package=wanted.package)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
            place.write_text(text, encoding="utf-8")
    home = root / "src" / wanted.package
    if f"name = {json.dumps(wanted.name)}\n" not in (home / "reader.toml").read_text(encoding="utf-8"):
        raise RunRefused(
            "another reader's package", f"that of {wanted.name}", "choose another folder", root.name
        )
    return home


def _words(wanted: Wanted) -> dict[str, str]:
    """What stands for the templates' names; texts are quoted as JSON, which TOML reads too."""
    title = wanted.title or wanted.name.replace("-", " ").capitalize()
    quoted = {"title": title, "title_zh": wanted.title_zh, "label": wanted.label}
    return {
        "name": wanted.name,
        "package": wanted.package,
        "heading": title,
        "modalities": json.dumps(list(wanted.modalities)),
        **{key: json.dumps(text, ensure_ascii=False) for key, text in quoted.items()},
    }
