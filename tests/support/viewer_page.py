"""The viewer's page as a test sees it: what is on the screen, where, and what was said."""

from __future__ import annotations

import io
import time
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webelement import WebElement
from viewer_site import Site

Pixels = npt.NDArray[np.float64]

_BARE = """
for (const part of document.querySelectorAll('.crv-corner, .crv-edge, .crv-scale, .crv-strip'))
  part.style.visibility = 'hidden';
"""


class Page:
    """One page with a viewer."""

    def __init__(self, browser: Chrome, site: Site) -> None:
        self.browser = browser
        self.site = site
        self.ratio = 1.0
        """Pixels of the screen for each pixel of the page."""

    def open(self, study_uid: str, **config: Any) -> None:
        """Open a study and wait for its first image or fault."""
        self.browser.get("about:blank")
        self.browser.get(self.site.page(studyInstanceUid=study_uid, **config))
        self.wait("return window.mounted === true")
        self.settle()

    def script(self, text: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.browser.execute_script(text, *arguments)

    def wait(self, script: str, timeout_s: float = 20) -> Any:
        """Wait until a script answers something true."""
        until = time.monotonic() + timeout_s
        while not (found := self.script(script)):
            if time.monotonic() > until:
                raise TimeoutError(f"{script}; faults {self.faults()}; events {self.events()[-5:]}")
            time.sleep(0.03)
        return found

    def settle(self) -> None:
        """Let all that was asked for be drawn."""
        self.browser.execute_async_script(
            "const done = arguments[0]; let n = 4;"
            "const tick = () => (--n ? requestAnimationFrame(tick) : done()); requestAnimationFrame(tick);"
        )

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """Return what the viewer told the page, oldest first."""
        told = self.script("return window.events")
        return [event for event in told if not kind or event["type"] == kind]

    def faults(self) -> list[str]:
        """Return what broke: script errors, breaches of the policy."""
        return list(self.script("return window.faults ?? []"))

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, with the viewer in focus."""
        root = self.browser.find_element("css selector", ".crv")
        for key in keys:
            root.send_keys(key)
        self.settle()

    def surface(self, pane: int = 0) -> WebElement:
        """Return the area of a pane that takes the pointer."""
        return self.browser.find_elements("css selector", ".crv-surface")[pane]

    def text(self, selector: str) -> str:
        """Return what is written in an element."""
        return str(self.script("return document.querySelector(arguments[0]).textContent", selector))

    def bare(self) -> None:
        """Hide texts and strip, so that the screen holds the image and its overlays only."""
        self.script(_BARE)

    def screen(self) -> Pixels:
        """Return the stage as it is on the screen: [row, column, red green blue], pixels of the screen."""
        self.settle()
        stage = self.browser.find_element("css selector", ".crv-stage").rect
        shot = Image.open(io.BytesIO(self.browser.get_screenshot_as_png())).convert("RGB")
        self.ratio = float(self.script("return devicePixelRatio"))
        left, top = stage["x"] * self.ratio, stage["y"] * self.ratio
        box = (left, top, left + stage["width"] * self.ratio, top + stage["height"] * self.ratio)
        return np.asarray(shot.crop(tuple(map(round, box))), dtype=np.float64)

    def point_of(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return where a pixel of the stored image stands in the stage, pixels of the page."""
        found = self.script("return viewer.active.pointOf([arguments[0], arguments[1]])", x_px, y_px)
        return float(found[0]), float(found[1])

    def drag(self, *path_px: tuple[float, float], button: str = "left") -> None:
        """Press at the first point of the stored image, go along the others, let go."""
        surface = self.surface()
        size = surface.rect
        points = [self.point_of(*point) for point in path_px]
        offsets = [(round(x - size["width"] / 2), round(y - size["height"] / 2)) for x, y in points]
        chain = ActionChains(self.browser, duration=60)
        chain.move_to_element_with_offset(surface, *offsets[0])
        chain.click_and_hold()
        for (x, y), (next_x, next_y) in pairwise(offsets):
            chain.move_by_offset((next_x - x) // 2, (next_y - y) // 2)
            chain.move_by_offset(next_x - x - (next_x - x) // 2, next_y - y - (next_y - y) // 2)
        chain.release().perform()
        self.settle()


def centre_of(weights: Pixels) -> tuple[float, float]:
    """Return x, y of the centre of gravity, where a pixel's centre stands at a half."""
    assert weights.sum() > 0, "nothing of it is on the screen"
    rows, columns = np.mgrid[0 : weights.shape[0], 0 : weights.shape[1]] + 0.5
    return float((columns * weights).sum() / weights.sum()), float((rows * weights).sum() / weights.sum())


def middle_of(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return x, y of the middle of the box around what is set."""
    assert mask.any(), "nothing of it is on the screen"
    rows, columns = np.nonzero(mask)
    return (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
