"""Between hospitals: lung boxes on drawn chests, self-training on two drawn hospitals."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from coread.evaluation import roc_auc
from coread.learning.chest.cohort import Radiograph
from coread.learning.chest.crossing import lungs
from coread.learning.chest.crossing.self_training import Teaching, self_trained
from coread.learning.chest.crossing.view_gap import Arm, _areas
from coread.learning.chest.sites.heads import fit_head
from coread.learning.chest.sites.looks import Seen
from coread.readers.chest_radiograph.preprocess import resample

RNG = np.random.default_rng(0)


def drawn(rows=200, columns=180, box=(50, 40, 130, 150)):
    """A bright body with two dark lungs that fill a box (left, top, right, bottom)."""
    image = np.full((rows, columns), 180.0) + RNG.normal(0, 4, (rows, columns))
    left, top, right, bottom = box
    third = (right - left) // 3
    image[top:bottom, left : left + third] = 40
    image[top:bottom, right - third : right] = 40
    return np.clip(image, 0, 255).astype(np.uint8)


def eye(inputs):
    """Sees the image itself at 7 x 7, in 320 equal channels."""
    small = np.stack([resample(one[0], (7, 7)) for one in inputs])
    return Seen(
        np.zeros((len(inputs), 8), np.float32), np.repeat(small[:, None], 320, axis=1).astype(np.float16)
    )


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    from PIL import Image  # noqa: PLC0415

    folder, boxed = tmp_path_factory.mktemp("boxed"), []
    for number in range(25):
        left, top = RNG.integers(30, 60, 2)
        box = (left, top, left + RNG.integers(70, 100), top + RNG.integers(80, 110))
        Image.fromarray(drawn(box=box)).save(folder / f"{number}.png")
        boxed.append(lungs.LungBox(folder / f"{number}.png", str(number), tuple(map(float, box))))
    return lungs.teach_finder(boxed, eye)


def test_lungs_are_cut_out_whatever_the_framing(finder):
    cut = lungs.cropped(finder, eye)
    for frame in ((0, 0, 180, 200), (20, 10, 170, 195)):
        left, top, right, bottom = frame
        found = cut(drawn()[top:bottom, left:right])
        assert abs(found.shape[1] - 86) < 30
        assert abs(found.shape[0] - 119) < 35
        assert (found < 100).mean() > 0.35  # of the whole image it is an eighth


def test_grey_values_become_alike_whatever_the_curve(finder):
    same = lungs.alike(lambda image: image.astype(np.float32))
    image = RNG.integers(0, 256, (60, 50)).astype(np.uint8)
    curved = (255 * (image / 255.0) ** 0.6).astype(np.float32)
    bent = lungs.alike(lambda _: curved)
    assert np.corrcoef(same(image).ravel(), bent(image).ravel())[0, 1] > 0.999
    assert lungs.coarse(same, 20)(image).shape == (20, 20)


def test_an_image_without_lungs_is_left_as_it_is(finder):
    nowhere = lungs.LungFinder(
        finder.mean, finder.scale, np.zeros_like(finder.weight), np.array([0.5, 0.5, 0.5, 0.5])
    )
    image = drawn()
    assert (lungs.cropped(nowhere, eye)(image) == image).all()


@pytest.mark.shared_data
def test_no_boxed_test_radiograph_teaches_the_finder(shared_data):
    boxed = lungs.lung_boxes(shared_data)
    assert len(boxed) == 52
    assert all(0 <= item.box[0] < item.box[2] and item.box[1] < item.box[3] for item in boxed)


def hospital(count, shift, rng):
    """Two classes far apart along one axis, which the shift turns a little and moves."""
    label = rng.integers(0, 2, count)
    x = rng.normal(size=(count, 20))
    x[:, 0] += 5 * (label - 0.5) * np.cos(shift)
    x[:, 1] += 5 * (label - 0.5) * np.sin(shift)
    return x + shift, label


def test_self_training_climbs_from_a_poor_start_and_falls_from_a_wrong_one():
    rng = np.random.default_rng(3)
    old, new, test = (hospital(600, shift, rng) for shift in (0.0, 1.3, 1.3))
    head = fit_head(old[0], old[1], strength=0.001)
    start = roc_auc(test[1], head(test[0]))
    taught = self_trained(head(new[0]), new[0], Teaching())
    assert 0.6 < start < 0.8
    assert roc_auc(test[1], taught(test[0])) > 0.9
    fooled = self_trained(-head(new[0]), new[0], Teaching())
    assert roc_auc(test[1], fooled(test[0])) < 0.1


def test_a_head_that_says_the_same_of_all_cannot_teach_itself():
    with pytest.raises(ValueError, match="differ"):
        self_trained(np.zeros(30), RNG.normal(size=(30, 3)), Teaching())


def test_the_share_grows_to_all():
    how = Teaching(rounds=5, first_share=0.1)
    assert [round(how.share(k), 3) for k in range(5)] == [0.1, 0.2, 0.3, 0.4, 0.5]


class _TwoViews:
    """Adults of two views: one feature tells the sick on PA only, two others on both, independently."""

    def __init__(self, folder, count=240):
        rng = np.random.default_rng(3)
        self.items = [
            Radiograph(folder, "nih", str(i // 2), ("train", "val")[i // 2 % 2], i // 2 % 2, "x", view)
            for i, view in zip(range(count), ("AP", "PA") * (count // 2), strict=True)
        ]
        sick = np.array([item.opacity for item in self.items])
        upright = np.array([item.view == "PA" for item in self.items])
        self.features = rng.normal(size=(count, 3)) + 1.2 * np.stack([sick * upright, sick, sick], axis=1)

    def rows(self, split, site):
        return np.array([n for n, item in enumerate(self.items) if item.split == split])

    def some(self, rows):
        return [self.items[n] for n in rows]

    def truth(self, rows):
        return np.array([self.items[n].opacity for n in rows])

    def patients(self, rows):
        return [self.items[n].patient for n in rows]


def test_an_arm_shows_its_gap_and_two_joined_read_better_than_either(tmp_path):
    atlas = _TwoViews(tmp_path)
    pick = [lambda held, k=k: held.features[:, k : k + 1] for k in range(3)]
    upright, first, second = (_areas(atlas, Arm((one,), 1.0)) for one in pick)
    joint = _areas(atlas, Arm((pick[1], pick[2]), 1.0))
    assert upright.interval("gap").lower > 0.1
    assert abs(joint.interval("gap").value) < 0.12
    assert joint.whole[0] > max(first.whole[0], second.whole[0]) + 0.02
