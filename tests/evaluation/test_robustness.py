from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from coread.evaluation import Cases
from coread.evaluation.robustness import DISTURBANCES, failures, gap, sweep
from coread.evaluation.robustness.disturbances import compression, dose, resolution, rotation

RNG = np.random.default_rng(0)


def people(count):
    return [str(i) for i in range(count)]


@pytest.fixture
def image():
    row, column = np.indices((61, 50))
    return (
        0.5 + 0.3 * np.sin(row / 6) * np.cos(column / 9) + 0.1 * ((row - 30) ** 2 + (column - 20) ** 2 < 90)
    )


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda d: d.name)
def test_images_stay_images(disturbance, image):
    for strength in disturbance.strengths:
        out = disturbance.apply(image, strength, np.random.default_rng(1))
        assert out.shape == image.shape
        assert 0 <= out.min() <= out.max() <= 1
        assert np.abs(out - image).mean() > 1e-4


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda d: d.name)
def test_the_same_seed_disturbs_alike(disturbance, image):
    one, two = (disturbance.apply(image, disturbance.strengths[0], np.random.default_rng(5)) for _ in "ab")
    assert (one == two).all()


@pytest.mark.parametrize("quality", [90, 50, 20])
def test_compression_loses_what_a_real_encoder_loses(quality, image):
    grey = np.round(image * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "jpeg", quality=quality)
    real = np.asarray(Image.open(file), dtype=np.float64)
    ours = compression(grey / 255, quality, RNG) * 255
    # The encoder works in whole numbers, so that now and then a coefficient is rounded the other way.
    assert np.quantile(np.abs(ours - real), 0.95) <= 2
    assert np.abs(real - grey).mean() > 5 * np.abs(ours - real).mean()


def test_less_dose_is_more_noise(image):
    half, tenth = (np.std(dose(image, share, np.random.default_rng(2)) - image) for share in (0.5, 0.1))
    assert tenth == pytest.approx(half * np.sqrt(5), rel=0.1)
    assert (dose(image, 1.0, RNG) == image).all()


def test_a_turn_and_back_is_nearly_nothing(image):
    back = rotation(rotation(image, 10, RNG), -10, RNG)
    inner = (slice(15, -15), slice(15, -15))
    assert np.abs(back - image)[inner].max() < 0.05
    square = image[:50]
    assert rotation(square, 90, RNG) == pytest.approx(np.rot90(square, -1), abs=1e-9)


def test_coarser_pixels_keep_the_mean(image):
    assert resolution(image[:60, :48], 4, RNG).mean() == pytest.approx(image[:60, :48].mean())


def test_a_reader_of_brightness_is_found_out():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 80)
    images = [np.clip(rng.normal(0.4 + 0.1 * t, 0.02, (16, 16)), 0, 1) for t in truth]

    def brightness(parts):
        return [part.mean() for part in parts]

    rows = list(sweep(brightness, images, truth, people(80), threshold=0.45))
    assert len(rows) == 1 + 3 * len(DISTURBANCES)
    by = {(r.disturbance, r.strength): r for r in rows}
    assert by["none", 0.0].auc.value == 1
    assert by["device", 2].flipped > 0.4
    assert by["rotation", 5].flipped == 0
    assert by["noise", 0.1].loss.value == pytest.approx(0, abs=0.01)


def cases(rng, count, effect, prefix):
    truth = rng.integers(0, 2, count)
    score = rng.normal(size=count) + effect * truth - effect / 2
    return Cases(truth, score, 1 / (1 + np.exp(-score)), tuple(f"{prefix}{i}" for i in range(count)))


def test_a_gap_between_places_is_seen():
    rng = np.random.default_rng(4)
    found = gap(cases(rng, 500, 3, "in"), cases(rng, 500, 1, "out"), 0.5, repeats=300)
    assert found.auc.lower > 0.1
    assert found.sensitivity.lower > 0
    assert (found.internal_cases, found.external_cases) == (500, 500)
    same = gap(cases(rng, 500, 2, "in"), cases(rng, 500, 2, "out"), 0.5, repeats=300)
    assert same.auc.lower < 0 < same.auc.upper


def test_the_gallery_shows_each_patient_once_and_the_worst_first():
    truth = np.array([1] * 30 + [0] * 30)
    probability = np.r_[np.linspace(0.01, 0.49, 30), np.linspace(0.51, 0.99, 30)]
    patients = tuple(str(i // 2) for i in range(60))
    found = failures(Cases(truth, probability, probability, patients), 0.5, of_each=3, part=["p"] * 60)
    assert len(found) == 2 * 3 * 3
    assert len({patients[f.index] for f in found}) == len(found)
    assert found[0].index == 0
    assert (found[0].kind, found[0].why, found[0].part) == ("missed", "most certain", "p")
    near = [f.probability for f in found if f.why == "near the threshold"]
    assert all(abs(p - 0.5) < 0.15 for p in near)


def test_a_reader_without_errors_has_no_gallery():
    sure = np.array([0.9, 0.1])
    assert failures(Cases(np.array([1, 0]), sure, sure, ("a", "b")), 0.5) == ()
