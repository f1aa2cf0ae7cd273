from __future__ import annotations

import numpy as np
import pytest

from coread.readers.chest_radiograph.preprocess import SIDE, prepare, resample, window


def _image(rows=300, columns=260, seed=0):
    rng = np.random.default_rng(seed)
    return resample(rng.random((12, 10)).astype(np.float32), (rows, columns))


def test_shape_range_and_box():
    ready = prepare(_image())
    assert ready.tensor.shape == (1, 1, SIDE, SIDE)
    assert ready.tensor.dtype == np.float32
    assert 0 <= ready.tensor.min() < ready.tensor.max() <= 1
    assert ready.box_rc == (0, 0, 300, 260)


def test_grey_scale_and_offset_do_not_matter():
    image = _image()
    assert prepare(image * 3000 - 1000).tensor == pytest.approx(prepare(image).tensor, abs=1e-4)


@pytest.mark.parametrize("border", [0.0, 1.0])
def test_a_flat_border_does_not_matter(border):
    image = _image()
    framed = np.full((360, 300), border, dtype=np.float32)
    framed[40:340, 20:280] = image
    ready = prepare(framed)
    assert ready.box_rc == (40, 20, 340, 280)
    assert ready.tensor == pytest.approx(prepare(image).tensor, abs=0.02)


def test_size_hardly_matters():
    small = _image(256, 256)
    large = resample(small, (2048, 2048))
    assert np.abs(prepare(large).tensor - prepare(small).tensor).mean() < 0.01


def test_resampling_keeps_flat_images_and_ramps():
    assert resample(np.full((50, 40), 0.7, dtype=np.float32), (13, 90)) == pytest.approx(0.7, abs=1e-6)
    ramp = np.tile(np.arange(100, dtype=np.float32), (4, 1))
    assert resample(ramp, (4, 10))[0, 1:-1] == pytest.approx(np.arange(1, 9) * 10 + 4.5, abs=1e-3)


def test_reduction_does_not_alias():
    checks = (np.indices((400, 400)).sum(0) % 2).astype(np.float32)
    assert resample(checks, (40, 40)) == pytest.approx(0.5, abs=0.01)


def test_a_flat_image_becomes_black():
    assert window(np.full((5, 5), 3.0, dtype=np.float32)).max() == 0


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="rows and columns"):
        prepare(np.zeros((3, 10, 10)))
