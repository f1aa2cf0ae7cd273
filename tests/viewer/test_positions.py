"""Every overlay lies on the pixel that it speaks about, whatever the image and however it is turned.

A bright spot stands at a known place of the stored image. It is found on the screen by its light, the
overlay by its colour; their middles may lie one pixel of the screen apart.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from viewer_page import Page, centre_of, middle_of
from viewer_site import Site

from coread.testing import patients

pytestmark = [pytest.mark.peer, pytest.mark.slow]

SPOT = (143, 61)
"""Column and row of the middle of the spot."""
_US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"


@dataclass
class Geometry:
    """One kind of image."""

    name: str
    modality: str = "CT"
    shape: tuple[int, int] = (200, 240)
    dtype: str = "int16"
    facts: dict[str, Any] = field(default_factory=dict)
    frames: int = 1
    frame: int = 1
    colour: bool = False
    sop_class: str = ""
    half: int = 4
    """The spot is twice this and one pixel wide and high."""

    def object(self) -> bytes:
        """Draw the image: dark, and the spot."""
        is_inverse = self.facts.get("PhotometricInterpretation") == "MONOCHROME1"
        dark, bright = (3000, 200) if is_inverse else (0, 255) if self.dtype == "uint8" else (0, 3000)
        pixels = np.full((self.frames, *self.shape), dark, self.dtype)
        column, row = SPOT
        pixels[
            self.frame - 1, row - self.half : row + self.half + 1, column - self.half : column + self.half + 1
        ] = bright
        if self.colour:
            pixels = np.stack([pixels] * 3, axis=-1)
        if self.frames == 1:
            pixels = pixels[0]
        facts = {"InstanceNumber": 1} | self.facts
        if self.dtype != "uint8":
            facts = {"WindowCenter": 1500, "WindowWidth": 3000, "BitsStored": 16} | facts
        extra = {"sop_class": self.sop_class} if self.sop_class else {}
        return patients.dicom_from_pixels(
            pixels, modality=self.modality, facts=facts, study_uid=self.study, series_uid=f"{self.study}.1",
            sop_uid=f"{self.study}.1.1", **extra,
        )  # fmt: skip

    @property
    def study(self) -> str:
        return f"2.25.77.{sum(ord(letter) * (i + 1) for i, letter in enumerate(self.name))}"


_OBLIQUE = {"ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1], "ImagePositionPatient": [10, -20, 35]}
GEOMETRIES = [
    Geometry("plain"),
    Geometry("oblique", facts=_OBLIQUE),
    Geometry("tall pixels", facts={"PixelSpacing": [1.0, 0.5]}),
    Geometry("wide pixels", facts={"PixelSpacing": [0.4, 1.0]}),
    Geometry("MONOCHROME1", "DX", dtype="uint16", facts={"PhotometricInterpretation": "MONOCHROME1"}),
    Geometry("large radiograph", "DX", (2000, 1600), "uint16", half=20),
    Geometry("aspect ratio only", "OT", dtype="uint8", facts={"PixelAspectRatio": [2, 1]}),
    Geometry("colour", "US", dtype="uint8", colour=True),
    Geometry("multi-frame", "US", (151, 333), "uint8", frames=5, frame=4, sop_class=_US_MULTI_FRAME,
             facts={"PhotometricInterpretation": "MONOCHROME2"}),
]  # fmt: skip

VIEWS = {
    "as opened": "",
    "turned once": "t",
    "turned three times": "ttt",
    "mirrored": "h",
    "mirrored and turned": "htv",
    "inverted": "i",
}


@pytest.fixture(scope="module")
def filled(site: Site) -> Site:
    site.keep(*(geometry.object() for geometry in GEOMETRIES))
    return site


def _overlays(geometry: Geometry) -> list[dict[str, Any]]:
    column, row = SPOT
    place = {"sopInstanceUid": f"{geometry.study}.1.1", "frame": geometry.frame, "label": ""}
    left, top, size = column - geometry.half, row - geometry.half, 2 * geometry.half + 1
    box = {"left_px": left, "top_px": top, "width_px": size, "height_px": size}
    far, near = 3 * geometry.half, 0.6 * geometry.half
    middle = (column + 0.5, row + 0.5)
    outline = [(middle[0] + far, middle[1]), (middle[0], middle[1] + near),
               (middle[0] - far, middle[1]), (middle[0], middle[1] - near)]  # fmt: skip
    values = base64.b64encode(struct.pack("<f", 1.0)).decode()
    return [
        place | {"id": "box", "kind": "box", "box": box, "colour": "#ff00ff"},
        place | {"id": "outline", "kind": "outline", "outline": outline, "colour": "#00ffff"},
        place | {"id": "heat", "kind": "heat-map",
                 "heatMap": {"rows": 1, "columns": 1, "values": values, "extent": box}},
    ]  # fmt: skip


def _open(page: Page, geometry: Geometry) -> None:
    first = {"seriesInstanceUid": f"{geometry.study}.1", "sopInstanceUid": f"{geometry.study}.1.1"}
    page.open(geometry.study, overlays=_overlays(geometry), firstImage=first | {"frame": geometry.frame})
    page.wait("return viewer.active.image !== undefined")
    page.script("viewer.setOverlayOpacity(1)")
    page.bare()


def _show_only(page: Page, *kinds: str) -> None:
    for kind in ("box", "outline", "heat-map"):
        page.script("viewer.setOverlayVisible(arguments[0], arguments[1])", kind, kind in kinds)


def _misplaced(page: Page, half: int, *, is_inverted: bool = False) -> dict[str, float]:
    """Return how far each kind of overlay lies from the spot, in pixels of the screen."""
    _show_only(page)
    light = page.screen().mean(axis=2)
    light = (255 - light) if is_inverted else light
    x, y = _spot(page, light, half)
    _show_only(page, "box", "outline")
    red, green, blue = np.moveaxis(page.screen(), 2, 0)
    places = {
        "box": middle_of((red > 160) & (blue > 160) & (green < 90)),
        "outline": middle_of((green > 160) & (blue > 160) & (red < 90)),
    }
    _show_only(page, "heat-map")
    places["heat-map"] = _sheet_centre(page)
    return {kind: float(np.hypot(at[0] - x, at[1] - y)) for kind, at in places.items()}


def _spot(page: Page, light: np.ndarray, half: int) -> tuple[float, float]:
    """Find the spot by its light, within four times its size around where it should be at all."""
    column, row = SPOT
    ends = (-4 * half, 4 * half)
    corners = [page.point_of(column + 0.5 + x, row + 0.5 + y) for x in ends for y in ends]
    places = np.array(corners) * page.ratio
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    rows, columns = np.mgrid[0 : light.shape[0], 0 : light.shape[1]]
    near = (columns > left) & (columns < right) & (rows > top) & (rows < bottom)
    return centre_of(np.where(near & (light > 40), light, 0))


def _sheet_centre(page: Page) -> tuple[float, float]:
    page.settle()
    found = page.script(
        """
        const canvas = document.querySelector('.crv-sheets');
        const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let [sum, x, y] = [0, 0, 0];
        for (let i = 3, at = 0; i < data.length; i += 4, at++) {
          sum += data[i]; x += data[i] * ((at % width) + 0.5); y += data[i] * (Math.floor(at / width) + 0.5);
        }
        return [x / sum, y / sum];
        """
    )
    return float(found[0]), float(found[1])


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)
def test_overlays_lie_on_the_spot_in_every_view(page: Page, filled: Site, geometry: Geometry) -> None:
    _open(page, geometry)
    for view, keys in VIEWS.items():
        page.press("0", *keys)
        worst = _misplaced(page, geometry.half, is_inverted=view == "inverted")
        assert max(worst.values()) <= 1.0, (view, worst)
    page.press("0")
    _zoom_in(page)
    for view, keys in {"zoomed and moved": "", "and turned and mirrored": "tv"}.items():
        page.press(*keys)
        worst = _misplaced(page, geometry.half)
        assert max(worst.values()) <= 1.0, (view, worst)


def _zoom_in(page: Page) -> None:
    """Zoom onto the spot and bring it out of the middle."""
    x, y = page.point_of(SPOT[0] + 0.5, SPOT[1] + 0.5)
    page.script("viewer.active.zoomBy(2.7, [arguments[0], arguments[1]])", x, y)
    page.settle()
    x, y = page.point_of(SPOT[0] + 0.5, SPOT[1] + 0.5)
    size = page.surface().rect
    page.script(
        "viewer.active.panBy(arguments[0], arguments[1])",
        size["width"] / 2 - x + 31.4, size["height"] / 2 - y - 17.7,
    )  # fmt: skip
    page.settle()


@pytest.mark.parametrize("ratio", [1.5, 2])
def test_overlays_hold_on_screens_of_finer_pixels(page: Page, filled: Site, ratio: float) -> None:
    metrics = {"width": 1000, "height": 700, "deviceScaleFactor": ratio, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        geometry = GEOMETRIES[2]
        _open(page, geometry)
        for keys in ("", "t", "h"):
            page.press(*keys)
            assert max(_misplaced(page, geometry.half).values()) <= 1.0
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_overlays_stay_on_their_own_frame(page: Page, filled: Site) -> None:
    geometry = GEOMETRIES[-1]
    _open(page, geometry)
    assert page.script("return document.querySelectorAll('[data-overlay]').length") == 2
    page.press("\ue015")  # arrow down
    page.wait("return viewer.current().frame === 5")
    page.settle()
    assert page.script("return document.querySelectorAll('[data-overlay]').length") == 0
    page.script("viewer.showOverlay('box')")
    page.wait("return viewer.current().frame === 4 && document.querySelector('.crv-highlighted')")


def test_pixels_are_shown_in_their_true_shape(page: Page, filled: Site) -> None:
    for name, ratio in (("tall pixels", 2.0), ("wide pixels", 0.4), ("aspect ratio only", 2.0)):
        _open(page, next(geometry for geometry in GEOMETRIES if geometry.name == name))
        _show_only(page)
        rows, columns = np.nonzero(page.screen().mean(axis=2) > 127)
        assert (rows.max() - rows.min() + 1) / (columns.max() - columns.min() + 1) == pytest.approx(
            ratio, rel=0.06
        )
