from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("captum", reason="the lab is not installed (pip install coread[lab])")

import torch

from coread.evaluation import Interval, roc_auc
from coread.learning.chest.cohort import Radiograph
from coread.learning.chest.sites.atlas import Atlas
from coread.learning.chest.sites.looks import Seen
from coread.learning.explaining import methods, scoring
from coread.learning.explaining.attention import (
    AttentionHead,
    AttentionPlan,
    attended,
    attention_map,
    train_attention,
)
from coread.learning.explaining.comparison import chosen
from coread.learning.explaining.counterfactual import (
    erased_until_turned,
    fit_space,
    nearest_otherwise,
    smallest_change,
)
from coread.learning.explaining.study import attention_areas
from coread.learning.runs.run import Run

SIDE = 56
SPOT = (slice(8, 16), slice(36, 44))


class SpotReader(torch.nn.Module):
    """Scores the brightness of one corner, and of nothing else."""

    def read(self, image):
        return (image[:, 0, SPOT[0], SPOT[1]].mean((1, 2)) * 8 - 4,)


def read(inputs):
    with torch.no_grad():
        return SpotReader().read(torch.from_numpy(inputs))[0].numpy()


def probability(images):
    return 1 / (1 + np.exp(-read(images[:, None].astype(np.float32))))


def _images(count=4):
    rng = np.random.default_rng(0)
    images = (rng.random((count, 1, 1, SIDE, SIDE)) * 0.4).astype(np.float32)
    images[(..., *SPOT)] += 0.6
    return list(images)


EXPLAINERS = {
    "integrated": lambda: methods.integrated_gradients(SpotReader()),
    "smooth": lambda: methods.smooth_gradients(SpotReader()),
    "occlusion": lambda: methods.occlusion(SpotReader(), side_px=8),
    "rise": lambda: methods.rise(read, masks=200),
}


def _spot_mask():
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[4:20, 32:48] = True
    return mask


@pytest.mark.parametrize("name", EXPLAINERS)
def test_each_method_finds_what_the_reader_uses(name):
    explain = EXPLAINERS[name]()
    heats = [methods.resample(explain(image), (SIDE, SIDE)) for image in _images(3)]
    assert scoring.on_mark(heats, _spot_mask()).value == 1


def test_smoothing_and_shifting_keep_the_place():
    exact = methods.integrated_gradients(SpotReader())
    for explain in (methods.smoothed(exact), methods.shifted(exact, reach_px=4)):
        heat = methods.resample(explain(_images(1)[0]), (SIDE, SIDE))
        assert _spot_mask()[np.unravel_index(heat.argmax(), heat.shape)]


def _scores_of(explain):
    images = _images(6)
    heats = [explain(image) for image in images]
    blind = scoring.yardsticks(probability, images)
    gains = scoring.gains(scoring.erased(probability, images, heats), blind)
    boxed = [scoring.Boxed(image, _spot_mask(), str(i)) for i, image in enumerate(images)]
    points = scoring.pointed(boxed, [methods.resample(h, (SIDE, SIDE)) for h in heats])
    return scoring.Scores(gains, points, Interval(0.0, -0.1, 0.1))


def test_a_faithful_map_passes_and_blind_maps_do_not():
    scores = _scores_of(EXPLAINERS["integrated"]())
    # All boxes lie in one place here, so that who never looks hits them as well.
    failed = [name for name, passed in scoring.verdicts(scores).items() if not passed]
    assert failed == ["points_better_than_without_the_image"]
    faithful = scoring.verdicts(replace(scores, pointing=replace(scores.pointing, blind=0.2)))
    assert all(faithful.values())
    assert len(faithful) == 7
    assert not all(scoring.verdicts(_scores_of(methods.centre_prior)).values())
    assert not all(scoring.verdicts(_scores_of(methods.random_map())).values())


def test_a_map_that_outlives_its_weights_does_not_pass():
    scores = replace(_scores_of(EXPLAINERS["integrated"]()), sameness=Interval(0.9, 0.8, 0.95))
    assert not scoring.verdicts(scores)["depends_on_weights"]


