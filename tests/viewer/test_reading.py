"""A doctor's way through images: keys, broken frames, loops, priors, planes, segments, languages."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from viewer_page import Page, centre_of
from viewer_site import Site

from coread.testing import patients

pytestmark = pytest.mark.peer

STUDY, PRIOR, OTHERS = "2.25.90", "2.25.91", "2.25.92"
SLICES = 24
_US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
_BALL = (60.0, 44.0, 12.0)
"""Column, row, slice of the middle of a bright ball."""


def _slice(study: str, number: int, *, shift_mm: float = 0, step_mm: float = 2.0) -> bytes:
    rows, columns = np.mgrid[0:96, 0:128]
    inside = (columns - _BALL[0]) ** 2 + (rows - _BALL[1]) ** 2 + ((number - _BALL[2]) * 2.0) ** 2 <= 81
    pixels = np.where(inside, 900, -200).astype(np.int16)
    facts = {
        "InstanceNumber": number + 1,
        "ImagePositionPatient": [-64, -48, shift_mm + number * step_mm],
        "PixelSpacing": [1.0, 1.0],
        "SliceThickness": step_mm,
        "FrameOfReferenceUID": f"{study}.9",
        "SeriesDescription": "Thin <b>slices</b>",
        "WindowCenter": 350,
        "WindowWidth": 1200,
    }
    return patients.dicom_from_pixels(
        pixels, modality="CT", facts=facts, study_uid=study, series_uid=f"{study}.1",
        sop_uid=f"{study}.1.{number + 1}",
    )  # fmt: skip


def _segmentation(sources: list[pydicom.Dataset]) -> bytes:
    mask = np.stack([source.pixel_array > 500 for source in sources]).astype(np.uint8)
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Ball",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Nodule,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    made = hd.seg.Segmentation(
        source_images=sources, pixel_array=mask, segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment], series_instance_uid=f"{STUDY}.5", series_number=5,
        sop_instance_uid=f"{STUDY}.5.1", instance_number=1, manufacturer="CoRead",
        manufacturer_model_name="Test", software_versions="0", device_serial_number="0",
    )  # fmt: skip
    file = io.BytesIO()
    made.save_as(file)
    return file.getvalue()


def _loop() -> bytes:
    frames = np.zeros((6, 64, 64), np.uint8)
    for frame in range(6):
        frames[frame, :, frame * 10 : frame * 10 + 8] = 255
    facts = {"PhotometricInterpretation": "MONOCHROME2", "FrameTime": 50.0, "InstanceNumber": 1}
    return patients.dicom_from_pixels(
        frames, modality="US", facts=facts, sop_class=_US_MULTI_FRAME, study_uid=OTHERS,
        series_uid=f"{OTHERS}.2", sop_uid=f"{OTHERS}.2.1",
    )  # fmt: skip


def _broken_among_sound() -> list[bytes]:
    objects = []
    for number in range(3):
        identity = {"study_uid": OTHERS, "series_uid": f"{OTHERS}.1", "sop_uid": f"{OTHERS}.1.{number + 1}"}
        facts = {"InstanceNumber": number + 1, "SeriesNumber": 1}
        written = patients.chest_radiograph(
            number, facts=facts, transfer_syntax_uid="1.2.840.10008.1.2.4.90", **identity
        )
        if number == 1:
            at = written.index(b"\xff\x4f\xff\x51") + 60
            written = (
                written[:at] + bytes(255 - byte for byte in written[at : at + 200]) + written[at + 200 :]
            )
        objects.append(written)
    return objects


@pytest.fixture(scope="module", autouse=True)
def filled(site: Site) -> None:
    slices = [_slice(STUDY, number) for number in range(SLICES)]
    site.keep(*slices, *(_slice(PRIOR, number, shift_mm=30, step_mm=1.0) for number in range(40)))
    site.keep(*_broken_among_sound(), _loop())
    site.keep(_segmentation([pydicom.dcmread(io.BytesIO(written)) for written in slices]))


def _open(page: Page, study: str = STUDY, **config: Any) -> None:
    page.open(study, **config)
    page.wait("return viewer.active.image !== undefined")


def _index(page: Page) -> int:
    page.settle()
    return int(page.script("return viewer.active.index"))


def test_images_are_walked_by_keys_and_by_the_wheel(page: Page) -> None:
    _open(page)
    assert _index(page) == 0
    for key, place in [
        (Keys.ARROW_DOWN, 1), (Keys.ARROW_RIGHT, 2), (Keys.ARROW_UP, 1), (Keys.PAGE_DOWN, 11),
        (Keys.PAGE_UP, 1), (Keys.END, SLICES - 1), (Keys.ARROW_DOWN, SLICES - 1), (Keys.HOME, 0),
        (Keys.ARROW_LEFT, 0),
    ]:  # fmt: skip
        page.press(key)
        assert _index(page) == place
    for _ in range(3):
        ActionChains(page.browser).scroll_from_origin(_wheel(page), 0, 120).perform()
    assert _index(page) == 3
    assert f"4/{SLICES}" in page.text(".crv-bottom-left")
    assert page.events("image-shown")[-1]["sopInstanceUid"] == f"{STUDY}.1.4"


def _wheel(page: Page) -> Any:
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin  # noqa: PLC0415

    return ScrollOrigin.from_element(page.surface())


def test_every_key_that_is_listed_acts_and_the_others_go_on_to_the_page(page: Page) -> None:
    _open(page)
    look = (
        "const p = viewer.active, s = p.viewport.getViewState();"
        "return JSON.stringify([p.window, p.isInverted, p.zoom, p.viewport.getPan(),"
        "s.rotation, s.flipHorizontal, s.flipVertical])"
    )
    for key in ["1", "2", "4", "+", "i", "h", "v", "t", Keys.SHIFT + Keys.ARROW_LEFT]:
        before = page.script(look)
        page.press(key)
        assert page.script(look) != before, key
    page.press("0")
    assert page.script("return viewer.active.window === undefined && !viewer.active.isInverted")
    for key, tool in zip(
        "wzplgcbm", ["window", "zoom", "pan", "length", "angle", "ellipse", "probe", "magnifier"], strict=True
    ):
        page.press(key)
        page.wait(f"return document.querySelector('[data-command={tool}][aria-pressed=true]')")
        if tool != "window":
            page.press(Keys.ESCAPE)
    page.press("j", "k", "a", "?", "[")
    assert page.script("return window.passedKeys.filter(key => key !== 'Shift')") == ["j", "k", "a", "?", "["]


def test_the_window_follows_the_drag_and_the_presets(page: Page) -> None:
    _open(page)
    page.press("2")
    assert "W 1500 C -600" in page.text(".crv-bottom-right")
    page.drag((40, 40), (80, 40))
    assert page.script("return viewer.active.window.width") > 1500
    page.press("9")
    assert "W 1200 C 350" in page.text(".crv-bottom-right")


def test_a_broken_image_is_named_and_the_others_are_read(page: Page) -> None:
    _open(page, OTHERS)
    page.press(Keys.ARROW_DOWN)
    page.wait("return document.querySelector('.crv-fault:not([hidden])')")
    said = page.text(".crv-fault")
    assert "Image 2 of 3" in said
    fault = page.events("image-fault")[0]
    assert fault["sopInstanceUid"] == f"{OTHERS}.1.2"
    assert fault["reason"]
    page.press(Keys.ARROW_DOWN)
    page.wait("return document.querySelector('.crv-fault').hidden && viewer.active.image")
    assert page.script("return viewer.current().sopInstanceUid") == f"{OTHERS}.1.3"
    page.wait("return [...document.querySelectorAll('.crv-badge-fault')].some(b => b.textContent === '! 1')")
    page.script("viewer.setLanguage('zh')")
    page.press(Keys.ARROW_UP)
    page.wait("return document.querySelector('.crv-fault').textContent.includes('该影像无法显示')")


_BREAKS = {
    "JPEG 2000": ("1.2.840.10008.1.2.4.90", b"\xff\x4f\xff\x51", 60),
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", b"\xff\xd8\xff", 20),
    "JPEG": ("1.2.840.10008.1.2.4.50", b"\xff\xd8\xff", 20),
    "RLE": ("1.2.840.10008.1.2.5", b"\x02\0\0\0\x40\0\0\0", 4),
}


@pytest.mark.parametrize("syntax", _BREAKS)
def test_a_broken_image_never_shows_its_neighbour(page: Page, site: Site, syntax: str) -> None:
    uid, mark, offset = _BREAKS[syntax]
    study = f"2.25.93.{list(_BREAKS).index(syntax)}"
    for number in range(2):
        identity = {"study_uid": study, "series_uid": f"{study}.1", "sop_uid": f"{study}.1.{number + 1}"}
        pixels = patients.chest_pixels(number)
        pixels = (pixels >> 4).astype(np.uint8) if syntax == "JPEG" else pixels
        written = patients.dicom_from_pixels(
            pixels, modality="OT" if syntax == "JPEG" else "DX", facts={"InstanceNumber": number + 1},
            transfer_syntax_uid=uid, **identity,
        )  # fmt: skip
        if number == 1:
            at = written.rindex(mark) + offset
            written = (
                written[:at] + bytes(255 - byte for byte in written[at : at + 150]) + written[at + 150 :]
            )
        site.keep(written)
    _open(page, study)
    page.press(Keys.ARROW_DOWN)
    page.wait("return document.querySelector('.crv-fault:not([hidden])')")
    assert page.script("return viewer.active.image === undefined")


def test_a_loop_plays_at_the_rate_of_its_header(page: Page) -> None:
    _open(
        page,
        OTHERS,
        firstImage={"seriesInstanceUid": f"{OTHERS}.2", "sopInstanceUid": f"{OTHERS}.2.1", "frame": 1},
    )
    page.wait("return window.events.some(e => e.type === 'all-loaded')")
    page.press(" ")
    assert "20 frames/s" in page.text(".crv-bottom-left")
    page.wait("return window.events.filter(e => e.type === 'image-shown').length > 30")
    page.press(" ")
    times = [event["at"] for event in page.events("image-shown")][8:28]
    assert np.median(np.diff(times)) == pytest.approx(50, abs=15)
    frames = [event["frame"] for event in page.events("image-shown")][8:28]
    assert all(b == a % 6 + 1 for a, b in pairwise(frames))


def test_a_prior_stands_beside_and_scrolls_along(page: Page) -> None:
    priors = [{"studyInstanceUid": PRIOR, "label": "2024-01-02 CT"}]
    _open(page, priors=priors)
    page.press("x")
    page.wait("return viewer.comparison && viewer.panes.length === 2 && viewer.panes[1].image")
    page.wait("return viewer.comparison.links.there !== undefined")
    before = page.script("return viewer.panes.map(p => p.index)")
    for _ in range(4):
        page.press(Keys.ARROW_DOWN)
    after = page.script("return viewer.panes.map(p => p.index)")
    assert after[0] - before[0] == 4
    # Slices of the prior are half as far apart.
    assert after[1] - before[1] == 8
    page.press("x")
    page.wait("return viewer.panes.length === 1")


def test_a_lesion_is_shown_in_study_and_prior(page: Page) -> None:
    box = {"left_px": 50, "top_px": 36, "width_px": 20, "height_px": 17}
    lesion = {"kind": "box", "label": "Lesion 1", "frame": 1, "box": box}
    overlays = [
        lesion | {"id": "now", "sopInstanceUid": f"{STUDY}.1.13"},
        lesion | {"id": "then", "sopInstanceUid": f"{PRIOR}.1.13"},
    ]
    _open(page, priors=[{"studyInstanceUid": PRIOR, "label": "2024-01-02 CT"}], overlays=overlays)
    page.script("viewer.showOverlay('now')")
    page.wait("return document.querySelector('[data-overlay=now]')")
    page.script("viewer.showOverlay('then')")
    page.wait("return document.querySelector('[data-overlay=then]')")
    assert page.script("return viewer.panes.map(pane => pane.index)") == [12, 12]
    assert page.script("return document.querySelector('[data-overlay=now]') !== null")


def test_what_the_page_asks_for_does_not_take_the_focus(page: Page) -> None:
    _open(page)
    page.script(
        "const b = document.body; b.tabIndex = 0; b.focus(); viewer.goTo(arguments[0], 1)", f"{STUDY}.1.5"
    )
    page.wait("return viewer.active.index === 4")
    assert page.script("return document.activeElement === document.body")


def test_a_volume_is_cut_in_three_planes_through_one_point(page: Page) -> None:
    _open(page)
    page.press("y")
    page.wait("return viewer.mpr !== undefined", 40)
    page.settle()
    labels = page.script(
        "const found = document.querySelectorAll('.crv-grid:not([hidden]) .crv-top-left');"
        "return [...found].map(e => e.textContent)"
    )
    assert labels == ["Axial", "Coronal", "Sagittal"]
    page.script("viewer.mpr.moveTo([-64 + 60, -48 + 44, 24])")
    page.settle()
    page.settle()
    for pane in range(3):
        assert _ball_is_under_the_cross(page, pane), pane
    page.press(Keys.ESCAPE)
    page.wait("return viewer.mpr === undefined && !document.querySelector('.crv-grid').hidden")


def _ball_is_under_the_cross(page: Page, pane: int) -> bool:
    """Compare where the ball's light is, and where the two lines cross."""
    page.script(
        "for (const e of document.querySelectorAll('.crv-corner, .crv-edge, .crv-scale, .crv-lines'))"
        " e.style.visibility = 'hidden'"
    )
    place = page.script(
        "const pane = document.querySelectorAll('.crv-grid:not([hidden]) .crv-pane')[arguments[0]];"
        "const r = pane.getBoundingClientRect();"
        "const s = document.querySelector('.crv-stage').getBoundingClientRect();"
        "const at = (l, k) => Number(l.getAttribute(k));"
        "const lines = [...pane.querySelectorAll('line')];"
        "const up = lines.find(l => l.getAttribute('x1') === l.getAttribute('x2'));"
        "const flat = lines.find(l => l.getAttribute('y1') === l.getAttribute('y2'));"
        "return [r.left - s.left, r.top - s.top, r.width, r.height, at(up, 'x1'), at(flat, 'y1')]",
        pane,
    )
    left, top, width, height, x, y = place
    light = page.screen().mean(axis=2)[round(top) : round(top + height), round(left) : round(left + width)]
    found = centre_of(np.where(light[4:-4, 4:-4] > 150, 1.0, 0.0))
    return abs(found[0] + 4 - x) < 3 and abs(found[1] + 4 - y) < 3


