"""The officer draws a rectangle with the pointer, types another by keyboard alone, and lets the export go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from exporting import export_desk
from page_browser import Page
from page_site import PageSite
from selenium.webdriver import ActionChains, Keys

from coread.domain.person import Role
from coread.governance.exports import State

pytestmark = [pytest.mark.peer, pytest.mark.slow]

SIDES = ("left", "top", "width", "height")


def test_an_officer_corrects_and_accepts(
    site: PageSite, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    desk = export_desk(site, tmp_path)
    job = desk.list()[0]
    site.add("officer", Role.QUALITY)
    page = open_page("officer")
    page.go(f"/exports/{job.id}/studies/1")
    driver = page.driver
    picture = driver.find_element("css selector", "#image-1 [data-draw]")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
    across, down = picture.size["width"] / 64, picture.size["height"] / 48
    middle = (32 * across, 24 * down)  # the pointer starts from the picture's middle
    drawing = ActionChains(driver).move_to_element_with_offset(
        picture, round(10 * across - middle[0]), round(20 * down - middle[1])
    )
    drawing.click_and_hold().move_by_offset(round(20 * across), round(10 * down)).release().perform()
    fields = [driver.find_element("css selector", f"#image-1 [name={side}]") for side in SIDES]
    values = [int(field.get_attribute("value") or 0) for field in fields]
    assert all(abs(value - drawn) <= 2 for value, drawn in zip(values, (10, 20, 20, 10), strict=True)), values
    driver.switch_to.active_element.send_keys(Keys.ENTER)  # the button: drawing leaves the focus on it
    page.see("blank in every frame", ".message.good")
    first = driver.find_element("css selector", "#image-2 [name=left]")
    first.send_keys(
        "3", Keys.TAB, "4", Keys.TAB, "9", Keys.TAB, "8", Keys.TAB, Keys.SPACE, Keys.TAB, Keys.ENTER
    )
    page.see("3, 4: 9 × 8", "#image-1")
    boxes = [[box.left_px for box in held.boxes] for held in desk.study(job.id, 1).held]
    assert boxes == [[values[0], 3], [3]]
    page.go(f"/exports/{job.id}")
    driver.execute_script("document.querySelector('[name=seen-leak]').focus()")
    ActionChains(driver).send_keys(Keys.SPACE, Keys.TAB, "looked at all", Keys.TAB, Keys.ENTER).perform()
    page.see("has left", ".message.good")
    assert desk.get(job.id).state is State.RELEASED
    assert page.faults() == []
