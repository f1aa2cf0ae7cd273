"""Bundles of format 2: several findings, several networks, readers that are asked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from coread.domain.bundle import Prompting
from coread.domain.codes import LUNG_NODULE, LUNG_OPACITY, Code
from coread.errors import BundleRefused
from coread.readers import open_bundle
from coread.readers.bundle import weights_digest
from coread.testing.networks import dividing_network

CURVE = {
    "score": [-2, 2],
    "probability": [0.1, 0.9],
    "lower": [0.05, 0.8],
    "upper": [0.2, 0.95],
    "level": 0.9,
    "calibrated_on": "100 drawn chests",
    "abstain": {"lower": 0.4, "upper": 0.6},
}
SHAPES = {"inputs": {"x": [None, 2]}}


def code(of: Code) -> dict[str, str]:
    return {
        "value": of.value,
        "scheme": of.scheme,
        "meaning": of.meaning,
        "meaning_zh": of.meaning_zh,
    }


FINDINGS = [
    {"code": code(LUNG_NODULE), "threshold": 0.5, "explanation_passed": False},
    {"code": code(LUNG_OPACITY), "threshold": 0.45, "explanation_passed": True},
]
CARD = {
    "format": 2,
    "identity": {"name": "drawn", "version": "1.0.0", "manufacturer": "CoRead"},
    "title": {"en": "Drawn", "zh": "绘制"},
    "intended_use": {"en": "Tests", "zh": "测试"},
    "limits": ["Drawings only"],
    "limits_zh": ["仅限绘图"],
    "modalities": ["CT"],
    "findings": FINDINGS,
    "networks": {"weights.onnx": SHAPES},
    "prompt": {"points": True, "boxes": False, "reach_mm": 30},
    "attribution": ["nobody"],
    "evidence_grade": "synthetic",
    "claims": {},
}


def pack(
    folder: Path, card=None, curves=None, measured=None, networks: tuple[str, ...] = ("weights.onnx",)
) -> Path:
    """Write a bundle whose hashes are right."""
    told = {**CARD, **(card or {})}
    values = [item["code"]["value"] for item in told["findings"]]
    held = dict.fromkeys(networks, dividing_network())
    digest = weights_digest({name: sha256(data) for name, data in held.items()})
    stated = {
        item["code"]["value"]: {k: item[k] for k in ("threshold", "explanation_passed")}
        for item in told["findings"]
    }
    evaluation = {"weights_sha256": digest, "findings": stated, **(measured or {})}
    held["calibration.json"] = json.dumps({"findings": curves or dict.fromkeys(values, CURVE)}).encode()
    held["evaluation.json"] = json.dumps(evaluation).encode()
    for name, data in held.items():
        (folder / name).write_bytes(data)
    hashes = {name: sha256(data) for name, data in held.items()}
    (folder / "card.json").write_text(json.dumps({**told, "files": hashes}))
    return folder


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_several_findings_and_the_prompt_are_on_the_card(tmp_path):
    bundle = open_bundle(pack(tmp_path))
    card = bundle.card
    assert (card.finding, card.threshold, card.explanation_passed) == (LUNG_NODULE, 0.5, False)
    assert [d.code for d in card.all_findings] == [LUNG_NODULE, LUNG_OPACITY]
    assert card.declared(LUNG_OPACITY).threshold == 0.45
    assert card.declared(Code("1", "SCT", "Other")) is None
    assert card.prompt == Prompting(points=True, boxes=False, reach_mm=30.0)
    assert bundle.calibrations.keys() == {LUNG_NODULE.value, LUNG_OPACITY.value}
    assert bundle.calibration == bundle.calibrations[LUNG_NODULE.value]


def test_its_network_is_loaded_by_its_declared_inputs(tmp_path):
    session = open_bundle(pack(tmp_path)).session()
    assert session.inputs == {"x": (None, 2)}


@pytest.mark.parametrize("inputs", [{"x": [None, 3]}, {"x": [1, 2]}, {"y": [None, 2]}, {"x": [None, 2, 2]}])
def test_a_network_of_another_input_shape_is_refused(tmp_path, inputs):
    bundle = open_bundle(pack(tmp_path, {"networks": {"weights.onnx": {"inputs": inputs}}}))
    with pytest.raises(BundleRefused, match=r"as declared.*weights.onnx"):
        bundle.session()


def test_one_digest_stands_for_several_networks(tmp_path):
    both = ("weights.onnx", "second.onnx")
    networks = dict.fromkeys(both, SHAPES)
    bundle = open_bundle(pack(tmp_path, {"networks": networks}, networks=both))
    digest = sha256(dividing_network())
    lines = f"second.onnx {digest}\nweights.onnx {digest}\n"
    assert bundle.card.identity.weights_sha256 == sha256(lines.encode())
    assert bundle.session("second.onnx").outputs == ("y",)
    with pytest.raises(BundleRefused, match="does not name"):
        bundle.session("third.onnx")


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"card": {"format": 3}}, "format 3"),
        ({"card": {"networks": {}}}, "does not declare each network"),
        ({"card": {"networks": {"weights.onnx": {}}}}, "no shapes"),
        ({"card": {"networks": {"weights.onnx": {"inputs": {"x": ["wide"]}}}}}, "no shapes"),
        ({"card": {"findings": []}}, "findings"),
        ({"card": {"findings": [FINDINGS[0], FINDINGS[0]]}}, "declared twice"),
        ({"card": {"findings": [FINDINGS[0], {**FINDINGS[1], "threshold": 1.0}]}}, "no threshold of Opacity"),
        ({"card": {"findings": [FINDINGS[0], {**FINDINGS[1], "threshold": 0.9}]}}, "abstention band"),
        ({"card": {"prompt": {"points": False, "boxes": False, "reach_mm": 10}}}, "prompt without"),
        ({"card": {"prompt": {"points": True, "boxes": False, "reach_mm": 1e9}}}, "reach beyond"),
        ({"card": {"prompt": {"points": True}}}, "boxes"),
        ({"curves": {LUNG_NODULE.value: CURVE}}, "calibrations that are not"),
        ({"measured": {"findings": {}}}, "contradicts its evaluation"),
        ({"measured": {"weights_sha256": "00"}}, "contradicts its evaluation"),
    ],
)
def test_what_does_not_hold_together_is_refused(tmp_path, changed, fault):
    with pytest.raises(BundleRefused, match=fault):
        open_bundle(pack(tmp_path, **changed))
