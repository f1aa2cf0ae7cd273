from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

import onnx
import torch
from PIL import Image

from coread.learning.chest.calibrating import case_weights, sick_shares
from coread.learning.chest.cohort import Radiograph
from coread.learning.chest.export import export_onnx
from coread.learning.chest.shipping import Network, recover
from coread.learning.chest.sites import harmonise, looks, mixing
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.chest.sites.blend import Blend, Group, Mixture
from coread.learning.chest.sites.gaps import areas_by, difference
from coread.learning.chest.sites.heads import Head, aligned, balanced, fit_eraser, fit_head
from coread.learning.chest.sites.looks import Look, eye_of, looked, shown
from coread.learning.chest.sites.trunks import imagenet_net, net_of_onnx
from coread.learning.chest.transfer import ChestNet, low_pass, softened
from coread.readers.networks import apart

CHANNELS = 1280 + 40 + 112


@pytest.fixture(scope="module")
def net():
    made = imagenet_net()
    torch.manual_seed(1)
    with torch.no_grad():
        for block in list(made.trunk._blocks)[3:]:
            block._bn2.bias.add_(torch.randn_like(block._bn2.bias) * 0.1)
    return made


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(0)
    adult, child, switch = (Head(rng.normal(size=CHANNELS) * 0.05, 0.2) for _ in "abc")
    return Mixture(Group(0.6, adult), Group(1.5, child), switch)


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(0).random((3, 1, 224, 224)).astype(np.float32)


def test_the_blend_is_the_sum_of_its_parts(net, mixture, inputs, tmp_path):
    blend = Blend(net, imagenet_net(), mixture).eval()
    with torch.no_grad():
        image = torch.from_numpy(inputs)
        score, features, _ = blend.read(image)
        tuned, tuned_features, _ = net.read(image)
    eye = eye_of(imagenet_net(), tmp_path)
    plain = [eye(x).pooled[:, :CHANNELS] for x in (inputs, inputs[..., ::-1])]
    seen = np.mean(plain, axis=0)
    adult, child = (g.tuned_share * tuned.numpy() + g.plain(seen) for g in (mixture.adult, mixture.child))
    switch = 1 / (1 + np.exp(-mixture.switch(tuned_features.numpy())))
    assert score.numpy() == pytest.approx((1 - switch) * adult + switch * child, abs=1e-3)
    assert features.numpy() == pytest.approx(tuned_features.numpy(), abs=1e-4)


def test_a_trunk_is_computed_on_after_its_process_has_ended(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "IDLE_S", 0.2)
    eye = eye_of(imagenet_net(), tmp_path)
    first = eye(inputs[:1]).pooled
    time.sleep(1)
    assert np.array_equal(eye(inputs[:1]).pooled, first)


def test_the_blends_map_takes_its_score_apart(net, mixture, inputs):
    with torch.no_grad():
        score, _, activation = Blend(net, imagenet_net(), mixture).eval().read(torch.from_numpy(inputs))
    assert activation.shape == (3, 28, 28)
    assert torch.allclose(activation.mean((1, 2)), score, atol=1e-4)


@pytest.fixture(scope="module")
def files(net, mixture, tmp_path_factory):
    """The network alone and in the blend, as files."""
    folder = tmp_path_factory.mktemp("files")
    export_onnx(net, folder / "weights.onnx")
    export_onnx(Blend(net, imagenet_net(), mixture).eval(), folder / "blend.onnx")
    return folder


def test_the_exported_blend_is_half_as_large_and_agrees(net, mixture, inputs, files):
    blend = Blend(net, imagenet_net(), mixture).eval()
    assert (files / "blend.onnx").stat().st_size < 15_000_000
    with torch.no_grad():
        expected = [part.numpy() for part in blend.read(torch.from_numpy(inputs))]
    for found, wanted in zip(Network(files / "blend.onnx")(inputs), expected, strict=True):
        assert np.abs(found - wanted).max() < 0.03 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize(("name", "near"), [("weights.onnx", 1e-4), ("blend.onnx", 0.02)])
