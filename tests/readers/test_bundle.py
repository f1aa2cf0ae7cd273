"""A bundle opens only if everything in it holds together."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from coread.errors import BundleRefused
from coread.readers import Band, card_gaps, open_bundle

SHIPPED = Path(__file__).resolve().parents[2] / "src/coread/readers/chest_radiograph/bundle"

CALIBRATION = {
    "score": [-2, 2],
    "probability": [0.1, 0.9],
    "lower": [0.05, 0.8],
    "upper": [0.2, 0.95],
    "level": 0.9,
    "calibrated_on": "100 drawn chests",
    "abstain": {"lower": 0.4, "upper": 0.6},
}
CARD = {
    "format": 1,
    "identity": {"name": "drawn", "version": "1.0.0", "manufacturer": "CoRead"},
    "title": {"en": "Drawn", "zh": "绘制"},
    "intended_use": {"en": "Tests", "zh": "测试"},
    "limits": ["Drawings only"],
    "limits_zh": ["仅限绘图"],
    "modalities": ["DX"],
    "finding": {"value": "112001", "scheme": "DCM", "meaning": "Opacity", "meaning_zh": "致密影"},
    "threshold": 0.5,
    "attribution": ["nobody"],
    "explanation_passed": True,
    "evidence_grade": "synthetic",
    "claims": {"/sites/0/auc": 0.75, "/a~1b/~0": "x"},
}
EVALUATION = {"threshold": 0.5, "explanation_passed": True, "sites": [{"auc": 0.75}], "a/b": {"~": "x"}}
WEIGHTS = b"weights"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pack(folder: Path, card=CARD, calibration=CALIBRATION, evaluation=EVALUATION, **files: bytes) -> Path:
    """Write a bundle whose hashes are right."""
    np.savez(folder / "gate.npz", mean=np.arange(3.0))
    held = {
        "weights.onnx": WEIGHTS,
        "calibration.json": json.dumps(calibration).encode(),
        "evaluation.json": json.dumps({"weights_sha256": sha256(WEIGHTS), **evaluation}).encode(),
        "gate.npz": (folder / "gate.npz").read_bytes(),
    } | {name.replace("_", "."): data for name, data in files.items()}
    for name, data in held.items():
        (folder / name).write_bytes(data)
    hashes = {name: sha256(data) for name, data in held.items()}
    (folder / "card.json").write_text(json.dumps({"files": hashes, **card}))
    return folder


def test_a_sound_bundle_opens(tmp_path):
    bundle = open_bundle(pack(tmp_path))
    assert str(bundle.card.identity) == "drawn 1.0.0"
    assert bundle.card.identity.weights_sha256 == sha256(WEIGHTS)
    assert (bundle.card.title_zh, bundle.card.finding.meaning_zh) == ("绘制", "致密影")
    assert bundle.calibration.band == Band(0.4, 0.6)
    assert bundle.calibration.confidence(0).level == 0.9
    assert bundle.evaluation["sites"] == [{"auc": 0.75}]
    assert bundle.weights() == (tmp_path / "weights.onnx", sha256(WEIGHTS))
    assert bundle.arrays("gate.npz")["mean"].tolist() == [0, 1, 2]
    assert card_gaps(bundle.card) == []


def test_whom_it_was_calibrated_on_is_said_in_both_languages_where_the_maker_did(tmp_path):
    told = CALIBRATION | {"calibrated_on_zh": "100 幅绘制的胸片"}
    sure = open_bundle(pack(tmp_path, calibration=told)).calibration.confidence(0)
    assert (sure.calibrated_on, sure.calibrated_on_zh) == ("100 drawn chests", "100 幅绘制的胸片")
    assert open_bundle(pack(tmp_path)).calibration.confidence(0).calibrated_on_zh == ""


@pytest.mark.parametrize("reader", ["chest_radiograph", "ct_nodule"])
def test_the_shipped_readers_say_it_in_both_languages(reader):
    curves = open_bundle(SHIPPED.parents[1] / reader / "bundle").calibrations
    assert all(curve.calibrated_on and curve.calibrated_on_zh for curve in curves.values())


@pytest.mark.parametrize("name", ["weights.onnx", "calibration.json", "evaluation.json", "gate.npz"])
def test_a_changed_file_is_refused(tmp_path, name):
    pack(tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleRefused, match=f"as packed.*{name}"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", ["card.json", "weights.onnx", "gate.npz"])
def test_a_missing_file_is_refused(tmp_path, name):
    (pack(tmp_path) / name).unlink()
    with pytest.raises(BundleRefused, match=f"missing.*{name}"):
        open_bundle(tmp_path)


def test_a_file_changed_after_opening_is_refused(tmp_path):
    bundle = open_bundle(pack(tmp_path))
    (tmp_path / "gate.npz").write_bytes(b"other")
    with pytest.raises(BundleRefused, match="as packed"):
        bundle.arrays("gate.npz")
    with pytest.raises(BundleRefused, match="the card does not name"):
        bundle.arrays("other.npz")


def test_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", trap=np.array([{"run": "me"}], dtype=object))
    bundle = open_bundle(pack(tmp_path, evil_npz=(tmp_path / "evil.npz").read_bytes(), text_npz=b"text"))
    for name in ("evil.npz", "text.npz"):
        with pytest.raises(BundleRefused, match="no plain arrays"):
            bundle.arrays(name)


def without(key: str) -> dict:
    return {name: value for name, value in CARD.items() if name != key}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"card": without("threshold")}, "lacks or garbles 'threshold'"),
        ({"card": {**CARD, "title": "Drawn"}}, "lacks or garbles"),
        ({"card": {**CARD, "identity": None}}, "lacks or garbles"),
        ({"card": {**CARD, "finding": {"value": "1"}}}, "lacks or garbles"),
        ({"card": {**CARD, "title": {"en": "Drawn", "zh": " "}}}, r"no title \(zh\)"),
        ({"card": {**CARD, "limits": []}}, r"no limits \(en\)"),
        ({"card": {**CARD, "limits_zh": []}}, r"no limits \(zh\)"),
        ({"card": {**CARD, "modalities": []}}, "no modalities"),
        ({"card": {**CARD, "threshold": 1.5}}, "no threshold between 0 and 1"),
        ({"card": {**CARD, "evidence_grade": "superb"}}, "evidence grade none of human_trial"),
        ({"card": {**CARD, "files": {}}}, "no hash for every file"),
        ({"card": {**CARD, "files": 3}}, "no hash for every file"),
        ({"card": {**CARD, "claims": {"/sites/0/auc": 0.99}}}, "contradicts its evaluation"),
        ({"card": {**CARD, "claims": {"/sites/7/auc": 0.75}}}, "contradicts its evaluation"),
        ({"card": {**CARD, "claims": {"/threshold/x": 0.75}}}, "contradicts its evaluation"),
        ({"card": {**CARD, "threshold": 0.55}}, "contradicts its evaluation.*/threshold"),
        ({"card": {**CARD, "explanation_passed": False}}, "contradicts its evaluation.*/explanation_passed"),
        (
            {"evaluation": {**EVALUATION, "weights_sha256": "00"}},
            "contradicts its evaluation.*/weights_sha256",
        ),
        (
            {"calibration": {**CALIBRATION, "abstain": {"lower": 0.6, "upper": 0.7}}},
            "outside the abstention band",
        ),
        ({"calibration": {**CALIBRATION, "abstain": {"lower": 0.8, "upper": 0.7}}}, "lower <= upper"),
        ({"calibration": {"score": [1, 2]}}, "a calibration without"),
        ({"calibration": {**CALIBRATION, "lower": [0.5, 0.8]}}, "lower <= probability <= upper"),
        ({"calibration": {**CALIBRATION, "score": ["a", "b"]}}, "of no use"),
        ({"evaluation_json": b"no json"}, "no JSON"),
        ({"evaluation_json": b"[]"}, "JSON that is no object"),
    ],
)
def test_a_bundle_that_does_not_hold_together_is_refused(tmp_path, changed, found):
    with pytest.raises(BundleRefused, match=found):
        open_bundle(pack(tmp_path, **changed))


def test_a_file_outside_of_the_bundle_is_refused(tmp_path):
    pack(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    card["files"]["../secret"] = "00"
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleRefused, match="folder in it"):
        open_bundle(tmp_path)


@pytest.mark.skipif(not (SHIPPED / "card.json").is_file(), reason="the chest reader's bundle is not here yet")
def test_the_bundle_that_ships_holds_together():
    bundle = open_bundle(SHIPPED)
    assert bundle.card.identity.name == "chest-radiograph"
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 20_000_000