def test_a_segment_lies_on_what_it_outlines_in_every_plane(page: Page) -> None:
    seg = {"seriesInstanceUid": f"{STUDY}.5", "sopInstanceUid": f"{STUDY}.5.1", "segmentNumber": 1}
    overlay = {
        "id": "s",
        "kind": "seg",
        "seg": seg,
        "label": "",
        "sopInstanceUid": f"{STUDY}.1.13",
        "frame": 1,
    }
    _open(page, overlays=[overlay | {"colour": "#ff00ff"}])
    page.press("y")
    page.wait("return viewer.mpr !== undefined", 40)
    page.script("viewer.mpr.moveTo([-64 + 60, -48 + 44, 24]); viewer.setOverlayOpacity(1)")
    page.wait("return viewer.mpr.segments().length === 1")
    page.settle()
    page.bare()
    page.script("document.querySelectorAll('.crv-lines').forEach((e) => (e.style.visibility = 'hidden'))")
    tinted = page.screen()
    page.script("viewer.setOverlayVisible('seg', false)")
    page.settle()
    light = page.screen().mean(axis=2)
    panes = page.script(
        "const s = document.querySelector('.crv-stage').getBoundingClientRect();"
        "return [...document.querySelectorAll('.crv-grid:not([hidden]) .crv-pane')].map((pane) => {"
        "const r = pane.getBoundingClientRect();"
        "return [r.left - s.left, r.top - s.top, r.width, r.height]; })"
    )
    for left, top, width, height in panes:
        cut = (
            slice(round(top) + 4, round(top + height) - 4),
            slice(round(left) + 4, round(left + width) - 4),
        )
        red, green, blue = np.moveaxis(tinted[cut], 2, 0)
        ball = centre_of(np.where(light[cut] > 150, 1.0, 0.0))
        segment = centre_of(np.where((red > 90) & (blue > 90) & (green < 0.75 * red), 1.0, 0.0))
        assert np.hypot(ball[0] - segment[0], ball[1] - segment[1]) <= 2.5


