"""Places known beforehand: a device's own, and everything outside the ultrasound regions."""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.governance.deidentify.stream import Item

_REGIONS = 0x00186011
_CORNERS = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)  # min x0, min y0, max x1, max y1 (PS3.3 C.8.5.5)
_CONDITIONS = {
    "manufacturer": "Manufacturer",
    "modality": "Modality",
    "series_description": "SeriesDescription",
    "model": "ManufacturerModelName",
}


@cache
def _templates() -> tuple[dict[str, Any], ...]:
    data = tomllib.loads(files(__package__).joinpath("templates.toml").read_text(encoding="utf-8"))
    return tuple(data["templates"])


def device_places(facts: Mapping[str, str], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return where this device is known to write the patient's data, bool [row, column]."""
    mask = np.zeros(shape, bool)
    for template in _templates():
        wanted = {word: template[key].upper() for key, word in _CONDITIONS.items() if key in template}
        if all(value in facts.get(word, "").upper() for word, value in wanted.items()):
            for left, top, width, height in template["boxes"]:
                mask[top : top + height, left : left + width] = True
    return mask


def outside_ultrasound(elements: Item, shape: tuple[int, int], *, big: bool) -> npt.NDArray[np.bool_] | None:
    """Return what lies outside all ultrasound regions, bool [row, column]; None where none are given.

    Sequence of Ultrasound Regions (0018,6011), PS3.3 C.8.5.5.
    """
    boxes = list(_regions(elements, ">" if big else "<"))
    if not boxes:
        return None
    mask = np.ones(shape, bool)
    for left, top, right, bottom in boxes:
        mask[top : bottom + 1, left : right + 1] = False
    return mask


def _regions(elements: Item, order: str) -> Iterator[tuple[int, ...]]:
    for element in elements:
        if element.tag == _REGIONS:
            for item in element.items or ():
                values = {e.tag: e.value for e in item}
                if all(len(values.get(tag, b"")) == 4 for tag in _CORNERS):
                    yield tuple(struct.unpack(f"{order}I", values[tag])[0] for tag in _CORNERS)
