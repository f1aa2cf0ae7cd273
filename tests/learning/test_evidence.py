from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the lab is not installed (pip install coread[lab])")

from sklearn import metrics

from coread.learning.evidence.catalogue import items
from coread.learning.evidence.gathering import gather, open_sources
from coread.learning.evidence.predictions import appraise, read_predictions
from coread.learning.evidence.writing import Making, write_evidence
from coread.learning.runs.files import write_json
from coread.readers import chest_radiograph

MAKING = Making("1.0.0", "abc1234", "2026-01-01T00:00:00Z")


@pytest.fixture
def bundle(tmp_path) -> Path:
    """The files of the chest reader that ships, without its weights."""
    shipped = Path(chest_radiograph.__file__).parent / "bundle"
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in ("evaluation.json", "card.json", "calibration.json"):
        shutil.copy(shipped / name, folder)
    return folder


def write_table(path, count=300, seed=0, **changes):
    rng = np.random.default_rng(seed)
    site = np.where(rng.random(count) < 0.6, "home", "away")
    truth = rng.integers(0, 2, count)
    score = rng.normal(size=count) + truth * np.where(site == "home", 2.5, 1.2)
    probability = 1 / (1 + np.exp(-(1.6 * score - 1.5)))
    size = rng.normal(size=count) + 0.5 * truth
    sex = rng.choice(["F", "M"], count)
    rows = [
        {
            "case": f"c{i}", "patient": f"p{i // 2}", "truth": truth[i], "score": score[i],
            "probability": probability[i], "baseline:size": size[i], "site": site[i], "sex": sex[i],
        }
        for i in range(count)
    ]  # fmt: skip
    rows[0] |= changes
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    return truth, score, probability


def test_the_catalogue_holds_what_was_promised():
    names = [item.identifier for item in items()]
    assert names == [f"E{n:02}" for n in range(3, 19)] + ["E21"]
    for item in items():
        assert item.title
        assert item.title_zh
        assert item.silent
        assert item.silent_zh
        assert all(part.name_zh for part in item.parts)


def test_every_item_comes_out_even_if_nothing_is_known(tmp_path):
    (tmp_path / "evaluation.json").write_text("{}")
    found = gather(open_sources(tmp_path, {}))
    assert len(found) == len(items())
    assert {e.status for e in found} == {"absent"}
    assert {e.grade for e in found} == {None}


def test_the_shipped_reader_gives_its_evidence(bundle, tmp_path):
    out = tmp_path / "evidence"
    found = {e.item.identifier: e for e in write_evidence(open_sources(bundle, {}), out, MAKING)}
    assert found["E11"].status in ("present", "partial")
    assert found["E17"].status == "present"
    assert found["E18"].status == "absent"
    assert found["E04"].status == "absent"
    held = json.loads((out / "E17_explainability.json").read_text())
    assert held["grade"] == "retrospective"
    assert held["parts"]["verdict"][0]["pointer"].endswith("explanation_passed")
    digest = hashlib.sha256((bundle / "evaluation.json").read_bytes()).hexdigest()
    assert held["artefact_hashes"]["evaluation/evaluation.json"] == digest
    assert held["reviewer_signoff"] is None
    text = (out / "E11_standalone_performance.md").read_text()
    assert "独立性能" in text
    assert "不说明医生使用后表现是否提高" in text
    index = json.loads((out / "index.json").read_text())
    assert len(index["items"]) == len(items())
    assert len(list(out.glob("E*.md"))) == len(list(out.glob("E*.json"))) == len(items())
    assert "| [E18](E18_reader_study.md) |" in (out / "index.md").read_text()


def test_an_item_bears_the_grade_of_its_weakest_file(bundle, tmp_path):
    study = {"evidence_grade": "simulated", "design": {"readers": 4}, "analyses": [{"merit": "AUC"}]}
    write_json(tmp_path / "study.json", study)
    found = {
        e.item.identifier: e for e in gather(open_sources(bundle, {"reader_study": tmp_path / "study.json"}))
    }
    assert found["E18"].grade == "simulated"
    assert found["E18"].status == "partial"
    assert "protocol and ethics" in found["E18"].by_people
    assert found["E17"].grade == "retrospective"


def test_results_of_studies_are_found_by_name(bundle, tmp_path):
    write_json(tmp_path / "conformal.json", {"evidence_grade": "retrospective", "rows": [{"what": "x"}]})
    sources = open_sources(bundle, {}, [tmp_path / "conformal.json"])
    found = {e.item.identifier: e for e in gather(sources)}
    assert found["E16"].found["coverage of sets"][0].source == "studies"


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(ValueError, match="evaluate the reader first"):
        open_sources(tmp_path, {})
    (tmp_path / "evaluation.json").write_text("[]")
    with pytest.raises(ValueError, match="JSON object"):
        open_sources(tmp_path, {})
    (tmp_path / "evaluation.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        open_sources(tmp_path, {})
    (tmp_path / "evaluation.json").write_text('{"evidence_grade": "excellent"}')
    with pytest.raises(ValueError, match="grade of evidence"):
        open_sources(tmp_path, {})


def test_a_table_of_answers_is_appraised(tmp_path):
    truth, score, probability = write_table(tmp_path / "p.csv")
    report = appraise(read_predictions(tmp_path / "p.csv"), 0.5, "retrospective", home="home", prevalence=0.1)
    assert report["performance"]["auc"]["value"] == pytest.approx(metrics.roc_auc_score(truth, score))
    assert report["calibration"]["brier"] == pytest.approx(metrics.brier_score_loss(truth, probability))
    recall = metrics.recall_score(truth, probability >= 0.5)
    assert report["operating"]["sensitivity"]["value"] == pytest.approx(recall)
    assert report["baselines"][0]["baseline"] == "size"
    assert report["baselines"][0]["gain"]["lower"] > 0
    assert {s["name"] for s in report["subgroups"]["site"]} == {"home", "away"}
    away = next(c for c in report["contrasts"]["site"] if c["name"] == "away")
    assert away["difference"]["upper"] < 0
    assert away["adjusted_p"] < 0.05
    assert report["gap"]["away"]["auc"]["lower"] > 0
    wrong = {f"c{i}" for i in np.flatnonzero((probability >= 0.5) != truth)}
    assert {f["case"] for f in report["failures"]} <= wrong
    assert report["precision"]["sensitivity"]["cases_for_5_points"] > 50


def test_appraised_answers_fill_the_items(bundle, tmp_path):
    write_table(tmp_path / "p.csv")
    report = appraise(read_predictions(tmp_path / "p.csv"), 0.5, "synthetic", home="home")
    write_json(tmp_path / "predictions.json", report)
    sources = open_sources(bundle, {"predictions": tmp_path / "predictions.json"})
    found = {e.item.identifier: e for e in gather(sources)}
    assert found["E13"].status == "present"
    assert found["E14"].status == "present"
    assert found["E13"].grade == "synthetic"
    assert found["E21"].status == "human_needed"


def test_faulty_tables_of_answers_are_refused(tmp_path):
    path = tmp_path / "p.csv"
    for changes, message in (
        ({"case": "c1"}, "more than once"),
        ({"probability": 1.2}, "between 0 and 1"),
        ({"truth": 2}, "both 0 and 1"),
    ):
        write_table(path, **changes)
        with pytest.raises(ValueError, match=message):
            read_predictions(path)
    path.write_text("case,patient\n")
    with pytest.raises(ValueError, match="truth, score, probability"):
        read_predictions(path)