def test_a_series_that_is_no_volume_says_so(page: Page) -> None:
    _open(page, OTHERS)
    page.press("y")
    page.wait("return document.querySelector('.crv-hint').textContent.includes('No reformat')")


def test_a_segment_lies_on_what_it_outlines(page: Page) -> None:
    place = {"sopInstanceUid": f"{STUDY}.1.13", "frame": 1, "label": ""}
    seg = {"seriesInstanceUid": f"{STUDY}.5", "sopInstanceUid": f"{STUDY}.5.1", "segmentNumber": 1}
    _open(page, overlays=[place | {"id": "s", "kind": "seg", "seg": seg, "colour": "#ff00ff"}])
    page.script("viewer.showOverlay('s')")
    page.wait(
        "return viewer.current().sopInstanceUid === arguments[0]".replace("arguments[0]", f"'{STUDY}.1.13'")
    )
    page.script("viewer.setOverlayOpacity(1)")
    page.bare()
    for keys in ("", "t", "h", "++"):
        page.press(*keys)
        page.script("viewer.setOverlayVisible('seg', false); viewer.book.highlighted = undefined")
        light = centre_of(np.where(page.screen().mean(axis=2) > 150, 1.0, 0.0))
        page.script("viewer.setOverlayVisible('seg', true)")
        page.wait(
            "const c = document.querySelector('.crv-sheets');"
            "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)"
        )
        red, green, blue = np.moveaxis(page.screen(), 2, 0)
        segment = centre_of(np.where((red > 90) & (blue > 90) & (green < 0.75 * red), 1.0, 0.0))
        assert np.hypot(light[0] - segment[0], light[1] - segment[1]) <= 1.0


