"""Frames with planted names: real ultrasound, CT and radiographs behind, text of known place in front.

Development and examination frames are drawn from different seeds, different persons and different background images.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from provenance import ROOT

#: Family and given names; persons of the examination have other names than those of the development.
LATIN = (
    "QUILLFEATHER Ostrander WEXCOMBE Brannigan FITZHOLLOW Trevanion MUELLER O'Halloran ZUBIRIA Lindqvist "
    "Abernathy CASTELLANOS Dvorak EKSTROEM Fairweather GONZAGA Hawksworth IVANOVA Jankowski KOWALCZYK",
    "MARGUERITE Thaddeus PHILIPPA Ignatius B Jose ANNELIESE Siobhan CARMEN Astrid "
    "Wilhelmina J. RAFAEL Ingrid PER Theodora LI Yusuf Chiara D.",
)
CHINESE = (
    "王 欧阳 李 诸葛 张 陈 刘 赵 黄 周 司马 吴 徐 孙 马 朱 胡 林 郭 何",
    "小东 春晓 秀英 明远 伟国 思远 建华 雅婷 志强 婉清 敏 涛 丽娟 国栋 梓涵 浩然 桂兰 子轩 海燕 军",
)
#: How a Latin name is written: as DICOM does, as letters do, as consoles do.
_FORMS = ("{}^{}", "{}, {}", "{} {}")
SIZES_PX = (12, 16, 22, 30, 44)
CONTRASTS = (0.9, 0.6, 0.35, 0.2)
ROTATIONS = (0, 90)
KINDS = tuple(
    (script, size, contrast, rotation)
    for rotation in ROTATIONS
    for contrast in CONTRASTS
    for size in SIZES_PX
    for script in ("latin", "chinese")
)


@dataclass
class PlantedFrame:
    """One frame with one name."""

    frame: npt.NDArray[np.uint8] = field(repr=False)
    glyphs: npt.NDArray[np.bool_] = field(repr=False)
    """Pixels of the name, bool [row, column]."""
    name: str
    script: str
    size_px: int
    contrast: float
    rotation: int
    background: str


def shared_data() -> Path:
    """Return where the real image sets lie."""
    return Path(os.environ.get("COREAD_SHARED_DATA", ROOT.parent / "shared" / "data"))


@cache
def _font(script: str, size: int) -> ImageFont.FreeTypeFont:
    name = "NotoSansSC-Regular.ttf" if script == "chinese" else "NotoSans-Regular.ttf"
    folder = files("coread.results").joinpath("fonts")
    plain, packed = folder.joinpath(name), folder.joinpath(f"{name}.xz")
    data = plain.read_bytes() if plain.is_file() else lzma.decompress(packed.read_bytes())
    return ImageFont.truetype(io.BytesIO(data), size)


@cache
def backgrounds(part: str) -> tuple[tuple[str, npt.NDArray[np.uint8]], ...]:
    """Return background frames of 512 x 512 or 480 x 640; parts named ``develop…`` share none with the others."""
    found = [*_ultrasound(), *_radiographs()]
    return tuple(
        (name, frame)
        for name, frame in found
        if (hashlib.sha256(name.encode()).digest()[0] % 2 == 0) == part.startswith("develop")
    )


def _ultrasound() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    for path in sorted((shared_data() / "pocus_lung" / "clips").glob("*.npz")):
        clip = np.load(path)["frames"]
        frame = Image.fromarray(clip[len(clip) // 2])
        scale = min(420 / frame.width, 380 / frame.height)
        frame = frame.resize(
            (round(frame.width * scale), round(frame.height * scale)), Image.Resampling.BICUBIC
        )
        canvas = Image.new("L", (640, 480))
        canvas.paste(frame, ((640 - frame.width) // 2, 70))
        yield path.stem, np.asarray(canvas)


def _radiographs() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    for path in sorted((shared_data() / "cxr_nih" / "images").glob("*.png"))[:60]:
        image = Image.open(path).convert("L").resize((512, 512), Image.Resampling.BICUBIC)
        yield path.stem, np.asarray(image)


def planted_frames(part: str, count: int) -> Iterator[PlantedFrame]:
    """Give frames; every script, size, contrast and rotation comes as often as the others.

    Parameters
    ----------
    part
        Seed of the draw. Parts named ``develop…`` are for choosing, all others for examining.
    count
        How many; 80 are one of each kind.
    """
    draw = random.Random(f"frames {part}")
    for number in range(count):
        script, size, contrast, rotation = KINDS[number % len(KINDS)]
        name = _named(draw, script, 0 if part.startswith("develop") else 1)
        yield _planted(draw, (name, script), (size, contrast, rotation), part)


def _named(draw: random.Random, script: str, half: int) -> str:
    """Draw a name; persons of the two halves share no part of theirs."""
    lists = LATIN if script == "latin" else CHINESE
    family, given = (draw.choice(names.split()[half::2]) for names in lists)
    return family + given if script == "chinese" else draw.choice(_FORMS).format(family, given)


def _planted(
    draw: random.Random, name: tuple[str, str], look: tuple[int, float, int], part: str
) -> PlantedFrame:
    size, contrast, rotation = look
    place, background = draw.choice(backgrounds(part))
    ink = _inked(name, size, rotation)
    height, width = ink.shape
    top = draw.randint(2, max(background.shape[0] - height - 2, 2))
    left = draw.randint(2, max(background.shape[1] - width - 2, 2))
    frame = background.astype(float).copy()
    under = frame[top : top + height, left : left + width]
    ink = ink[: under.shape[0], : under.shape[1]]
    # Bright text on dark places and dark text on bright ones, as consoles write it; the difference is the contrast.
    step = 255 * contrast * (1 if under.mean() + 255 * contrast <= 255 or under.mean() < 128 else -1)
    frame[top : top + ink.shape[0], left : left + ink.shape[1]] = under + ink * step
    glyphs = np.zeros(frame.shape, bool)
    glyphs[top : top + ink.shape[0], left : left + ink.shape[1]] = ink > 0.25
    seen = frame.clip(0, 255).astype(np.uint8)
    return PlantedFrame(seen, glyphs, name[0], name[1], size, contrast, rotation, place)


def _inked(name: tuple[str, str], size: int, rotation: int) -> npt.NDArray[np.float64]:
    font = _font(name[1], size)
    left, top, right, bottom = font.getbbox(name[0])
    ink = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(ink).text((2 - left, 2 - top), name[0], fill=255, font=font)
    turned = ink.rotate(rotation, expand=True) if rotation else ink
    return np.asarray(turned, float) / 255


def score(planted: PlantedFrame, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return what a blanking did to a frame.

    Returns
    -------
    dict
        ``covered``, the share of the name's pixels that is blank; ``beside``, the share of the frame that is
        blank outside of all text, each with a margin; ``beside_the_name``, the same with the background's own
        text (``deidentify_own_text.toml``) counted as no text.
    """
    rows, columns = np.nonzero(planted.glyphs)
    size = planted.size_px
    box = np.zeros(mask.shape, bool)
    margin = round(0.5 * size) + 4
    box[
        max(rows.min() - margin, 0) : rows.max() + 1 + margin,
        max(columns.min() - margin, 0) : columns.max() + 1 + margin,
    ] = True
    return {
        "covered": float(mask[planted.glyphs].mean()),
        "beside": float((mask & ~box & ~own_text(planted.background, mask.shape)).mean()),
        "beside_the_name": float((mask & ~box).mean()),
        "script": planted.script,
        "size_px": size,
        "contrast": planted.contrast,
        "rotation": planted.rotation,
        "background": planted.background,
        "name": planted.name,
    }


def own_text(background: str, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return where a background bears text of its own, with a margin, bool [row, column]."""
    covered = np.zeros(shape, bool)
    for left, top, right, bottom in _read_by_eye().get(background, ()):
        margin = round(0.5 * min(right - left, bottom - top)) + 4
        rows = slice(max(top - margin, 0), bottom + margin)
        covered[rows, max(left - margin, 0) : right + margin] = True
    return covered


@cache
def _read_by_eye() -> dict[str, list[list[int]]]:
    path = Path(__file__).with_name("deidentify_own_text.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
