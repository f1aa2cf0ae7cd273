from __future__ import annotations

import numpy as np
import pytest

from coread.readers.chest_radiograph.gate import (
    REASONS,
    FeatureHead,
    refusal_by_features,
    refusal_by_grey,
    refusal_by_header,
)

GOOD = {"Modality": "DX", "ViewPosition": "PA", "BodyPartExamined": "CHEST", "Rows": "2000",
        "Columns": "1800", "PhotometricInterpretation": "MONOCHROME2"}  # fmt: skip


def _texture(rows=300, columns=300):
    return np.random.default_rng(0).random((rows, columns)).astype(np.float32)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Modality": "CR", "PhotometricInterpretation": "MONOCHROME1"},
        {"ViewPosition": ""},
        {"ViewPosition": "AP "},
        {"BodyPartExamined": "chest pa"},
        {"BodyPartExamined": "THORAX"},
        {"BodyPartExamined": ""},
    ],
)
def test_a_frontal_chest_passes_the_header(change):
    assert refusal_by_header(GOOD | change) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Modality": "CT"}, "not-radiograph"),
        ({"Modality": ""}, "not-radiograph"),
        ({"PhotometricInterpretation": "RGB"}, "not-greyscale"),
        ({"ViewPosition": "LL"}, "not-frontal-view"),
        ({"ViewPosition": "RLD"}, "not-frontal-view"),
        ({"BodyPartExamined": "EXTREMITY"}, "other-body-part"),
        ({"Rows": "120"}, "too-small"),
    ],
)
def test_the_header_is_refused_with_its_reason(change, code):
    reason = refusal_by_header(GOOD | change)
    assert reason is not None
    assert reason.code == code


def test_a_missing_modality_is_refused():
    assert refusal_by_header({}) == REASONS["not-radiograph"]


def _half_white():
    image = _texture()
    image[:, :150] = 1.0
    image[::7, :150] = 0.9
    return image


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (_texture(100, 300), "too-small"),
        (np.zeros((300, 300)), "flat"),
        (np.round(_texture() * 8), "flat"),
        (np.full((300, 300), np.nan), "not-finite"),
        (_half_white(), "clipped"),
        (np.zeros((300, 300, 3)), "too-small"),
    ],
)
def test_bad_grey_values_are_refused_with_their_reason(image, code):
    reason = refusal_by_grey(image)
    assert reason is not None
    assert reason.code == code


def test_sound_grey_values_pass():
    assert refusal_by_grey(_texture()) is None


def test_a_collimated_border_is_not_clipping():
    image = np.zeros((400, 400), dtype=np.float32)
    image[60:340, 60:340] = _texture(280, 280)
    assert refusal_by_grey(image) is None


def _head(**limits):
    eye = np.eye(4, dtype=np.float32)
    return FeatureHead(np.zeros(4), np.ones(4), 5 * eye, np.zeros(4), eye, np.zeros((1, 4)), **limits)


@pytest.mark.parametrize(
    ("axis", "code"), [(0, None), (1, "inverted"), (2, "turned"), (3, "not-frontal-chest")]
)
def test_the_likeliest_class_gives_the_reason(axis, code):
    reason = refusal_by_features(np.eye(4)[axis][None], _head(least_chest=0.5, most_distance=9.0))
    assert (reason.code if reason else None) == code


def test_a_chest_far_from_all_chests_is_out_of_distribution():
    reason = refusal_by_features(np.array([[40.0, 0, 0, 0]]), _head(least_chest=0.5, most_distance=3.0))
    assert reason == REASONS["out-of-distribution"]


def test_every_reason_speaks_both_languages():
    for code, reason in REASONS.items():
        assert code == reason.code
        assert reason.text.endswith(".")
        assert reason.text_zh.endswith("。")
