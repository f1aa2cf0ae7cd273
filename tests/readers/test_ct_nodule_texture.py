"""The pixel gate's senses: what they must not feel, and what they must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.readers.ct_nodule.gate import SceneGate
from coread.readers.ct_nodule.texture import sight, texture
from coread.readers.ct_nodule.window import stretched


def noisy_disc(seed=0, noise=0.03):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96] - 48
    return 0.2 + 0.6 / (1 + np.exp(np.hypot(y, x) - 12)) + rng.normal(0, noise, (96, 96))


@given(st.floats(0.01, 1000), st.floats(-2000, 2000))
def test_no_window_or_unit_changes_what_is_felt(slope, shift):
    image = noisy_disc()
    assert texture(stretched(slope * image + shift)) == pytest.approx(texture(stretched(image)), abs=1e-2)


def test_eight_bits_feel_as_sixteen():
    fine = stretched(noisy_disc())
    coarse = np.rint(fine * 255) / 255
    assert np.abs(texture(coarse) - texture(fine)).max() < 0.1


def test_noise_and_smoothness_are_felt():
    calm, loud = texture(stretched(noisy_disc(noise=0.005))), texture(stretched(noisy_disc(noise=0.1)))
    assert np.abs(calm - loud).max() > 1


def test_an_even_crop_breaks_nothing():
    assert np.isfinite(texture(np.zeros((96, 96)))).all()
    assert len(sight(np.zeros(10), np.zeros((96, 96)))) == 10 + len(texture(np.zeros((96, 96))))


def gate(most, least):
    """A gate on two features as they are: near the middle, and the first one's log-odds."""
    weight = np.array([1.0, 0.0, 0.0, 0.0])
    return SceneGate(np.zeros(2), np.eye(2), np.zeros(2), np.eye(2), weight, 0.0, most, least)


def test_either_check_refuses():
    sights = np.array([[0.0, 0.0], [0.0, 9.0], [-2.0, 0.0]])
    assert gate(3.0, -1.0).accepts(sights).tolist() == [True, False, False]
    assert gate(np.inf, -np.inf).accepts(sights).all()


def test_a_gate_comes_back_from_its_arrays():
    first = gate(3.0, -1.0)
    again = SceneGate.of_arrays(first.arrays())
    assert (again.most_distance, again.least_score) == (3.0, -1.0)
    assert (again.white == first.white).all()
