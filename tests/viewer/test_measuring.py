"""What is measured is what the image holds: millimetres of its spacing, values of its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys
from viewer_page import Page
from viewer_site import Site

from coread.testing import patients

pytestmark = pytest.mark.peer

_KINDS: dict[str, dict[str, Any]] = {
    "CT": {"modality": "CT", "facts": {"PixelSpacing": [0.8, 0.5]}},
    "detector": {"modality": "DX", "facts": {"ImagerPixelSpacing": [0.4, 0.4]}},
    "magnified": {
        "modality": "DX",
        "facts": {"ImagerPixelSpacing": [0.4, 0.4], "EstimatedRadiographicMagnificationFactor": 2.0},
    },
    "calibrated": {
        "modality": "CR",
        "facts": {"PixelSpacing": [0.3, 0.3], "ImagerPixelSpacing": [0.4, 0.4]},
    },
    "none": {"modality": "OT", "facts": {}},
}


def _pixels(modality: str) -> np.ndarray:
    rows, columns = np.mgrid[0:200, 0:240]
    if modality == "CT":
        return (columns * 2 - 200 + (rows > 100) * 300).astype(np.int16)
    return (columns % 256).astype(np.uint8 if modality == "OT" else np.uint16)


@pytest.fixture(scope="module", autouse=True)
def filled(site: Site) -> None:
    for number, kind in enumerate(_KINDS.values()):
        study = f"2.25.88.{number}"
        site.keep(
            patients.dicom_from_pixels(
                _pixels(kind["modality"]), **kind, study_uid=study, series_uid=f"{study}.1",
                sop_uid=f"{study}.1.1",
            )
        )  # fmt: skip


def _open(page: Page, kind: str) -> None:
    page.open(f"2.25.88.{list(_KINDS).index(kind)}")
    page.wait("return viewer.active.image !== undefined")


def _measure(page: Page, key: str, *path_px: tuple[float, float]) -> dict[str, Any]:
    page.press(key)
    page.wait("return document.querySelector('.svg-layer')")
    known = page.script("return viewer.measurements().length")
    page.drag(*path_px)
    page.wait(f"return viewer.measurements().length > {known}")
    return dict(page.script("return viewer.measurements().at(-1)"))


def _in_space(points: list[list[float]], row_mm: float, column_mm: float) -> float:
    (x1, y1), (x2, y2) = points
    return float(np.hypot((x1 - x2) * column_mm, (y1 - y2) * row_mm))


@pytest.mark.parametrize(
    ("kind", "row_mm", "column_mm", "unit", "remark"),
    [
        ("CT", 0.8, 0.5, "mm", ""),
        ("detector", 0.4, 0.4, "mm", "at detector"),
        ("magnified", 0.2, 0.2, "mm", "corrected for magnification"),
        ("calibrated", 0.3, 0.3, "mm", ""),
        ("none", 1, 1, "px", "uncalibrated"),
    ],
)
def test_a_length_is_in_true_millimetres_or_says_pixels(
    page: Page, kind: str, row_mm: float, column_mm: float, unit: str, remark: str
) -> None:
    _open(page, kind)
    found = _measure(page, "l", (40, 50), (160, 140))
    # The pointer stands on whole pixels of the screen: within one of them, here under half a pixel.
    for got, wanted in zip(found["points"], [(40, 50), (160, 140)], strict=True):
        assert got == pytest.approx(wanted, abs=0.6)
    assert found["value"] == pytest.approx(_in_space(found["points"], row_mm, column_mm), rel=1e-6)
    assert found["unit"] == unit
    assert (f"({remark})" in found["text"]) == bool(remark)
    written = page.script("return document.querySelector('.svg-layer').textContent")
    assert found["text"] in written


def test_lengths_hold_in_a_turned_mirrored_and_zoomed_view(page: Page) -> None:
    _open(page, "CT")
    page.press("t", "h", "+", "+")
    found = _measure(page, "l", (90, 80), (150, 120))
    assert found["value"] == pytest.approx(_in_space(found["points"], 0.8, 0.5), rel=1e-6)
    assert found["points"][0] == pytest.approx((90, 80), abs=0.6)


def test_a_probe_says_hounsfield_units(page: Page) -> None:
    _open(page, "CT")
    pixels = _pixels("CT")
    for column, row in ((30, 40), (200, 150), (120, 101)):
        found = _measure(page, "b", (column + 0.5, row + 0.5))
        assert found["value"] == pixels[row, column]
        assert found["text"] == f"{pixels[row, column]} HU"
        page.press("b")


def test_an_ellipse_gives_area_and_values_within(page: Page) -> None:
    _open(page, "CT")
    found = _measure(page, "c", (100, 40), (160, 80))
    points = np.array(found["points"])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    rows, columns = np.mgrid[0:200, 0:240] + 0.5
    inside = ((columns - (left + right) / 2) / ((right - left) / 2)) ** 2 + (
        (rows - (top + bottom) / 2) / ((bottom - top) / 2)
    ) ** 2 <= 1
    values = _pixels("CT")[inside]
    assert found["area"] == pytest.approx(np.pi / 4 * (right - left) * 0.5 * (bottom - top) * 0.8)
    assert found["value"] == pytest.approx(values.mean())
    assert found["sd"] == pytest.approx(values.std())
    assert (found["min"], found["max"]) == (values.min(), values.max())


def test_everything_is_measured_by_the_keyboard_alone(page: Page) -> None:
    _open(page, "CT")
    page.press("l", Keys.ARROW_RIGHT, *[Keys.ARROW_RIGHT] * 20, Keys.ENTER)
    page.press(*[Keys.ARROW_DOWN] * 25, Keys.ENTER)
    length = page.wait("return viewer.measurements()[0]")
    (x1, y1), (x2, y2) = length["points"]
    assert x1 == pytest.approx(x2)
    assert length["value"] == pytest.approx((y2 - y1) * 0.8)
    page.press(Keys.ESCAPE, "g", Keys.ENTER, *[Keys.ARROW_DOWN] * 20, Keys.ENTER)
    page.press(*[Keys.ARROW_RIGHT] * 20, Keys.ENTER)
    angle = page.wait("return viewer.measurements()[1]")
    assert angle["value"] == pytest.approx(90)
    page.press(Keys.ESCAPE, "b", Keys.ENTER)
    probe = page.wait("return viewer.measurements()[2]")
    assert probe["value"] == _pixels("CT")[int(probe["points"][0][1]), int(probe["points"][0][0])]
    page.press(Keys.DELETE)
    page.wait("return viewer.measurements().length === 2")
    assert [event["measurement"]["kind"] for event in page.events("measured")] == ["length", "angle", "probe"]


def test_a_box_and_an_outline_are_drawn_in_pixels_of_the_stored_image(page: Page) -> None:
    _open(page, "CT")
    page.press("t")
    page.script("window.drawn = undefined; viewer.drawBox().then((d) => (window.drawn = d))")
    page.wait("return document.querySelector('.crv-hint:not([hidden])')")
    page.drag((50, 60), (120, 110))
    drawn = page.wait("return window.drawn")
    assert drawn["sopInstanceUid"] == "2.25.88.0.1.1"
    assert [drawn["box"][name] for name in ("left_px", "top_px", "width_px", "height_px")] == pytest.approx(
        [50, 60, 70, 50], abs=0.6
    )
    page.script("window.drawn = undefined; viewer.drawOutline().then((d) => (window.drawn = d))")
    page.wait("return document.querySelector('.crv-hint:not([hidden])')")
    page.drag((50, 60), (120, 60), (120, 110), (50, 110))
    outline = np.array(page.wait("return window.drawn")["outline"])
    assert outline.min(axis=0) == pytest.approx((50, 60), abs=0.7)
    assert outline.max(axis=0) == pytest.approx((120, 110), abs=0.7)
    page.script("window.drawn = undefined; viewer.drawBox().then((d) => (window.drawn = d))")
    page.wait("return document.querySelector('.crv-hint:not([hidden])')")
    page.press(Keys.ESCAPE)
    assert page.wait("return window.drawn === null")
