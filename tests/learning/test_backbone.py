from __future__ import annotations

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

from coread.learning.backbone import (  # noqa: E402
    BLOCKS,
    CHANNELS,
    HEAD,
    Fit,
    Plan,
    Store,
    computed,
    export,
    fit_probe,
    fitting,
    split,
)
from coread.learning.backbone.trunk import STEM, Early, Joined, Tail, pretrained, whole  # noqa: E402
from coread.learning.runs.checkpoint import Checkpoint  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.readers.onnx import Session  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(np.random.default_rng(0).random((2, 3, 64, 64)).astype(np.float32))


@pytest.mark.parametrize("cut", [STEM, 2, 10, HEAD])
def test_both_halves_together_are_the_whole_trunk(images, cut):
    torch.manual_seed(0)
    whole = Early(pretrained(3), HEAD).eval()(images)
    early, tail = split(3, cut, 2)
    assert torch.allclose(tail.eval().maps(early(images)), whole, atol=1e-4)


def test_a_grey_trunk_reads_as_the_colour_trunk_reads_grey(images):
    grey = images[:, :1]
    colour = Early(pretrained(3), 2).eval()(grey.expand(-1, 3, -1, -1))
    assert torch.allclose(Early(pretrained(1), 2).eval()(grey), colour, atol=1e-4)


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match="found 2"):
        pretrained(2)


def test_taps_have_the_channels_that_they_say(images):
    early = Early(pretrained(3), HEAD, (2, 4, 10)).eval()
    assert [part.shape[1] for part in early.pyramid(images)] == [CHANNELS[i] for i in (2, 4, 10, BLOCKS)]


def test_batch_statistics_stay_in_training():
    _, tail = split(3, 10, 2)
    tail.train()
    assert tail.training
    assert not any(part.training for part in tail.modules() if isinstance(part, torch.nn.BatchNorm2d))


def test_responses_are_computed_once_and_gone_on_with(tmp_path):
    asked = []

    def image(number):
        asked.append(number)
        if number == 100 and asked.count(100) == 1:
            raise KeyboardInterrupt
        return np.full((1, 4, 4), number, np.float32)

    store = Store(tmp_path, "numbers", {"of": "a test"})
    net = torch.nn.AvgPool2d(4)
    with pytest.raises(KeyboardInterrupt):
        computed(net, image, 130, store)
    held = computed(net, image, 130, store)
    assert held.ravel().tolist() == list(range(130))
    assert asked.count(10) == 1
    assert asked.count(70) == 2  # its chunk had not been written when the work was stopped
    assert len(computed(net, image, 130, store)) == 130


def test_another_recipe_is_computed_anew(tmp_path):
    first, second = (Store(tmp_path, "a", {"views": views}) for views in (1, 2))
    assert first.path != second.path


class Clouds:
    """Two clouds of points, as responses [n, 2, 1, 1]."""

    labels = np.tile([0, 1], 40)

    def draw(self, chosen, rng):
        middle = self.labels[chosen][:, None] * 2.0 - 1
        return torch.from_numpy((middle + rng.normal(0, 0.3, (len(chosen), 2))).astype(np.float32))


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.classifier = torch.nn.Linear(2, 2)

    def forward(self, points):
        return self.classifier(points)


def right(net):
    points = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    return float((net(points).argmax(1) == torch.tensor([1, 0])).float().mean())


PLAN = Plan(passes=4, batch=8, head_rate=0.1, least_steps=40, average=0.8)


def test_a_fit_learns_and_says_how_well(tmp_path):
    _, score = Fit(Line(), Clouds(), right, PLAN).run(Run(tmp_path, 3), "line")
    assert score == 1


def test_a_stopped_fit_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "Checkpoint", partial(Checkpoint, every_s=0.0))
    whole, _ = Fit(Line(), Clouds(), right, PLAN).run(Run(tmp_path / "whole", 3), "line")
    run, looks = Run(tmp_path / "halved", 3), []

    def stop_at_the_second_look(net):
        looks.append(right(net))
        if len(looks) == 2:
            raise KeyboardInterrupt
        return looks[-1]

    with pytest.raises(KeyboardInterrupt):
        Fit(Line(), Clouds(), stop_at_the_second_look, PLAN).run(run, "line")
    halved, _ = Fit(Line(), Clouds(), right, PLAN).run(run, "line")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), halved.parameters(), strict=True))


def test_steps_come_in_whole_periods():
    plan = Plan(passes=3, batch=10, least_steps=50)
    assert plan.period(1000) == 100
    assert plan.period(10) == 20
    assert plan.steps(10) == 60


def test_a_probe_is_the_same_as_a_layer():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 5)), np.arange(60) % 3
    features[:, 0] += labels
    probe, score = fit_probe(
        features, labels, lambda p: float((p.logits(features).argmax(1) == labels).mean())
    )
    assert score > 0.5
    layer = probe.linear()(torch.from_numpy(features.astype(np.float32))).detach().numpy()
    assert layer == pytest.approx(probe.logits(features), abs=1e-4)


def test_the_halved_file_reads_as_the_network(images, tmp_path):
    early, tail = split(3, 10, 2)
    net = Joined(early, tail).eval()
    path = tmp_path / "weights.onnx"
    sha = export(net, images, ("logits", "features", "activation"), path)
    assert path.stat().st_size < 8_000_000
    said = Session(path, sha).run({"image": images.numpy()})
    with torch.no_grad():
        wanted = net(images)
    assert said["logits"] == pytest.approx(wanted[0].numpy(), abs=0.02)
    assert said["activation"].mean((2, 3)) == pytest.approx(said["logits"], abs=1e-3)


def test_a_shallow_tail_is_smaller():
    _, shallow = split(3, 4, 8, last=10)
    _, whole = split(3, 4, 8)
    assert isinstance(shallow, Tail)
    assert sum(p.numel() for p in shallow.parameters()) < 0.5 * sum(p.numel() for p in whole.parameters())


def test_large_convolutions_in_eight_bits_read_nearly_the_same(images, tmp_path):
    early, tail = split(3, 2, 2)
    joined = Joined(early, tail).eval()
    outputs = ("logits", "features", "activation")
    halves, octets = (
        Session(path, export(joined, images, outputs, path, octets=small)).run({"image": images.numpy()})
        for path, small in ((tmp_path / "halves.onnx", False), (tmp_path / "octets.onnx", True))
    )
    spread = halves["features"].std()
    assert np.abs(octets["features"] - halves["features"]).mean() < 0.05 * spread
    assert (tmp_path / "octets.onnx").stat().st_size < 0.62 * (tmp_path / "halves.onnx").stat().st_size


def test_a_network_from_random_weights_is_not_the_taught_one_and_learns_its_statistics(images):
    torch.manual_seed(0)
    untaught, taught = whole(3, 2, taught=False), whole(3, 2)
    first, second = (next(net.blocks[0].parameters()) for net in (untaught, taught))
    assert not torch.equal(first, second)
    norms = [part for part in untaught.train().modules() if isinstance(part, torch.nn.BatchNorm2d)]
    untaught(images)
    assert all(part.training and part.running_mean.abs().sum() > 0 for part in norms)
    assert torch.equal(taught.stem.weight, pretrained(3)._conv_stem.weight)
