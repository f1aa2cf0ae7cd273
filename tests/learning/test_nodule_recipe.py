"""The nodule recipe from drawn pictures to a bundle that the clinic opens."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from drawn_nodules import drawn_cohort  # noqa: E402

from coread.dicom import open_object  # noqa: E402
from coread.domain import codes  # noqa: E402
from coread.domain.finding import Confidence  # noqa: E402
from coread.domain.reading import Prompt  # noqa: E402
from coread.learning.evidence.predictions import read_predictions  # noqa: E402
from coread.learning.nodule.cohort import lidc  # noqa: E402
from coread.learning.nodule.export import OUTPUTS, clinic_look, export_onnx  # noqa: E402
from coread.learning.nodule.outlining import Plan  # noqa: E402
from coread.learning.nodule.packing import gatekeeping, recipe, shipping  # noqa: E402
from coread.learning.nodule.packing.calibrating import GOAL, THRESHOLD, abstaining, curve_of  # noqa: E402
from coread.learning.nodule.rating import curves, judging, malignancy, ranking  # noqa: E402
from coread.learning.nodule.rating.measured import COLUMNS, measure  # noqa: E402
from coread.learning.nodule.teaching import lessons, standardised_ratings  # noqa: E402
from coread.learning.nodule.unet import NoduleNet  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.readers import Machine, open_bundle  # noqa: E402
from coread.readers.ct_nodule import reader_of  # noqa: E402
from coread.readers.ct_nodule.traits import CONCEPTS, MALIGNANCY  # noqa: E402
from coread.readers.ct_nodule.window import CHANNELS, SIDE, Spot  # noqa: E402
from coread.testing.patients import dicom_from_pixels  # noqa: E402
from coread.testing.prompted import ask_one  # noqa: E402

SCALE = malignancy.Scale(Plan(steps=80, batch=8, width=8, rating_weight=0.3, elsewhere=0.2), None, 2)


@pytest.fixture(scope="module")
def cohort():
    return drawn_cohort()


@pytest.fixture(scope="module")
def shipped(cohort, tmp_path_factory):
    """A bundle of the drawn cohort, with the run that made it."""
    folder = tmp_path_factory.mktemp("nodule")
    patch = pytest.MonkeyPatch()
    for module in (recipe, shipping):
        patch.setattr(module, "lidc", lambda data: cohort)
    patch.setattr(gatekeeping, "foreign_views", strange)
    run, made = Run(folder / "run", 1), recipe.CtNoduleRecipe(SCALE)
    made.train(folder, run)
    for step in (made.bundle, made.evaluate, made.explain):
        step(folder, run, folder / "bundle")
    patch.undo()
    return run, folder / "bundle"


def strange(data, split, rng):
    for _ in range(12):
        stripes, phase = np.tile(np.arange(96) % 8, (96, 1)), int(rng.integers(40, 56))
        yield "stripes", gatekeeping.view_of(stripes, Spot(48.0, float(phase)))
        yield "noise", gatekeeping.view_of(rng.random((96, 96)), Spot(48.0, 48.0))


def test_the_exported_network_agrees(tmp_path):
    torch.manual_seed(0)
    net = NoduleNet(4, 2).eval()
    export_onnx(net, tmp_path / "weights.onnx")
    windows = np.random.default_rng(0).random((3, CHANNELS, SIDE, SIDE), np.float32)
    said = clinic_look(tmp_path / "weights.onnx")(windows)
    with torch.no_grad():
        expected = net.read(torch.from_numpy(windows))
    for name, values in zip(OUTPUTS, expected, strict=True):
        assert said[name] == pytest.approx(values.numpy(), abs=1e-4)


def test_the_bundle_opens_and_makes_a_reader(shipped):
    opened = open_bundle(shipped[1])
    made = reader_of(opened, Machine())
    assert made.card.prompt is not None
    assert [declared.code for declared in made.card.all_findings] == [codes.LUNG_NODULE, MALIGNANCY]
    assert set(made.ratios) == {codes.LONG_AXIS.value, codes.SHORT_AXIS.value, codes.VOLUME.value}
    assert all(0 < low <= high for low, high in made.ratios.values())
    assert opened.card.limits_zh
    assert len(opened.card.limits) == len(opened.card.limits_zh)


def test_every_figure_of_the_evaluation_has_an_interval_and_a_baseline(shipped):
    held = json.loads((shipped[1] / "evaluation.json").read_text())
    for row in held["rows"]:
        assert row["figure"]["lower"] <= row["figure"]["value"] <= row["figure"]["upper"], row["what"]
    assert held["evidence_grade"] == "retrospective"
    assert held["areas"].keys() >= {"size", "readers_area", "bottleneck"}
    assert held["gate"]["noise"]["refused"]["value"] == 1
    assert held["seeds"] == 1


def test_answers_and_failures_are_kept_for_the_evidence(shipped, cohort):
    held = read_predictions(shipped[0].path("answers.csv"))
    assert set(held.names) <= {nodule.nodule_id for nodule in cohort.where("test")}
    assert held.baselines.keys() == {"own size"}
    assert held.groups.keys() == {"vendor", "sex", "size", "age"}
    assert all(shipped[0].path(each["picture"]).is_file() for each in shipped[0].read_json("failures"))
    assert shipped[0].read_json("history")[-1]["step"] == SCALE.plan.steps


def test_a_step_done_twice_writes_the_same_bundle(shipped, cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(shipping, "lidc", lambda data: cohort)
    monkeypatch.setattr(gatekeeping, "foreign_views", strange)
    shipping.make_bundle(tmp_path, shipped[0], tmp_path / "again", SCALE)
    for name in ("weights.onnx", "calibration.json"):
        assert (tmp_path / "again" / name).read_bytes() == (shipped[1] / name).read_bytes()
    with np.load(tmp_path / "again" / "judge.npz") as first, np.load(shipped[1] / "judge.npz") as second:
        assert all(np.array_equal(first[name], second[name]) for name in first.files)


def test_test_patients_are_not_looked_at_before_evaluate(shipped, cohort, tmp_path, monkeypatch):
    asked = []
    where = type(cohort).where

    def watched(self, split, at_least_readers=1):
        asked.append(split)
        return where(self, split, at_least_readers)

    monkeypatch.setattr(type(cohort), "where", watched)
    monkeypatch.setattr(shipping, "lidc", lambda data: cohort)
    monkeypatch.setattr(recipe, "lidc", lambda data: cohort)
    monkeypatch.setattr(gatekeeping, "foreign_views", strange)
    made, run = recipe.CtNoduleRecipe(malignancy.Scale(Plan(steps=2, batch=4, width=4), None, 1)), shipped[0]
    made.train(tmp_path, Run(tmp_path / "run", 2))
    recipe.CtNoduleRecipe(SCALE).bundle(tmp_path, run, tmp_path / "bundle")
    assert set(asked) == {"train", "val"}


def test_what_the_readers_said_of_a_nodule_adds_up(cohort):
    for nodule in cohort.nodules:
        for concept, values in CONCEPTS.items():
            shares = judging.said(nodule, concept)
            assert shares.shape == (len(values),)
            assert shares.sum() == pytest.approx(1)
    odd = cohort.nodules[1]
    assert judging.said(odd, codes.CALCIFICATION)[1] == pytest.approx(0.25)


def test_soft_labels_are_learned():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 4))
    chance = 1 / (1 + np.exp(-2 * features[:, 0]))
    target = np.stack([1 - chance, chance], 1)
    weights = judging.fit_shares(features, target, np.ones(300), 10.0)
    assert weights[0, 1] == pytest.approx(2, abs=0.2)
    assert judging.cross_entropy(target, target) <= judging.cross_entropy(target, np.full((300, 2), 0.5))


def test_equal_size_leaves_size_without_power():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 200)
    sizes = np.exp(rng.normal(2 + 0.8 * truth, 0.5))
    looks = truth + rng.normal(0, 0.7, 200)
    patients = [str(i) for i in range(200)]
    alone, pairs = ranking.equal_size_area(truth, sizes[None], sizes, patients)
    better, _ = ranking.equal_size_area(truth, looks[None], sizes, patients)
    assert pairs > 100
    assert ranking.area(truth, sizes[None], patients).value > 0.8
    assert alone.value < 0.6
    assert better.lower > 0.7


def test_the_gain_of_a_score_over_itself_is_nothing():
    truth, score = np.array([0, 1, 0, 1, 1]), np.array([[0.1, 0.9, 0.4, 0.3, 0.8]])
    gain = ranking.area_gain(truth, score, score, list("abcde"))
    assert (gain.value, gain.lower, gain.upper) == (0, 0, 0)


def test_a_curve_is_calibrated_and_its_band_holds_the_threshold():
    rng = np.random.default_rng(2)
    score = rng.normal(0, 2, 400)
    truth = (rng.random(400) < 1 / (1 + np.exp(-score))).astype(int)
    patients = [str(i) for i in range(400)]
    curve = abstaining(curve_of(truth, score, patients, "temperature", ("drawn", "绘制")), truth, score)
    assert curve.confidence(0.0).probability == pytest.approx(0.5, abs=0.1)
    assert curve.band.lower <= THRESHOLD <= curve.band.upper
    assert GOAL.reach(np.array([0, 1]), np.array([0.1, 0.9])) == 0


@pytest.mark.parametrize("how", curves.CURVES)
def test_each_way_mends_log_odds_that_are_too_bold(how):
    rng = np.random.default_rng(3)
    score = rng.normal(0, 2, 600)
    truth = (rng.random(600) < 1 / (1 + np.exp(-score))).astype(int)
    curve = curves.CURVES[how](truth[:300], 3 * score[:300], np.ones(300))
    bold = 1 / (1 + np.exp(-3 * score[300:]))
    assert curves.log_loss(truth[300:], curve(3 * score[300:])) < curves.log_loss(truth[300:], bold) - 0.1


def test_patients_held_back_choose_the_way():
    rng = np.random.default_rng(4)
    score = rng.normal(0, 2, 300)
    truth = (rng.random(300) < 0.02 + 0.5 / (1 + np.exp(-6 * score))).astype(int)
    chosen, losses = curves.choose(truth, score, [str(i // 2) for i in range(300)])
    assert losses.keys() == curves.CURVES.keys()
    assert chosen != "temperature"  # its curve passes through one half, which is wrong here
    assert losses[chosen] == min(losses.values())


def test_nodules_are_measured_once_with_every_column(cohort, tmp_path):
    torch.manual_seed(0)
    export_onnx(NoduleNet(4).eval(), tmp_path / "weights.onnx")
    look = clinic_look(tmp_path / "weights.onnx")
    held = measure(cohort, cohort.where("val"), look, np.random.default_rng(0), lambda share: None)
    assert held.numbers.shape == (len(cohort.where("val")), len(COLUMNS))
    assert (held.column("read_area_mm2") > 0).all()
    assert (held.size_mm[~held.seen] == 0).all()


def test_lessons_hold_every_reader_and_rating(cohort):
    held = lessons(cohort, cohort.where("train"))
    assert held.ratings is not None
    assert held.ratings.shape == (len(cohort.where("train")), 9)
    assert len(np.unique(held.targets)) > 2
    assert standardised_ratings(cohort.where("train")).mean(0) == pytest.approx(np.zeros(9), abs=1e-5)


@pytest.mark.shared_data
def test_the_published_cohort_is_as_described(shared_data):
    cohort = lidc(shared_data)
    assert len(cohort.nodules) == 2020
    splits = {}
    for nodule in cohort.nodules:
        splits.setdefault(nodule.patient, set()).add(nodule.split)
        assert all(len(rated) == nodule.readers for rated in nodule.ratings.values())
    assert all(len(found) == 1 for found in splits.values())
    unmarked = [n for n in cohort.nodules if not cohort.slices.masks[list(n.rows)].any()]
    assert unmarked == []


def asked(cohort, nodule, spacing=0.7):
    """The nodule's slices as CT objects, and a point on it."""
    images = []
    for place, row in enumerate(nodule.rows):
        facts = {
            "PixelSpacing": [spacing, spacing], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [0.0, 0.0, float(place)], "InstanceNumber": place + 1,
        }  # fmt: skip
        pixels = cohort.slices.images[row].astype(np.int16)
        images.append(open_object(dicom_from_pixels(pixels, modality="CT", facts=facts)))
    middle = np.argwhere(cohort.slices.consensus(nodule, nodule.rows[0])).mean(0)
    return images, Prompt(images[0].header.ref, point=(middle[1] + 0.5, middle[0] + 0.5))


