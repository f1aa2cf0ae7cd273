"""A found text's rectangle is drawn close around its strokes, and never past them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from coread.governance.deidentify.pixels.finding import FoundText
from coread.governance.deidentify.pixels.tightening import tightened

PLACE = (120, 200)


def written(text="QUILLFEATHER", size=24, turned=0, noise=0, step=160):
    """Return a frame with a text, and the text's pixels."""
    ink = Image.new("L", (400, 400))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(ink).text(PLACE, text, fill=255, font=font)
    glyphs = np.asarray(ink.rotate(turned)).astype(float) / 255
    dice = np.random.default_rng(0)
    frame = 60 + noise * dice.standard_normal((400, 400)) + step * glyphs
    return frame.clip(0, 255).astype(np.uint8), glyphs > 0.25


def around(glyphs, left, top, right, bottom):
    """Return a finder's rectangle: the text's bounds and so much more (or, negative, less) at each side."""
    rows, columns = np.nonzero(glyphs)
    x0, x1, y0, y1 = columns.min() - left, columns.max() + right, rows.min() - top, rows.max() + bottom
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def blanked(frame, corners):
    return FoundText(tightened(frame, corners), "", 1.0, is_tight=True).mask(frame.shape[:2])


@pytest.mark.parametrize("turned", [0, 90])
@pytest.mark.parametrize(
    "beyond", [(4, 4, 4, 4), (60, 14, 60, 14), (5, 3, 70, 12), (-8, 2, 3, 2), (3, 2, -10, 2)]
)
def test_the_whole_text_goes_and_little_else(turned, beyond):
    frame, glyphs = written(turned=turned)
    sides = beyond if not turned else (beyond[1], beyond[0], beyond[3], beyond[2])
    mask = blanked(frame, around(glyphs, *sides))
    assert mask[glyphs].all()
    rows, columns = np.nonzero(glyphs)
    bounds = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert mask.sum() <= 1.9 * bounds


def test_over_noise_nothing_of_the_rectangle_is_given_up():
    frame, glyphs = written(noise=25)
    corners = around(glyphs, 20, 3, 20, 3)
    plain = FoundText(corners, "", 1.0, is_tight=True).mask(frame.shape)
    assert (blanked(frame, corners) & plain).sum() >= 0.95 * plain.sum()


def test_a_faint_end_within_the_rectangle_stays_blank():
    """Text that runs into brightness: its last letters are a tenth as strong as the first ones."""
    _, glyphs = written()
    fading = np.linspace(1, 0.1, 400)[None, :]
    faint = (60 + 160 * glyphs * fading).astype(np.uint8)
    assert blanked(faint, around(glyphs, 4, 4, 4, 4))[glyphs].all()


def test_colour_and_places_at_the_edge_are_taken():
    frame, glyphs = written()
    colour = np.repeat(frame[..., None], 3, axis=2)
    corners = around(glyphs, 4, 4, 4, 4)
    assert (blanked(colour, corners) == blanked(frame, corners)).all()
    assert blanked(frame, ((-3, -3), (20, -3), (20, 9), (-3, 9))).shape == frame.shape
    empty = tightened(np.zeros((30, 30), np.uint8), ((5, 5), (20, 5), (20, 9), (5, 9)))
    assert len(empty) == 4
