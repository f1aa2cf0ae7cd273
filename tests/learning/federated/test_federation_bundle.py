"""A finished federation becomes a bundle that the chest reader opens, or is refused with the reason."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

import csv
import json
from dataclasses import replace

import numpy as np
from federation_rooms import Rooms
from PIL import Image
from scipy import ndimage

from coread.errors import BundleRefused, FederationRefused
from coread.learning.federated.coordinator.conducting import Conducting
from coread.learning.federated.coordinator.keeping import Kept, demand_finished
from coread.learning.federated.packing.bundle import Finished, make_bundle, package_at
from coread.learning.federated.packing.combining import curve_of
from coread.learning.federated.plan.code import code_sha256
from coread.learning.federated.plan.plan import Privacy
from coread.learning.federated.plan.words import in_words
from coread.learning.federated.task import SiteData
from coread.learning.federated.tasks.sites import chest_opacity, nodule_malignancy
from coread.readers import Machine, open_bundle
from coread.readers.chest_radiograph.reader import reader_of
from coread.readers.run import Unfit

TASK = "coread.learning.federated.tasks.sites:chest_opacity"
PARTS = {"train": 20, "val": 22, "test": 22}


def write_radiographs(folder, seed):
    """Drawn pictures with two dark lungs; every other one has a bright cloud in one of them."""
    rng = np.random.default_rng(seed)
    place = folder / "cxr_nih"
    (place / "images").mkdir(parents=True)
    y, x = np.mgrid[0:224, 0:224] / 224
    rows = []
    for part, count in PARTS.items():
        for at in range(count):
            sick = at % 2
            lungs = sum(np.exp(-((x - c) ** 2 / 0.018 + (y - 0.5) ** 2 / 0.07)) for c in (0.3, 0.7))
            body = 0.75 - 0.55 * lungs + 0.12 * ndimage.gaussian_filter(rng.normal(size=x.shape), 6) * 12
            cloud = np.exp(-((x - rng.choice([0.3, 0.7])) ** 2 + (y - rng.uniform(0.4, 0.6)) ** 2) / 0.012)
            grey = np.clip((body + 0.6 * sick * cloud + 0.04 * rng.normal(size=x.shape)) * 220, 4, 250)
            name = f"{part}{at}.png"
            Image.fromarray(grey.astype(np.uint8)).save(place / "images" / name)
            label = "pneumonia" if sick else "normal"
            rows.append({"file": name, "patient": f"{part}{at}", "split": part, "folder_label": label})
    with (place / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Three sites have trained under secure aggregation; gives the rooms, the plan and the task."""
    folder = tmp_path_factory.mktemp("packed")
    rooms = Rooms(folder)
    for at, site in enumerate(rooms.sites.values()):
        write_radiographs(folder / "data" / site.settings.name, at)
    options = {"cache": str(folder / "cache"), "norm": "shared", "look": "plain"}
    plan = rooms.planned(
        name="chest-together", task=TASK, options=options, query={"source": "nih"}, pack=True, rounds=4,
        strategy={"name": "site-balanced", "local": {"steps": 10, "batch": 8, "rate": 1e-3}},
        code_sha256=code_sha256(TASK), privacy=Privacy(secure_aggregation=True), least_sites=3,
    )  # fmt: skip
    rooms.approve(plan)
    rounds = rooms.rounds(plan)
    task = chest_opacity(**options)
    state = rounds.run(lambda: task.initial(0))
    conducting = Conducting(None, plan, rooms.wire, lambda *_: None)
    result = conducting.result(rounds, state)
    Kept(rooms.folder / "coordinator", plan).write("result", result)
    return rooms, plan, task


@pytest.fixture(scope="module")
def finished(ended):
    rooms, plan, _ = ended
    state, result = demand_finished(Kept(rooms.folder / "coordinator", plan))
    return Finished(plan, state.parameters, result, "Three hospitals")


@pytest.fixture(scope="module")
def packed(ended, finished, tmp_path_factory):
    _, plan, task = ended
    place = package_at(plan, task, tmp_path_factory.mktemp("package"))
    make_bundle(finished, task, place)
    return place


def test_the_reader_says_what_the_sites_measured(ended, packed):
    rooms, plan, task = ended
    bundle = open_bundle(packed)
    reader = reader_of(bundle, Machine())
    data = SiteData("site0", rooms.folder / "data" / "site0", {"source": "nih"})
    parameters = rooms.rounds(plan).kept.load()[1].parameters
    held = task.judged(data, parameters, "test")
    for at in range(3):
        with Image.open(data.folder / "cxr_nih" / "images" / f"test{at}.png") as image:
            said = reader.read_display(np.asarray(image, np.float32))
        assert not isinstance(said, Unfit)
        assert said.score == pytest.approx(held.score[at], abs=2e-3)
        assert said.saliency.mean() + reader.neutral == pytest.approx(said.score, abs=2e-3)


