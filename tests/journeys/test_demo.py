"""The demo, as its user runs it; what it leaves is judged by the peers, and no name is told on the way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PROGRAM = [sys.executable, "-c", "from coread.gateways.cli import main; main()"]
#: Names and numbers of the patients whose images the demo sends.
CANARIES = ("CompressedSamples", "CQ500", "9RG1", "11RG3", "5MR2", "13US1")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Run the demo once: its folder and all that it printed."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COREAD_")}
    outcome = subprocess.run(
        [*PROGRAM, "demo", "--out", str(folder)],
        env=environ, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return folder, outcome.stdout + outcome.stderr


def written(folder: Path, suffix: str) -> list[Path]:
    return sorted((folder / "results").rglob(f"*{suffix}"))


def test_the_chest_is_read_and_all_else_refused_with_the_reason(shown):
    _, said = shown
    assert re.search(r"chest radiograph.*chest-radiograph \d.*p = 0\.\d\d \[", said)
    assert said.count("refused") == 4
    assert "body part other than the chest" in said


def test_every_result_stands_in_the_second_system(shown):
    folder, said = shown
    count = len(written(folder, ".dcm"))
    assert f"{count} of {count} result objects stand in the second system" in said


def test_a_picture_is_left_to_look_at(shown):
    folder, _ = shown
    with Image.open(folder / "chest.png") as picture:
        assert min(picture.size) >= 512


@pytest.mark.peer
def test_dciodvfy_finds_no_error_in_what_was_written(shown, tool):
    folder, _ = shown
    judged = {
        path.name: subprocess.run([tool("dciodvfy"), str(path)], capture_output=True, text=True, check=False)
        for path in written(folder, ".dcm")
    }
    assert judged
    assert {
        name: [line for line in j.stderr.splitlines() if line.startswith("Error")]
        for name, j in judged.items()
    } == {name: [] for name in judged}


@pytest.mark.peer
def test_dsrdump_reads_each_report(shown, tool):
    folder, _ = shown
    reports = [path for path in written(folder, ".dcm") if path.name.startswith("SR")]
    assert len(reports) == 5
    for report in reports:
        read = subprocess.run([tool("dsrdump"), str(report)], capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr
        assert "Imaging Measurement Report" in read.stdout


def test_each_study_leaves_a_report_in_fhir_that_says_how_far_it_got(shown):
    folder, _ = shown
    reports = [
        json.loads(path.read_text()) for path in written(folder, ".json") if path.name.startswith("Diag")
    ]
    assert [report["status"] for report in reports] == ["preliminary", *["cancelled"] * 4]


def test_no_patient_is_named_in_what_was_printed_or_in_any_path(shown):
    folder, said = shown
    paths = "\n".join(str(path) for path in folder.rglob("*"))
    # The demo's own result folders bear the names of the public sample files, which are no patients.
    told = [canary for canary in CANARIES if canary in said or f"/{canary}" in paths]
    assert told == []


def test_a_folder_of_something_else_is_not_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    outcome = subprocess.run(
        [*PROGRAM, "demo", "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 2
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
