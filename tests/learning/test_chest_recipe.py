from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

from PIL import Image  # noqa: E402

from coread.learning.chest import chest_radiograph as recipe  # noqa: E402
from coread.learning.chest.appraisal import marked  # noqa: E402
from coread.learning.chest.augment import disturb  # noqa: E402
from coread.learning.chest.calibrating import GOAL, fit_calibration  # noqa: E402
from coread.learning.chest.cohort import NIH_FINDINGS, Radiograph, chest_cohort, foreign_images  # noqa: E402
from coread.learning.chest.export import export_onnx  # noqa: E402
from coread.learning.chest.gatekeeping import drawn, keyhole  # noqa: E402
from coread.learning.chest.recipe import keep_marks  # noqa: E402
from coread.learning.chest.shipping import Network, load_calibration, plain, save_calibration  # noqa: E402
from coread.learning.chest.transfer import ChestNet, freeze_early, training_mode  # noqa: E402
from coread.learning.evidence.gathering import gather, open_sources  # noqa: E402
from coread.learning.explaining.radiographs import box_mask, enlarged, on_input  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.readers.chest_radiograph.preprocess import Prepared  # noqa: E402
from coread.readers.uncertainty import uncalibrated  # noqa: E402


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return ChestNet(extra_labels=2).eval()


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(0).random((3, 1, 224, 224)).astype(np.float32)