def test_card_and_evaluation_tell_each_site_apart(packed):
    bundle = open_bundle(packed)
    sites = bundle.evaluation["sites"]
    assert set(sites) == {"site0", "site1", "site2"}
    for held in sites.values():
        assert held["auc"]["lower"] <= held["auc"]["value"] <= held["auc"]["upper"]
        assert held["counts"] == {"cases": "22", "positives": "11", "negatives": "11", "patients": "22"}
        assert held["auc"]["value"] > 0.7
    assert bundle.evaluation["federation"]["secure_aggregation"] is True
    card = json.loads((packed / "card.json").read_text(encoding="utf-8"))
    assert any("site1" in limit for limit in card["limits"])
    assert any("site1" in limit for limit in card["limits_zh"])
    assert card["claims"]["/sites/site2/auc/value"] == sites["site2"]["auc"]["value"]


def test_it_is_a_package_that_names_its_reader(packed):
    root = packed.parents[2]
    assert '"chest_together:reader"' in (root / "pyproject.toml").read_text()
    compile((packed.parent / "__init__.py").read_text(), "reader", "exec")


def test_something_else_is_refused_by_the_gate(packed):
    reader = reader_of(open_bundle(packed), Machine())
    noise = np.random.default_rng(0).normal(size=(224, 224)).astype(np.float32)
    assert isinstance(reader.read_display(noise), Unfit)


def test_a_site_that_loses_stops_the_bundle(ended, finished, tmp_path):
    packed = finished.result["packed"]
    lost = {"value": -0.1, "lower": -0.15, "upper": -0.05, "n": 22}
    sites = {**packed["sites"], "site1": {**packed["sites"]["site1"], "gain": lost}}
    worse = replace(finished, result={**finished.result, "packed": {**packed, "sites": sites}})
    with pytest.raises(FederationRefused, match=r"site1 \(-0.100"):
        make_bundle(worse, ended[2], tmp_path)


def test_a_card_that_claims_more_is_refused(packed, tmp_path):
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    card["claims"]["/sites/site0/auc/value"] = 0.999
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BundleRefused):
        open_bundle(tmp_path)


def test_weights_that_were_changed_are_refused(packed, tmp_path):
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "weights.onnx").write_bytes((packed / "weights.onnx").read_bytes() + b"\0")
    with pytest.raises(BundleRefused, match=r"weights\.onnx"):
        open_bundle(tmp_path)


def test_own_statistics_make_no_common_network(finished, tmp_path):
    with pytest.raises(FederationRefused, match="each site's own statistics"):
        make_bundle(finished, chest_opacity(norm="own", look="plain", cache=str(tmp_path)), tmp_path)


def test_a_task_without_a_reader_says_so(finished, tmp_path):
    task = nodule_malignancy(norm="shared", cache=str(tmp_path))
    with pytest.raises(FederationRefused, match="nodule-malignancy"):
        make_bundle(finished, task, tmp_path)


def test_few_validation_patients_give_no_curve():
    with pytest.raises(FederationRefused, match="11 validation cases"):
        curve_of({"site0": {"gate": None}})


def test_the_curve_covers_what_sites_differ_by():
    one = {"lines": [[1.0, -1.0], [1.1, -1.1], [0.9, -0.9]], "cases": 100, "scores": [-2.0, 2.0]}
    other = {"lines": [[1.0, 1.0], [1.1, 1.1], [0.9, 0.9]], "cases": 100, "scores": [-2.0, 2.0]}
    at = [curve_of(said) for said in ({"a": one}, {"a": one, "b": other})]
    middle = [int(np.argmin(np.abs(np.array(c.score)))) for c in at]
    width = [c.upper[k] - c.lower[k] for c, k in zip(at, middle, strict=True)]
    assert at[1].probability[middle[1]] == pytest.approx(0.5, abs=0.02)
    assert width[1] > 3 * width[0]


def test_a_site_does_not_pack_beside_the_plan(ended):
    rooms, plan, _ = ended
    bare = replace(plan, pack=False)
    rooms.approve(bare)
    rounds = rooms.rounds(bare)
    order = rounds.asking.order("calibrate", facts={"round": 1}, arrays={"parameters": {}})
    answer = rooms.wire.desks["site0"].answer(order)
    assert answer.kind == "refused"
    assert "no bundle" in answer.facts["reason"]


@pytest.mark.parametrize(("language", "words"), [("en", "mean and spread"), ("zh", "可安装的模型包")])
def test_the_plan_says_what_else_leaves(ended, language, words):
    assert words in in_words(ended[1], language)
