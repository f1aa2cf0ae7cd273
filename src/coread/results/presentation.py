"""The presentation state: boxes, outlines and one line of text that any PACS can lay over the image.

Modality and VOI transformations are the image's own, so the picture looks as it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom import pr

from coread.domain.finding import Finding
from coread.results.edition import Edition, Kind, ResultObject, is_shown
from coread.results.regions import Polygon, borders, outline_of_box, outlines
from coread.results.source import Dataset, Source, add_items
from coread.results.wording import annotation, clip

#: RGB values of the layer's colour are recommended in CIELab (PS3.3 section C.10.7): orange.
_COLOUR = hd.color.CIELabColor(69.5, 36.8, 75.5)
_LINE_HEIGHT = 0.04
_MAX_LINES = 6


def write(edition: Edition) -> Iterator[ResultObject]:
    """Write one presentation state for each image that bears findings."""
    for number, (source, findings) in enumerate(edition.by_image(), start=1):
        yield _presentation_state(edition, source, findings, number)


def _presentation_state(
    edition: Edition, source: Source, findings: tuple[Finding, ...], number: int
) -> ResultObject:
    frame = findings[0].key_frame
    layer = pr.GraphicLayer("AI", 1, "AI result, not verified", display_color=_COLOUR)
    arguments = {
        "referenced_images": [source.reference(frame)],
        "sop_instance_uid": edition.reading.derive_uid(Kind.PRESENTATION_STATE, source.ref.sop_instance_uid),
        "content_label": "AI_RESULT",
        "content_description": clip(f"{edition.reading.reader}: AI result, not verified", 64),
        "graphic_layers": [layer],
        "graphic_annotations": _annotations(edition, source, findings, layer),
        **edition.series(Kind.PRESENTATION_STATE, number),
        **edition.equipment(),
    }
    if source.is_monochrome:
        result = pr.GrayscaleSoftcopyPresentationState(
            presentation_lut_transformation=hd.PresentationLUTTransformation(
                presentation_lut_shape="INVERSE" if source.is_inverse else "IDENTITY"
            ),
            **arguments,
        )
        add_items(result, (*source.modality_lut(frame), *source.softcopy_voi_lut(frame)))
    else:
        result = pr.ColorSoftcopyPresentationState(icc_profile=_srgb_profile(), **arguments)
    _correct_area(result, source)
    add_items(result, source.body_part())
    return edition.finish(result, Kind.PRESENTATION_STATE, source, frame)


def _annotations(
    edition: Edition, source: Source, findings: tuple[Finding, ...], layer: pr.GraphicLayer
) -> list[pr.GraphicAnnotation]:
    """Make one annotation for each frame that bears findings."""
    frames: dict[int, list[Finding]] = {}
    for finding in findings:
        frames.setdefault(finding.key_frame, []).append(finding)
    return [_annotation(edition, source, layer, frame, own) for frame, own in frames.items()]


def _annotation(
    edition: Edition, source: Source, layer: pr.GraphicLayer, frame: int, findings: list[Finding]
) -> pr.GraphicAnnotation:
    texts = [annotation(edition.reading, finding) for finding in findings[:_MAX_LINES]]
    result = pr.GraphicAnnotation(
        referenced_images=[source.reference(frame)],
        graphic_layer=layer,
        graphic_objects=[item for finding in findings for item in _graphics(source, finding)],
        text_objects=[_line(text, index) for index, text in enumerate(texts)],
    )
    if source.has_frames:
        result.ReferencedImageSequence[0].ReferencedFrameNumber = frame
    return result


def _line(text: str, index: int) -> pr.TextObject:
    """Place one line in the display's lower left corner, whatever part of the image is shown."""
    bottom = 0.99 - index * (_LINE_HEIGHT + 0.005)
    return pr.TextObject(
        text_value=clip(text, 1024),
        units=pr.AnnotationUnitsValues.DISPLAY,
        bounding_box=(0.01, bottom - _LINE_HEIGHT, 0.99, bottom),
        text_justification=pr.TextJustificationValues.LEFT,
    )


def _graphics(source: Source, finding: Finding) -> Iterator[pr.GraphicObject]:
    for polygon in shapes(source, finding):
        yield pr.GraphicObject(
            graphic_type=pr.GraphicTypeValues.POLYLINE,
            graphic_data=polygon,
            units=pr.AnnotationUnitsValues.PIXEL,
            tracking_id=clip(finding.tracking_id, 64) or "Finding",
            tracking_uid=finding.tracking_uid,
        )


def shapes(source: Source, finding: Finding) -> tuple[Polygon, ...]:
    """Return what is drawn for a finding on its own frame: boxes, outlines, and those of its hot region."""
    if not is_shown(finding):
        return ()
    boxes = (outline_of_box(box, source.rows, source.columns) for box in finding.boxes)
    hot = outlines(finding.heat_map, source.rows, source.columns) if finding.heat_map else ()
    own = (o for o in finding.outlines if (o.image, o.frame) == (finding.image, finding.key_frame))
    drawn = (polygon for outline in own for polygon in borders(outline))
    return (*(box for box in boxes if box is not None), *drawn, *hot)


def _correct_area(result: Dataset, source: Source) -> None:
    """Show pixels in their true shape; highdicom takes every pixel for square."""
    height, width = source.aspect()
    for area in result.DisplayedAreaSelectionSequence:
        area.PresentationPixelAspectRatio = _ratio(height, width)
        if "PixelOriginInterpretation" in area:
            del area.PixelOriginInterpretation  # for tiled images only (PS3.3 section C.10.4)


def _ratio(height: float, width: float) -> list[int]:
    """Return height to width of a pixel as two whole numbers (IS, VM 2).

    Examples
    --------
    >>> _ratio(0.2, 0.1), _ratio(0.143, 0.143)
    ([2000, 1000], [1, 1])
    """
    if np.isclose(height, width, rtol=1e-6):
        return [1, 1]
    return [max(round(1000 * height / width), 1), 1000]


@cache
def _srgb_profile() -> bytes:
    """Return the sRGB profile that comes with highdicom; colour images seldom bring their own."""
    return (Path(hd.__file__).parent / "_icc_profiles" / "sRGB_v4_ICC_preference.icc").read_bytes()