def test_overlays_are_switched_and_faded(page: Page) -> None:
    box = {"left_px": 10, "top_px": 10, "width_px": 20, "height_px": 20}
    overlay = {
        "id": "a",
        "kind": "box",
        "label": "<img src=x onerror=alert(1)>",
        "sopInstanceUid": f"{STUDY}.1.1",
        "frame": 1,
        "box": box,
    }
    _open(page, overlays=[overlay])
    count = "return document.querySelectorAll('[data-overlay]').length"
    page.wait("return document.querySelectorAll('[data-overlay]').length === 1")
    assert page.script("return document.querySelector('.crv-label').textContent") == overlay["label"]
    page.press("q")
    assert page.script(count) == 0
    page.press("q", "f")
    assert page.script("return document.querySelector('.crv-lines').style.opacity") == "0.5"
    page.script("viewer.setOverlayVisible('box', false)")
    page.settle()
    assert page.script(count) == 0
    page.script("viewer.setOverlayVisible('box', true); viewer.setOverlays([])")
    page.settle()
    assert page.script(count) == 0


def test_all_texts_change_with_the_language(page: Page) -> None:
    _open(page, language="zh")
    assert (
        page.script("return document.querySelector('[data-command=length]').getAttribute('aria-label')")
        == "长度"
    )
    assert "窗宽 1200" in page.text(".crv-bottom-right")
    page.script("viewer.setLanguage('en')")
    page.settle()
    assert "W 1200" in page.text(".crv-bottom-right")
    assert page.text(".crv-top-left") == "CT · Series 1\nThin <b>slices</b>"


