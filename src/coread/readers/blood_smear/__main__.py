"""Read image files of smear fields without a clinic: ``python -m coread.readers.blood_smear FIELD.jpg ...``.

One JSON object for each file: what was counted, with intervals, and every cell; or why the file is refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from coread.domain.finding import Box, Measurement
from coread.readers.blood_smear.reader import BloodSmear, reader
from coread.readers.contract import Machine, Unfit


def main(names: Sequence[str]) -> int:
    """Print what each file shows; the number of files that were not read."""
    made, failed = reader(Machine()), 0
    for name in names:
        answer = answer_of(made, Path(name))
        failed += "refused" in answer
        print(json.dumps({"file": name, **answer}, ensure_ascii=False))
    return failed


def answer_of(made: BloodSmear, path: Path) -> dict[str, Any]:
    """What the reader says of one image file, as JSON types.

    Parameters
    ----------
    made
        The reader.
    path
        JPEG, PNG, TIFF or whatever else Pillow opens.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except OSError:  # Pillow's own error for what is no image is one, too
        return {"refused": {"code": "no-image", "text": "The file is not there or is no image."}}
    said = made.read_colour(pixels)
    if isinstance(said, Unfit):
        reason = said.reason
        return {"refused": {"code": reason.code, "text": reason.text, "text_zh": reason.text_zh}}
    trust = made.calibration.confidence(said.score)
    return {
        "countable": {"probability": trust.probability, "lower": trust.lower, "upper": trust.upper},
        "doubt": said.doubt.code if said.doubt else None,
        "counted": [_count(one) for one in said.measurements],
        "cells": [_cell(box) for box in said.boxes],
    }


def _count(one: Measurement) -> dict[str, Any]:
    interval = {} if one.lower is None else {"lower": one.lower, "upper": one.upper, "level": one.level}
    return {"what": one.quantity.meaning, "value": one.value, "unit": one.unit.value, **interval}


def _cell(box: Box) -> dict[str, Any]:
    place = (box.left_px, box.top_px, box.width_px, box.height_px)
    called = box.label.meaning if box.label else None
    return {"box_px": [round(side, 1) for side in place], "called": called, "probability": box.probability}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
