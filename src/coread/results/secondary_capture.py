"""The fallback: a picture with outline and banner burned in, for viewers that show nothing else.

Burned In Annotation (0028,0301) asks whether the pixels identify the patient (PS3.3 section
C.7.6.1.1.4). The banner names the reader and its finding, never a person, so the answer is the
source image's own; where that is silent, so is this object.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from coread.domain.finding import Finding
from coread.results.edition import Edition, Kind, ResultObject
from coread.results.presentation import shapes
from coread.results.source import Dataset, Source, add_items
from coread.results.wording import annotation, clip, statement_zh

#: Longest side of the picture, in pixels.
MAX_SIDE_PX = 1024

#: Smaller images are enlarged to this, or the banner could not be read.
MIN_SIDE_PX = 512

_ORANGE = (255, 140, 0)
_BLACK = (0, 0, 0)
_FONT_PX = 16
_LINE_PX = 22


def write(edition: Edition) -> Iterator[ResultObject]:
    """Write one secondary capture for each image that bears findings."""
    for number, (source, findings) in enumerate(edition.by_image(), start=1):
        yield _capture(edition, source, findings, number)


def _capture(edition: Edition, source: Source, findings: tuple[Finding, ...], number: int) -> ResultObject:
    frame = findings[0].key_frame
    result = hd.sc.SCImage(
        pixel_array=_picture(edition, source, findings, frame),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        study_instance_uid=source.ref.study_instance_uid,
        sop_instance_uid=edition.reading.derive_uid(Kind.SECONDARY_CAPTURE, source.ref.sop_instance_uid),
        **edition.series(Kind.SECONDARY_CAPTURE, number),
    )
    _describe(result, edition, source, findings, frame)
    return edition.finish(result, Kind.SECONDARY_CAPTURE, source, frame)


def _describe(
    result: Dataset, edition: Edition, source: Source, findings: tuple[Finding, ...], frame: int
) -> None:
    result.ConversionType = "WSD"
    add_items(result, source.body_part())
    result.PatientOrientation = source.patient_orientation()
    result.DerivationDescription = clip(f"{edition.reading.reader}: AI result, not verified", 1024)
    result.ImageComments = "；".join(statement_zh(finding) for finding in findings)[:2000]
    if source.burned_in():
        result.BurnedInAnnotation = source.burned_in()
    image = Dataset()
    image.ReferencedSOPClassUID = source.ref.sop_class_uid
    image.ReferencedSOPInstanceUID = source.ref.sop_instance_uid
    if source.has_frames:
        image.ReferencedFrameNumber = frame
    image.PurposeOfReferenceCodeSequence = [
        hd.sr.CodedConcept("121322", "DCM", "Source image for image processing operation")
    ]
    result.SourceImageSequence = [image]


def _picture(
    edition: Edition, source: Source, findings: tuple[Finding, ...], frame: int
) -> npt.NDArray[np.uint8]:
    """Return the image with overlay and banner, uint8 [row, column, 3]."""
    image, (across, down) = _scaled(source, frame)
    lines = [annotation(edition.reading, finding) for finding in findings]
    canvas = Image.new("RGB", (image.width, image.height + _LINE_PX * len(lines) + 6), _BLACK)
    canvas.paste(image)
    draw = ImageDraw.Draw(canvas)
    for finding in findings:
        for polygon in shapes(source, finding):
            points = [(x * across, y * down) for x, y in polygon.tolist()]
            draw.line(points, fill=_BLACK, width=4)
            draw.line(points, fill=_ORANGE, width=2)
    for index, line in enumerate(lines):
        _write_line(draw, line, image.height + 3 + index * _LINE_PX, image.width)
    return np.asarray(canvas)


def _scaled(source: Source, frame: int) -> tuple[Image.Image, tuple[float, float]]:
    """Return the frame with square pixels, no side above `MAX_SIDE_PX`, and the scale (across, down)."""
    pixels = source.image.rendered(frame)
    height, width = source.aspect()
    tall, wide = pixels.shape[0] * height, pixels.shape[1] * width
    unit = max(tall, wide) / min(MAX_SIDE_PX, max(MIN_SIDE_PX, *pixels.shape[:2]))
    size = (max(round(wide / unit), 1), max(round(tall / unit), 1))
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    return image, (size[0] / pixels.shape[1], size[1] / pixels.shape[0])


def _write_line(draw: ImageDraw.ImageDraw, text: str, top_px: int, width_px: int) -> None:
    """Write one line, smaller where it would not fit; the font holds Latin letters only."""
    plain = text.encode("ascii", "replace").decode()
    size = _FONT_PX
    while size > 6 and draw.textlength(plain, font=_font(size)) > width_px - 8:
        size -= 1
    draw.text((4, top_px), plain, fill=_ORANGE, font=_font(size))


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)