def test_a_network_comes_back_from_its_file(net, inputs, files, name, near):
    back = net_of_onnx(files / name)
    with torch.no_grad():
        first, second = net.read(torch.from_numpy(inputs))[0], back.read(torch.from_numpy(inputs))[0]
    assert torch.allclose(first, second, atol=near)


def test_the_low_pass_keeps_flat_images_and_takes_stripes_out():
    flat = torch.full((1, 1, 32, 32), 0.3)
    stripes = torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(8).expand(1, 1, 32, 32).contiguous()
    assert low_pass(1.5).sum() == pytest.approx(1)
    assert torch.allclose(softened(flat, low_pass(1.5)), flat, atol=1e-6)
    assert softened(stripes, low_pass(1.5))[..., 8:24].std() < 0.1 * stripes.std()
    assert softened(stripes, low_pass(0)) is stripes


def test_a_low_pass_goes_into_the_blends_file_and_comes_back(net, mixture, inputs, tmp_path):
    plain, soft = imagenet_net(), imagenet_net()
    soft.load_state_dict(net.state_dict())
    plain.kernel = soft.kernel = low_pass(1.5)
    blend = Blend(soft, plain, mixture).eval()
    export_onnx(blend, tmp_path / "blend.onnx")
    back = net_of_onnx(tmp_path / "blend.onnx")
    assert torch.allclose(back.kernel, low_pass(1.5), atol=1e-4)
    with torch.no_grad():
        image = torch.from_numpy(inputs)
        wanted, features, _ = blend.read(image)
        assert torch.allclose(back.read(image)[1], features, atol=0.05)
        assert not torch.allclose(net.read(image)[1], features, atol=0.05)
    assert Network(tmp_path / "blend.onnx")(inputs)[0] == pytest.approx(wanted.numpy(), rel=0.05, abs=0.05)


def test_the_plain_trunk_is_seen_through_the_tuned_ones_low_pass(net, tmp_path):
    soft = imagenet_net()
    soft.kernel = low_pass(1.5)
    sharp, soft_atlas = (Atlas(tmp_path, tmp_path, lambda *_: None, tuned=t) for t in (net, soft))
    assert sharp.plain is sharp.imagenet
    assert torch.equal(soft_atlas.plain.kernel, soft.kernel)
    assert len(soft_atlas.imagenet.kernel) == 1
    marks = {atlas._mark(trunk) for atlas in (sharp, soft_atlas) for trunk in ("imagenet", "plain", "tuned")}
    assert len(marks) == 4


def test_weighted_cases_have_the_wanted_share_of_sick(tmp_path):
    items = [
        Radiograph(tmp_path, site, str(n), "val", int(n < sick), "x")
        for site, count, sick in (("nih", 10, 7), ("paediatric", 40, 20))
        for n in range(count)
    ]
    weight = case_weights(items, {"nih": 0.5, "paediatric": 0.6})
    sick = np.array([item.opacity == 1 for item in items])
    adult = np.array([item.site == "nih" for item in items])
    assert weight.mean() == pytest.approx(1)
    assert weight[adult].sum() == pytest.approx(weight[~adult].sum())
    assert weight[adult & sick].sum() / weight[adult].sum() == pytest.approx(0.5)
    assert weight[~adult & sick].sum() / weight[~adult].sum() == pytest.approx(0.6)
    assert sick_shares(items) == {"nih": 0.7, "paediatric": 0.5}


def test_another_network_does_not_come_back(tmp_path):
    empty = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(empty), tmp_path / "x.onnx")
    with pytest.raises(ValueError, match="convolutions"):
        net_of_onnx(tmp_path / "x.onnx")


def test_a_run_is_recovered_from_a_bundle_of_the_first_kind(files, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "weights.onnx").symlink_to(files / "weights.onnx")
    evaluation = '{"origin": {"training": {"seed": 20}, "commit": "abc"}, "weights_sha256": "12"}'
    (tmp_path / "bundle" / "evaluation.json").write_text(evaluation)
    recover(tmp_path / "bundle", tmp_path / "run")
    plan = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["plan"]
    assert plan == {"seed": 20, "trained_at_commit": "abc", "recovered_from": "12"}
    again = ChestNet(extra_labels=14)
    again.load_state_dict(torch.load(tmp_path / "run" / "weights.pt", weights_only=True))