def _cohort(folder, per_cell=4):
    items = []
    rng = np.random.default_rng(0)
    for index in range(per_cell * 8):
        adult, sick, val = index % 2, index // 2 % 2, index // 4 % 2
        path = folder / f"{index}.png"
        Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
        item = Radiograph(
            path=path, site="nih" if adult else "paediatric", patient=str(index),
            split="val" if val else "train",
            opacity=sick, kind="x", view=("AP", "PA")[index // 8 % 2] if adult else None,
            findings=(0,) * len(NIH_FINDINGS) if adult else None,
        )  # fmt: skip
        items.append(item)
    return items


def test_the_map_takes_the_logit_apart_without_remainder(net, inputs):
    logit, features, activation = net.read(torch.from_numpy(inputs))
    assert activation.shape == (3, 7, 7)
    assert features.shape == (3, 1280 + 40 + 112)
    assert torch.allclose(activation.mean((1, 2)), logit, atol=1e-4)


def test_a_mirrored_image_reads_the_same(net, inputs):
    image = torch.from_numpy(inputs)
    plain_side, mirrored = net.read(image), net.read(image.flip(3))
    assert torch.allclose(plain_side[0], mirrored[0], atol=1e-4)
    assert torch.allclose(plain_side[2], mirrored[2].flip(2), atol=1e-3)


def test_the_exported_network_agrees(net, inputs, tmp_path):
    path = tmp_path / "weights.onnx"
    export_onnx(net, path)
    with torch.no_grad():
        expected = [part.numpy() for part in net.read(torch.from_numpy(inputs))]
    for found, wanted in zip(Network(path)(inputs), expected, strict=True):
        assert found == pytest.approx(wanted, abs=1e-4)


def test_early_blocks_and_batch_statistics_stay(net):
    fresh = ChestNet()
    freeze_early(fresh, blocks=3)
    training_mode(fresh)
    assert not fresh.trunk._conv_stem.weight.requires_grad
    assert fresh.trunk._conv_head.weight.requires_grad
    assert not fresh.trunk._bn1.training
    assert fresh.training


def test_views_and_labels_are_drawn_evenly(tmp_path):
    cohort = _cohort(tmp_path)
    cohort += [item for item in cohort if item.view == "AP" and item.opacity][:1] * 5
    odds = recipe.drawing_odds(cohort)
    assert odds.sum() == pytest.approx(1)
    share = {}
    for item, chance in zip(cohort, odds, strict=True):
        key = (item.site, item.opacity, item.view)
        share[key] = share.get(key, 0) + chance
    assert len({round(v, 9) for k, v in share.items() if k[0] == "nih"}) == 1


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    cohort = _cohort(tmp_path)
    monkeypatch.setattr(recipe, "chest_cohort", lambda data: cohort)
    plan = recipe.Plan(epochs=1, settling_epochs=1, batch=4, threads=1)
    run = Run(tmp_path / "whole", 0)
    whole = recipe.train(tmp_path, run.folder, plan, lambda *_: None, run.remember)
    assert [entry["step"] for entry in run.read_json("history")] == [1, 2]
    assert {"loss", "val_auc_nih", "val_auc_paediatric"} <= run.read_json("history")[0].keys()

    def stop_after_one(text, share):
        if text.startswith("epoch 1:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recipe.train(tmp_path, tmp_path / "halved", plan, stop_after_one)
    resumed = recipe.train(tmp_path, tmp_path / "halved", plan, lambda *_: None)
    first, second = torch.load(whole, weights_only=True), torch.load(resumed, weights_only=True)
    assert all(torch.allclose(first[key], second[key], atol=1e-6) for key in first)


def test_another_plan_does_not_continue_a_run(tmp_path, monkeypatch):
    cohort = _cohort(tmp_path)
    monkeypatch.setattr(recipe, "chest_cohort", lambda data: cohort)
    recipe.train(
        tmp_path,
        tmp_path / "run",
        recipe.Plan(epochs=1, settling_epochs=0, batch=8, threads=1),
        lambda *_: None,
    )
    with pytest.raises(ValueError, match="another plan"):
        recipe.train(
            tmp_path,
            tmp_path / "run",
            recipe.Plan(epochs=2, settling_epochs=0, batch=8, threads=1),
            lambda *_: None,
        )


def test_disturbing_is_seeded_and_keeps_the_shape():
    image = np.random.default_rng(0).integers(0, 256, (80, 60), dtype=np.uint8)
    for seed in range(30):
        first, second = (disturb(image, np.random.default_rng(seed)) for _ in "ab")
        assert first.shape == image.shape
        assert np.isfinite(first).all()
        assert (first == second).all()


def test_disturbances_reach_from_none_to_strong_noise_and_strong_blur():
    grain = []
    for seed in range(60):
        found = disturb(np.full((96, 96), 128, np.uint8), np.random.default_rng(seed))[20:76, 20:76]
        assert found.min() >= 0
        assert found.max() <= 1
        grain.append(float(np.diff(found, axis=1).std()))
    assert np.quantile(grain, 0.2) < 0.004
    assert max(grain) > 0.06
    stripes = np.tile(np.array([0, 0, 255, 255], np.uint8), (96, 24))
    kept = [float(disturb(stripes, np.random.default_rng(seed))[20:76, 20:76].std()) for seed in range(60)]
    assert min(kept) < 0.1
    assert max(kept) > 0.3


def test_calibration_survives_the_way_to_the_bundle(tmp_path):
    rng = np.random.default_rng(0)
    items = _cohort(tmp_path, per_cell=25)
    logits = np.array([2.0 * item.opacity - 1 for item in items]) + rng.normal(size=len(items))
    curve, threshold = fit_calibration(items, logits)
    save_calibration(curve, threshold, tmp_path / "calibration.json")
    assert load_calibration(tmp_path / "calibration.json") == (curve, threshold)
    assert curve.band.lower <= threshold <= curve.band.upper
    sure = curve.confidence(float(logits.max()))
    assert sure.lower <= sure.probability <= sure.upper


def test_the_band_is_empty_where_nothing_goes_wrong():
    truth, weight = np.array([0, 0, 1, 1]), np.ones(4)
    assert GOAL.reach(truth, np.array([0.1, 0.2, 0.8, 0.9]), weight) == 0


def test_the_band_covers_the_wrong_calls_until_the_goal_is_met():
    truth, weight = np.array([0] * 5 + [1] * 5), np.ones(10)
    probability = np.array([0.01, 0.02, 0.03, 0.04, 0.55, 0.45, 0.96, 0.97, 0.98, 0.99])
    reach = GOAL.reach(truth, probability, weight)
    assert np.log(0.55 / 0.45) == pytest.approx(reach, abs=1e-6)


def test_nonsense_is_grey_and_seeded():
    first, second = (list(drawn(np.random.default_rng(1), 2)) for _ in "ab")
    assert len(first) == 10
    assert all(image.dtype == np.uint8 and image.shape == (256, 256) for image in first)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert keyhole(first[0], np.random.default_rng(0)).size < first[0].size / 4


def test_a_box_on_the_image_lies_there_on_the_input_too():
    mask = np.zeros((200, 200), dtype=bool)
    mask[100:110, 50:60] = True
    ready = Prepared(np.zeros((1, 1, 224, 224), np.float32), (100, 50, 170, 120), (200, 200))
    found = on_input(mask, ready)
    assert found[:30, :30].all()
    assert not found[34:].any()
    assert enlarged(np.eye(7, dtype=np.float32), ready.tensor).shape == (224, 224)


def test_a_box_becomes_a_mask(tmp_path):
    item = Radiograph(tmp_path, "nih", "1", "val", 1, "x", box_xywh=(2, 1, 3, 2))
    assert box_mask(item, (5, 6)).sum() == 6


def test_figures_become_plain_json():
    assert plain({"a": np.float64(0.12345678), "b": (np.int64(3), float("nan"), True)}) == {
        "a": 0.123457,
        "b": [3, None, True],
    }


def test_a_run_keeps_answers_and_failures_from_which_evidence_is_made(tmp_path):
    items, run = _cohort(tmp_path, per_cell=20), Run(tmp_path / "run", 0)
    rng = np.random.default_rng(0)
    score = np.clip(
        0.5 * np.array([item.opacity for item in items]) + 0.25 + 0.2 * rng.normal(size=160), 0, 1
    )
    marks = marked(items, score, uncalibrated(0.5), 0.5)
    wrong = int(((score >= 0.5) != [bool(item.opacity) for item in items]).sum())
    keep_marks(run, marks, rng.normal(size=160))
    assert len(run.path("answers.csv").read_text().splitlines()) == 161
    gallery = run.read_json("failures")
    assert len(gallery) == min(wrong, 24)
    assert all(run.path(shown["picture"]).is_file() for shown in gallery)
    (tmp_path / "evaluation.json").write_text('{"evidence_grade": "retrospective"}')
    made = {
        e.item.identifier: e
        for e in gather(open_sources(tmp_path, {"predictions": run.path("predictions.json")}))
    }
    assert made["E21"].status == "human_needed"
    assert "precision reached" in made["E08"].found


@pytest.mark.shared_data
def test_no_patient_lies_in_two_splits(shared_data):
    splits = {}
    for item in chest_cohort(shared_data):
        splits.setdefault(item.patient, set()).add(item.split)
    assert all(len(found) == 1 for found in splits.values())


@pytest.mark.shared_data
def test_foreign_images_come_from_every_set(shared_data):
    found = {name for name, image in foreign_images(shared_data, "test", 3) if image.ndim == 2}
    assert found == {"ct_crop", "ct_slice", "ultrasound", "blood_cell", "blood_field"}