def _maps(count=200, seed=0):
    """Sick maps hold one place where channel 0 is high."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, count).astype(np.float32)
    maps = rng.normal(0, 1, (count, 6, 5, 5)).astype(np.float32)
    rows, columns = rng.integers(0, 5, count), rng.integers(0, 5, count)
    maps[np.arange(count), 0, rows, columns] += 6 * truth
    return maps.astype(np.float16), truth, rows * 5 + columns


PLAN = AttentionPlan(steps=250, batch=32, rate=5e-3, decay=0.01, dropout=0.1, hidden=8)


def _odds(count):
    return np.full(count, 1 / count)


def test_attention_learns_to_look_at_the_place_that_matters(tmp_path):
    maps, truth, _ = _maps()
    head = train_attention(maps, truth, _odds(len(maps)), Run(tmp_path / "a"), PLAN)
    new, new_truth, new_places = _maps(seed=1)
    score, attention = attended(head, new)
    assert ((score > 0) == (new_truth == 1)).mean() > 0.9
    assert attention.sum((1, 2)) == pytest.approx(1, abs=1e-5)
    looked = attention.reshape(len(new), -1).argmax(1)
    assert (looked == new_places)[new_truth == 1].mean() > 0.8
    assert attention_map(head, lambda image: new[:1])(None).shape == (5, 5)


def test_a_stopped_attention_head_goes_on_to_the_same_weights(tmp_path):
    maps, truth, _ = _maps(60)
    plan = replace(PLAN, steps=20)
    whole = train_attention(maps, truth, _odds(60), Run(tmp_path / "whole"), plan)

    def stop(text, share):
        if share > 0.4:
            raise KeyboardInterrupt

    class Often(Run):
        pass

    with pytest.raises(KeyboardInterrupt):
        train_attention(maps, truth, _odds(60), Often(tmp_path / "cut", tell=stop), plan)
    again = train_attention(maps, truth, _odds(60), Run(tmp_path / "cut"), plan)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_nearest_who_is_called_otherwise_is_called_otherwise():
    places = np.array([[0.0, 0.0]])
    known = np.array([[0.1, 0.0], [1.0, 0.0], [3.0, 0.0]])
    found = nearest_otherwise(places, np.array([True]), known, np.array([True, False, False]))
    assert found.index.tolist() == [1]
    assert found.ratio[0] == pytest.approx(10)


def test_the_smallest_change_lands_just_over_the_border():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 5)) @ rng.normal(size=(5, 5))
    weight = rng.normal(size=5)
    score = features @ weight
    moved = smallest_change(features, weight, score, 0.3, fit_space(features, axes=5))
    assert moved @ weight == pytest.approx(np.full(80, 0.3), abs=0.02)
    straight = features + np.outer((0.3 - score) / (weight @ weight), weight)
    space = fit_space(features, axes=5)
    assert (np.abs(space(moved) - space(features)) ** 2).sum() <= (
        np.abs(space(straight) - space(features)) ** 2
    ).sum()


def test_erasing_the_right_place_turns_the_call_sooner():
    images = _images(4)
    right = [methods.integrated_gradients(SpotReader())(i) for i in images]
    by_map = erased_until_turned(probability, images, right, 0.5)
    by_centre = erased_until_turned(probability, images, [methods.centre_prior(i) for i in images], 0.5)
    assert by_map.turned.all()
    assert by_map.share.mean() < by_centre.share.mean()


def test_the_map_to_show_is_chosen_among_those_that_cost_nothing():
    good = _scores_of(EXPLAINERS["integrated"]())
    good = replace(good, verdicts=scoring.verdicts(good))
    bad = _scores_of(methods.random_map())
    bad = replace(bad, verdicts=scoring.verdicts(bad))
    assert chosen({"RISE": good, "activation": bad, "activation, smoothed": good}) == "activation, smoothed"
    assert chosen({"RISE": good, "activation": bad}) == "activation"


class TwoHospitals(Atlas):
    """Ten radiographs of each hospital, every other of them test; a trunk that sees noise."""

    def __init__(self) -> None:
        sites = ("nih", "paediatric")
        self.kept = [
            Radiograph(Path(f"{n}.png"), sites[n // 10], str(n), ("train", "test")[n % 2], n // 2 % 2, "x")
            for n in range(20)
        ]
        rng = np.random.default_rng(0)
        plain = rng.normal(size=(20, 6, 7, 7)).astype(np.float16)
        self.looks = {"plain": plain, "mirrored": plain[1::2, :, :, ::-1]}

    @property
    def items(self) -> list[Radiograph]:
        return self.kept

    @property
    def judged(self) -> np.ndarray:
        return np.arange(1, 20, 2)

    def seen(self, name: str, trunk: str = "imagenet") -> Seen:
        return Seen(np.zeros((len(self.looks[name]), 1), np.float32), self.looks[name])


def test_the_areas_of_attention_heads_read_both_sides_of_each_test_image():
    torch.manual_seed(0)
    atlas, head = TwoHospitals(), AttentionHead(6, AttentionPlan()).eval()
    found = attention_areas(atlas, [head])
    for site in ("nih", "paediatric"):
        rows = atlas.rows("test", site)
        one = atlas.looks["plain"][rows]
        sides = [attended(head, maps)[0] for maps in (one, one[:, :, :, ::-1].copy())]
        expected = roc_auc(atlas.truth(rows), np.mean(sides, axis=0))
        assert found[site]["joint"]["value"] == pytest.approx(expected)