def test_no_word_of_the_patient_stands_on_the_screen(page: Page) -> None:
    _open(page)
    assert "Canary" not in page.script("return document.body.textContent")


def test_it_leaves_nothing_behind(page: Page) -> None:
    _open(page)
    page.script("viewer.dispose()")
    assert page.script("return document.querySelectorAll('.crv, canvas').length") == 0


def test_a_first_image_that_is_gone_gives_way_to_another(page: Page) -> None:
    gone = {"seriesInstanceUid": "2.25.4.4", "sopInstanceUid": "2.25.4.4.4", "frame": 1}
    _open(page, firstImage=gone)
    assert page.script("return viewer.current().sopInstanceUid") == f"{STUDY}.1.1"


def test_the_first_image_is_the_one_that_the_page_names(page: Page) -> None:
    first = {"seriesInstanceUid": f"{STUDY}.1", "sopInstanceUid": f"{STUDY}.1.9", "frame": 1}
    _open(page, firstImage=first)
    page.wait(f"return viewer.active.count === {SLICES}")
    assert _index(page) == 8
    page.wait("return window.events.some(e => e.type === 'all-loaded')")
    assert page.events("all-loaded")[0]["images"] == SLICES
    assert [event["type"] for event in page.events()[:2]] == ["placeholder", "first-image"]


def test_a_picture_that_the_page_shows_is_kept_until_the_image_is_drawn(page: Page, site: Site) -> None:
    place = f"/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1"
    first = {"seriesInstanceUid": f"{STUDY}.1", "sopInstanceUid": f"{STUDY}.1.1", "frame": 1}
    _open(page, firstImage=first, picture=f"{place}/rendered")
    page.wait("return window.events.some(e => e.type === 'first-image')")
    assert page.script("return document.getElementById('picture')") is None
    asked = page.script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert sum("rendered" in address for address in asked) == 1


def test_an_empty_study_and_a_wrong_one_are_said(page: Page) -> None:
    page.open("2.25.999")
    page.wait("return document.querySelector('.crv-hint:not([hidden])')")
    assert page.text(".crv-hint")
