"""What a client may ask of a rendered image, and how it is done (PS3.18 section 8.3.5)."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from starlette.datastructures import QueryParams

from coread.dicom import DicomObject
from coread.errors import BadQuery

MEDIA_TYPES = ("image/jpeg", "image/png")

_PILLOW_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
_MAX_VIEWPORT_PX = 8192
_THUMBNAIL_PX = 200


@dataclass(frozen=True, slots=True)
class Viewport:
    """The size to fit into, and the part of the image to show (PS3.18 section 8.3.5.1.3)."""

    width_px: int
    height_px: int
    source: tuple[float, float, float, float] | None = None
    """Left, top, width, height in pixels of the image; a negative width or height mirrors."""


@dataclass(frozen=True, slots=True)
class Look:
    """How an image is to be rendered."""

    viewport: Viewport | None = None
    window: tuple[float, float] | None = None
    """Centre and width in modality units (Hounsfield for CT)."""
    quality: int = 90
    """Of a JPEG, 1 to 100."""


def parse_look(query: QueryParams, *, thumbnail: bool = False) -> Look:
    """Read the rendering parameters of a request.

    Raises
    ------
    BadQuery
        If a parameter is malformed or asks for more than is served.
    """
    default = Viewport(_THUMBNAIL_PX, _THUMBNAIL_PX) if thumbnail else None
    viewport = _viewport(query["viewport"]) if "viewport" in query else default
    window = _window(query["window"]) if "window" in query else None
    quality = int(_numbers(query.get("quality", "90"), "quality", 1)[0])
    if not 1 <= quality <= 100:
        raise _bad("quality", "a number from 1 to 100")
    return Look(viewport, window, quality)


def render(image: DicomObject, frame: int, look: Look, media_type: str) -> bytes:
    """Render one frame to an image file.

    Raises
    ------
    BadQuery, BrokenPixelData, UnsupportedPixels
        If there is no such frame, or it cannot be shown.
    """
    picture = Image.fromarray(image.rendered(frame, look.window))
    if look.viewport is not None:
        picture = _fitted(picture, look.viewport)
    file = io.BytesIO()
    # A quick PNG: level 6 takes four times as long for a tenth fewer bytes. JPEG has no such level.
    picture.save(file, _PILLOW_FORMATS[media_type], quality=look.quality, compress_level=1)
    return file.getvalue()


def _fitted(picture: Image.Image, viewport: Viewport) -> Image.Image:
    if viewport.source is not None:
        picture = _cut(picture, viewport.source)
    scale = min(viewport.width_px / picture.width, viewport.height_px / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BOX)


def _cut(picture: Image.Image, source: tuple[float, float, float, float]) -> Image.Image:
    left, top, width, height = source
    box = _box_within(picture, (left, top, abs(width), abs(height)))
    part = picture.crop(box)
    if width < 0:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return part.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if height < 0 else part


def _box_within(picture: Image.Image, source: tuple[float, ...]) -> tuple[int, int, int, int]:
    left, top, width, height = source
    right = min(picture.width, round(left + (width or picture.width)))
    bottom = min(picture.height, round(top + (height or picture.height)))
    box = (round(left), round(top), right, bottom)
    if not (0 <= box[0] < right and 0 <= box[1] < bottom):
        raise _bad("viewport", "a part that lies within the image")
    return box


def _viewport(text: str) -> Viewport:
    numbers = _numbers(text, "viewport", 2, 6)
    width, height = int(numbers[0]), int(numbers[1])
    if not (1 <= width <= _MAX_VIEWPORT_PX and 1 <= height <= _MAX_VIEWPORT_PX):
        raise _bad("viewport", f"a width and height from 1 to {_MAX_VIEWPORT_PX}")
    return Viewport(width, height, tuple(numbers[2:]) if len(numbers) == 6 else None)  # type: ignore[arg-type]


def _window(text: str) -> tuple[float, float]:
    *numbers, function = [*text.split(","), "linear"][:3]
    center, width = _numbers(",".join(numbers), "window", 2)
    if function.strip().lower() not in ("linear", "linear-exact") or width < 1:
        raise _bad("window", "centre, width of at least 1, and linear")
    return center, width


def _numbers(text: str, name: str, *counts: int) -> list[float]:
    try:
        numbers = [float(part or 0) for part in text.split(",")]
    except ValueError:
        raise _bad(name, "numbers joined by commas") from None
    if len(numbers) not in counts or not np.isfinite(numbers).all() or np.abs(numbers).max() > 1e9:
        raise _bad(name, f"{' or '.join(map(str, counts))} finite numbers joined by commas")
    return numbers


def _bad(name: str, expected: str) -> BadQuery:
    return BadQuery(
        f"a {name} parameter that cannot be used",
        expected,
        "correct the request",
        where=f"query parameter {name}",
    )
