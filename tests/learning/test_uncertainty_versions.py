from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the lab is not installed (pip install coread[lab])")

from coread.evaluation.certainty import SiteThreshold
from coread.learning.uncertainty.versions import COLUMNS, as_record, follow, markdown, read_versions


def write(path, rows):
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(rows)


def made(count, site, shift, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, count)
    old = rng.normal(size=count) + 2 * truth
    new = old + rng.normal(0, 0.3, count) + shift
    return [[f"{site}{i}", f"{site}{i}", site, truth[i], old[i], new[i]] for i in range(count)]


def test_each_site_gets_its_own_threshold_and_a_small_one_none(tmp_path):
    write(tmp_path / "v.csv", made(400, "east", -1.0, 0) + made(400, "west", 0.8, 1) + made(15, "tiny", 0, 2))
    found = follow(read_versions(tmp_path / "v.csv"), 1.0, "sensitivity")
    assert isinstance(found["east"], SiteThreshold)
    assert isinstance(found["west"], SiteThreshold)
    assert found["east"].threshold.value == pytest.approx(0.0, abs=0.25)
    assert found["west"].threshold.value == pytest.approx(1.8, abs=0.25)
    assert "20 are needed" in found["tiny"]
    record = as_record(found, ("1.0.0", "1.1.0"), "2026-01-01T00:00:00Z")
    text = markdown(record)
    assert "| tiny | none" in text
    assert record["sites"]["east"]["change_if_unchanged"]["upper"] < 0
    assert "Approved by 批准人" in text


def test_a_threshold_for_each_site_can_be_given(tmp_path):
    write(tmp_path / "v.csv", made(200, "east", 0, 3) + made(200, "west", 0, 4))
    found = follow(read_versions(tmp_path / "v.csv"), {"east": 0.0, "west": 2.0}, "specificity")
    assert found["east"].threshold.value < found["west"].threshold.value - 1


def test_faulty_tables_are_refused(tmp_path):
    (tmp_path / "v.csv").write_text("case,patient\n")
    with pytest.raises(ValueError, match="site, truth, old_score, new_score"):
        read_versions(tmp_path / "v.csv")
    twice = made(3, "east", 0, 5)
    write(tmp_path / "v.csv", [*twice, twice[0]])
    with pytest.raises(ValueError, match="more than once"):
        read_versions(tmp_path / "v.csv")
