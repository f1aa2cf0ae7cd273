"""The commands, as a person types them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from typer.testing import CliRunner

from coread.lab import app
from coread.readers import chest_radiograph

SHIPPED = Path(chest_radiograph.__file__).parent / "bundle"


def run(*words, code=0):
    outcome = CliRunner().invoke(app, [str(word) for word in words], terminal_width=200)
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def write(path, columns, rows):
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)
    return path


def answers(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 120)
    score = rng.normal(size=120) + 2 * truth
    rows = [
        (i, i // 2, t, s, 1 / (1 + np.exp(-s)), "FM"[i % 2])
        for i, (t, s) in enumerate(zip(truth, score, strict=True))
    ]
    return write(tmp_path / "answers.csv", ("case", "patient", "truth", "score", "probability", "sex"), rows)


def test_evidence_from_a_bundle_and_a_table(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "bundle", ignore=shutil.ignore_patterns("*.onnx", "*.npz"))
    into = tmp_path / "appraised.json"
    run("appraise", answers(tmp_path), "--threshold", 0.5, "--grade", "synthetic", "--into", into)
    said = run("evidence", tmp_path / "bundle", "--into", tmp_path / "out", "--predictions", into)
    assert "E13" in said
    held = json.loads((tmp_path / "out" / "E13_subgroups.json").read_text())
    assert held["grade"] == "synthetic"
    assert (tmp_path / "out" / "index.md").is_file()


def test_a_wrong_table_is_an_error_of_the_caller(tmp_path):
    table = write(tmp_path / "t.csv", ("case",), [("a",)])
    said = run("appraise", table, "--threshold", 0.5, "--grade", "synthetic", code=2)
    assert "patient, truth" in said
    assert "grade" in run("appraise", answers(tmp_path), "--threshold", 0.5, "--grade", "superb", code=2)


def test_a_study_from_plan_to_report(tmp_path):
    cases = write(tmp_path / "cases.csv", ("case", "truth"), [(f"c{i}", i % 2) for i in range(24)])
    plan, readings = tmp_path / "plan.csv", tmp_path / "readings.csv"
    readers = [word for name in "ABC" for word in ("--reader", name)]
    run("reader-study", "plan", cases, *readers, "--into", plan, "--seed", 4)
    assert "no doctors" in run("reader-study", "try", plan, "--cases", cases, "--into", readings)
    said = run(
        "reader-study", "analyse", readings, "--grade", "simulated", "--plan", plan, "--into", tmp_path / "s"
    )
    assert "nothing about real doctors" in said
    held = json.loads((tmp_path / "s" / "reader_study.json").read_text())
    assert held["evidence_grade"] == "simulated"
    assert held["design"]["deviations"] == []
    with (tmp_path / "readings.csv").open() as lines:
        rows = [
            (r["reader"], r["treatment"], r["case"], r["truth"], r["rating"]) for r in csv.DictReader(lines)
        ]
    pilot = write(tmp_path / "pilot.csv", ("reader", "treatment", "case", "truth", "rating"), rows)
    assert "simulated" in run("reader-study", "power", pilot, "--effect", 0.1, "--grade", "simulated")


def test_a_new_version_gets_its_thresholds(tmp_path):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 200)
    old = rng.normal(size=200) + 2 * truth
    rows = [(i, i, "east", truth[i], old[i], old[i] - 1) for i in range(200)]
    table = write(tmp_path / "v.csv", ("case", "patient", "site", "truth", "old_score", "new_score"), rows)
    words = ("--old-threshold", 1.0, "--old", "1.0.0", "--new", "1.1.0", "--into", tmp_path / "t")
    assert "Approved by" in run("follow-version", table, *words)
    held = json.loads((tmp_path / "t" / "thresholds.json").read_text())
    assert held["sites"]["east"]["threshold"]["value"] == pytest.approx(0, abs=0.1)