def test_the_clinic_s_reader_answers_from_the_bundle(shipped, cohort):
    made = reader_of(open_bundle(shipped[1]), Machine())
    nodule = cohort.where("test")[0]
    images, prompt = asked(cohort, nodule)
    found = {finding.code: finding for finding in ask_one(made, (images, prompt)).findings}
    sizes = {m.quantity: m for m in found[codes.LUNG_NODULE].measurements}
    assert sizes[codes.LONG_AXIS].value == pytest.approx(nodule.diameter_mm, rel=0.5)
    assert sizes[codes.LONG_AXIS].lower <= sizes[codes.LONG_AXIS].value <= sizes[codes.LONG_AXIS].upper
    assert found[codes.LUNG_NODULE].outlines[0].mask()[int(prompt.point[1]), int(prompt.point[0])]
    assert len(found[codes.LUNG_NODULE].similar) == 3
    malignancy = found[MALIGNANCY]
    assert made.reconsider(malignancy) == malignancy.confidence
    corrected = [
        replace(trait, value=trait.choices[0].value, confidence=Confidence(1.0, 1.0, 1.0))
        for trait in malignancy.characteristics
    ]
    again = made.reconsider(replace(malignancy, characteristics=tuple(corrected)))
    assert again.probability != malignancy.confidence.probability