def _items(folder, count=8):
    rng = np.random.default_rng(0)
    made = []
    for index in range(count):
        path = folder / f"{index}.png"
        Image.fromarray(rng.integers(0, 256, (240, 230), dtype=np.uint8)).save(path)
        made.append(
            Radiograph(
                path, "nih", f"nih-{index // 2}", "train", index % 2, "x", ("AP", "PA")[index // 2 % 2]
            )
        )
    return made


def test_looks_are_kept_and_gone_on_with(tmp_path):
    items = _items(tmp_path, 4)
    told, eye = [], eye_of(imagenet_net(), tmp_path / "eye")
    first = looked(items, Look("a"), eye, tmp_path / "cache", lambda t, s: told.append(s))
    (path,) = (tmp_path / "cache").glob("*/000000.npz")
    before = path.stat().st_mtime_ns
    second = looked(items, Look("a"), None, tmp_path / "cache", lambda *_: None)
    assert path.stat().st_mtime_ns == before
    assert (first.pooled == second.pooled).all()
    assert first.pooled.shape == (4, 2 * CHANNELS)
    assert first.deep.shape == (4, 320, 7, 7)
    assert told[-1] == 1


def test_a_mirrored_look_is_the_mirror(tmp_path):
    (item,) = _items(tmp_path, 1)
    assert (shown(item, Look("a"), 0) == shown(item, Look("b", mirrored=True), 0)[:, ::-1]).all()
    assert (shown(item, Look("c", disturbed=1), 0) == shown(item, Look("c", disturbed=1), 0)).all()
    assert (shown(item, Look("c", disturbed=1), 0) != shown(item, Look("c", disturbed=2), 0)).any()


@pytest.mark.parametrize("step", ["matched", "local"])
def test_harmonised_images_hardly_depend_on_the_grey_curve(tmp_path, step):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).resize((240, 240), 3)
    plain = np.asarray(coarse)
    bent = (255 * (plain / 255) ** 0.6).astype(np.uint8)
    change = harmonise.local if step == "local" else harmonise.matched(np.linspace(0, 1, 65))
    apart = np.corrcoef(change(plain).ravel(), change(bent).ravel())[0, 1]
    assert apart > np.corrcoef(plain.ravel(), bent.ravel())[0, 1] or apart > 0.98
    assert change(plain).shape == (240, 240)


def test_the_middle_is_the_middle():
    image = np.random.default_rng(0).integers(0, 256, (200, 100), dtype=np.uint8)
    assert harmonise.central(image).shape == (168, 84)


