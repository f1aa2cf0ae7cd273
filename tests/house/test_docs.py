"""The documentation cannot lie: pages made from code are those that the code makes, and the book builds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coread import settings
from coread.gateways.cli import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def commands(group, path=()):
    for command in group.registered_commands:
        yield " ".join((*path, command.name or command.callback.__name__.replace("_", "-")))
    for sub in group.registered_groups:
        yield from commands(sub.typer_instance, (*path, sub.name))


def test_the_settings_page_is_what_the_settings_say():
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings.markdown()


@pytest.mark.parametrize("command", sorted(commands(app)))
def test_each_command_stands_in_the_book_and_helps(command):
    assert f"`coread {command}" in (DOCS / "cli.md").read_text(encoding="utf-8")
    outcome = CliRunner().invoke(app, [*command.split(), "--help"])
    assert outcome.exit_code == 0


def test_no_command_in_the_book_that_is_not_there():
    known = set(commands(app))
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "README.zh-CN.md"]:
        text = page.read_text(encoding="utf-8")
        for words in re.findall(r"`coread ([a-z]+(?: [a-z]+(?:-[a-z]+)*)?)", text):
            assert words in known or words.split()[0] in known, f"{page.name}: coread {words}"


def test_the_book_builds(tmp_path):
    program = Path(sys.executable).with_name("mkdocs")
    outcome = subprocess.run(
        [str(program), "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr


def test_both_readmes_name_the_two_commands():
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "make demo" in text
        assert "make test" in text
        assert "docs/pictures/" in text


def test_no_path_of_a_builder_s_machine_in_the_tree():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\n")
    texts = [
        p
        for p in listed
        if p.endswith((".py", ".md", ".toml", ".json", ".yml")) or p in {"Makefile", ".ci/run"}
    ]
    home = re.compile(r"(?<![\w.])/(?:root|home/\w+|work)/")
    found = [p for p in texts if (ROOT / p).is_file() and home.search((ROOT / p).read_text(encoding="utf-8"))]
    assert [p for p in found if p != "tests/house/test_docs.py"] == []
