from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from typer.testing import CliRunner

from coread.lab import app
from coread.learning.chest import chest_card, shipping
from coread.learning.chest.appraisal import age_band


def test_the_lab_names_its_steps():
    said = CliRunner().invoke(app, ["--help"]).output
    assert all(
        step in said for step in ("cohort", "train", "bundle", "evaluate", "explain", "report", "new-reader")
    )


def test_a_missing_data_folder_is_an_error_of_the_caller(tmp_path):
    arguments = ["train", "chest-radiograph", "--data", str(tmp_path / "none"), "--out", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_the_commit_is_told_or_unknown(tmp_path):
    assert shipping.commit_of(tmp_path) == "unknown"


@pytest.mark.parametrize(
    ("age", "band"), [(3, "under 18"), (18, "18-39"), (64.5, "40-64"), (95, "65 and over"), (None, None)]
)
def test_age_bands(age, band):
    assert age_band(age) == band


def test_the_card_says_why_no_map_is_shown():
    report = {"explanation_passed": False, "explanation": {"verdicts": {"a_b": False, "c": True}}}
    assert "a_b" in chest_card.explanation_sentence(report)
    assert "passed" in chest_card.explanation_sentence({"explanation_passed": True})


def test_the_card_speaks_both_languages():
    assert len(chest_card.LIMITS) == len(chest_card.LIMITS_ZH)
    for text in (chest_card.TITLE, chest_card.INTENDED_USE, chest_card.NOT_FOR):
        assert text.keys() == {"en", "zh"}
