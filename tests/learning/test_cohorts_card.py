"""The data card counts right, and finds a shortcut that was put in on purpose."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from drawn_cohorts import Drawn, found

from coread.learning.cohorts import BuildPlan, build
from coread.learning.cohorts.describing import card_markdown, data_card, write_card
from coread.learning.cohorts.describing.association import cohen_kappa, cramers_v
from coread.learning.cohorts.describing.card import age_band
from coread.learning.cohorts.form import Label, LeftOut


def trapped(count=240):
    """AP wherever somebody is sick, but for one image in eight; sex without meaning."""
    items = []
    for seed in range(count):
        item = found(seed, rows=0)
        sick = item.labels[0].value
        view = "AP" if (sick > 0) != (seed % 8 == 0) else "PA"
        sex = "F" if np.random.default_rng(seed).random() < 0.5 else "M"
        labels = (
            *item.labels,
            replace(item.labels[0], annotator="bob", value=float(sick > 0 and seed % 5 > 0)),
        )
        items.append(replace(item, image=replace(item.image, view=view, sex=sex), labels=labels))
    return Drawn(items)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(trapped(), tmp_path_factory.mktemp("cohort"), BuildPlan("sick"))


def test_a_planted_shortcut_is_found_and_what_means_nothing_is_not(built):
    shortcuts = data_card(built)["possible_shortcuts"]
    assert (shortcuts[0]["label"], shortcuts[0]["attribute"]) == ("sick", "view")
    assert 0.6 < shortcuts[0]["cramers_v"] < 0.9
    assert [entry for entry in shortcuts if entry["attribute"] == "sex" and entry["cramers_v"] > 0.25] == []


def test_counts_add_up(built):
    card = data_card(built)
    assert card["images"] == 240 == sum(part["images"] for part in card["splits"].values())
    assert card["patients"] == 120 == sum(part["patients"] for part in card["splits"].values())
    assert sum(sum(of.values()) for of in card["by"]["view"].values()) == 240
    assert card["missing"]["age"] == 1
    assert card["missing"]["view"] == 0
    share = card["labels"]["sick"]["prevalence"]["train"]
    assert share["lower"] < share["value"] < share["upper"]
    assert card["labels"]["sick"]["annotators"] == 2


def test_agreement_is_told_by_pair_of_annotators(built):
    agreement = data_card(built)["agreement"]["sick: ann / bob"]
    assert agreement["n"] == 240
    assert 0.7 < agreement["kappa"] < 0.9


def test_the_card_is_written_beside_the_manifest(built):
    card = write_card(built)
    assert json.loads((built.folder / "data_card.json").read_text())["images"] == card["images"]
    text = (built.folder / "data_card.md").read_text()
    assert "it is drawn" in text
    assert "| sick | view |" in text


def test_an_empty_table_says_none(built):
    text = card_markdown(data_card(replace(built, left_out=())))
    assert "## Left out\n\nNone." in text
    told = card_markdown(data_card(replace(built, left_out=(LeftOut("x", "all-black", "y"),))))
    assert "| all-black | 1 |" in told


def test_association_is_0_to_1_and_corrected():
    rng = np.random.default_rng(0)
    noise = [
        cramers_v(rng.integers(0, 4, 100).tolist(), rng.integers(0, 2, 100).tolist()) for _ in range(200)
    ]
    assert np.mean(noise) < 0.08
    assert cramers_v([1, 1], [2, 2]) == 0
    assert cramers_v(list("ab") * 500, list("xy") * 500) == pytest.approx(1, abs=0.01)


def test_kappa_by_hand():
    # 20 + 15 of 50 agree: 0.7; chance is 0.5 * 0.6 + 0.5 * 0.4 = 0.5; (0.7 - 0.5) / 0.5 = 0.4.
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("age", "band"), [(None, ""), (0, "under 18"), (18, "18-39"), (64.9, "40-64"), (90, "65 and over")]
)
def test_age_bands(age, band):
    assert age_band(age) == band


def test_numbers_are_told_by_their_range(tmp_path):
    items = [found(seed) for seed in range(20)]
    items += [
        found(20 + k, labels=[Label(f"i{20 + k:03d}", "ann", "grade", "number", k + 1)]) for k in range(5)
    ]
    card = data_card(build(Drawn(items), tmp_path, BuildPlan()))
    assert card["labels"]["grade"]["numbers"] == {"n": 5, "least": 1, "median": 3, "most": 5}