def _shortcut_cohort(tmp_path, count=400):
    """Adults whose view tells the label, and features of which one is the disease and one the view."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, count)
    upright = rng.random(count) < np.where(label == 1, 0.85, 0.15)
    items = [
        Radiograph(tmp_path, "nih", f"nih-{i}", "train", int(y), "x", "PA" if u else "AP")
        for i, (y, u) in enumerate(zip(label, upright, strict=True))
    ]
    features = rng.normal(size=(count, 6))
    features[:, 0] += 1.0 * label
    features[:, 1] += 3.0 * upright
    return items, features, label, upright


def test_even_weights_and_erasing_both_take_the_shortcut_out(tmp_path):
    items, features, label, upright = _shortcut_cohort(tmp_path)
    eraser = fit_eraser(features, upright, label)
    heads = {
        "naive": fit_head(features, label, strength=1.0),
        "even": fit_head(features, label, balanced(items), strength=1.0),
        "erased": eraser.folded(fit_head(eraser(features), label, strength=1.0)),
    }
    share = {name: abs(head.weight[1]) / abs(head.weight[0]) for name, head in heads.items()}
    assert share["naive"] > 0.6
    assert share["even"] < 0.35 * share["naive"]
    assert share["erased"] < 0.35 * share["naive"]


def test_a_folded_eraser_scores_the_same(tmp_path):
    _, features, label, upright = _shortcut_cohort(tmp_path, 80)
    eraser = fit_eraser(features, upright, label)
    head = fit_head(eraser(features), label, strength=1.0)
    assert eraser.folded(head)(features) == pytest.approx(head(eraser(features)))


def test_even_weights_are_even(tmp_path):
    items, _, label, upright = _shortcut_cohort(tmp_path)
    weight = balanced(items)
    cells = [weight[(label == y) & (upright == u)].sum() for y in (0, 1) for u in (False, True)]
    assert cells == pytest.approx([len(items) / 4] * 4)


def test_aligned_features_have_the_targets_moments():
    rng = np.random.default_rng(0)
    old, new = rng.normal(2, 3, (200, 4)), rng.normal(-1, 0.5, (150, 4))
    made = aligned(old, old, new)
    assert made.mean(0) == pytest.approx(new.mean(0))
    assert made.std(0) == pytest.approx(new.std(0), rel=1e-3)


def test_areas_by_view_by_hand():
    truth = [0, 1, 0, 1, 0, 1, 0, 1]
    score = [0, 1, 2, 3, 1, 0, 3, 4]
    view = ["PA"] * 4 + ["AP"] * 4
    found = areas_by(truth, score, view, [str(i) for i in range(8)])
    parts = found.parts()
    assert parts["PA"].value == 0.75
    assert parts["AP"].value == 0.5
    assert found.interval("gap").value == 0.25
    assert found.interval("within").value == pytest.approx(0.625)
    assert difference(found.whole, found.whole).value == 0


def test_a_seed_gives_the_same_draws():
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 60), rng.normal(size=60)
    patients = [str(i // 2) for i in range(60)]
    first, second = (areas_by(truth, score, ["AP", "PA"] * 30, patients, seed=4) for _ in "ab")
    assert np.nan_to_num(first.gap).tolist() == np.nan_to_num(second.gap).tolist()
    assert replace(first).whole[0] == second.whole[0]


class _Seen:
    """Two hospitals of which noise moves one feature, the one that tells them apart most easily."""

    def __init__(self, count=40):
        rng = np.random.default_rng(0)
        self.child = np.arange(count) % 2 == 1
        self.features = rng.normal(size=(count, 6))
        self.features[:, 0] += 8 * self.child
        self.features[:, 1] += 3 * self.child

    def rows(self, split, site=None):
        return np.arange(len(self.child))

    def some(self, rows):
        return [SimpleNamespace(site="paediatric" if self.child[n] else "nih") for n in rows]

    def means(self, name, trunk):
        noisy = self.features.copy()
        if name.startswith("disturbed"):
            noisy[:, 0] = 16
        return noisy


def test_noise_is_not_taken_for_childhood():
    seen = _Seen()
    switch = mixing.child_head(seen)
    noisy = switch(seen.means("disturbed 1", "tuned")) > 0
    assert (noisy == seen.child).mean() > 0.9
    alone = fit_head(seen.features, seen.child, strength=mixing.CHILD_STRENGTH)
    assert (alone(seen.means("disturbed 1", "tuned"))[~seen.child] > 0).mean() > 0.9


def test_looks_of_other_weights_or_disturbances_are_other_looks(net, tmp_path, monkeypatch):
    marks = {
        Atlas(tmp_path, tmp_path, lambda *_: None, tuned=tuned)._mark("tuned")
        for tuned in (net, imagenet_net())
    }
    assert len(marks) == 2
    items = _items(tmp_path, 2)
    keys = []
    for recipe in (1, 2):
        monkeypatch.setattr(looks, "RECIPE", recipe)
        keys.append([looks._key(items, Look("a", disturbed=seed)) for seed in (None, 1)])
    assert keys[0][0] == keys[1][0]
    assert keys[0][1] != keys[1][1]
