"""A finding's heat map as an object that viewers lay over the image.

Two forms, because DICOM has two cases:

- The image lies in a patient coordinate system (CT, MR, PET): a Parametric Map (PS3.3 section
  A.75) of the grid itself, its cells as pixels with their own spacing, so nothing is invented
  between cells.
- The image does not (CR, DX, ultrasound): the Parametric Map demands a frame of reference that such
  images have not, so viewers could not align it. The hot region goes out as a binary Segmentation of
  the image's own matrix, derived with spatial locations preserved (section A.51, no frame of reference).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import highdicom as hd
import numpy as np

from coread.domain import codes
from coread.domain.finding import Finding, HeatMap
from coread.results.edition import Edition, Kind, ResultObject, coded, is_shown
from coread.results.regions import HOT_SHARE, edges_px, hot_mask
from coread.results.source import Plane, add_items
from coread.results.wording import clip

SEGMENTATION_SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.66.4"
MAP_SOP_CLASS_UIDS = {
    Kind.SEG: SEGMENTATION_SOP_CLASS_UID,
    Kind.PARAMETRIC_MAP: "1.2.840.10008.5.1.4.1.1.30",
}

#: An eye-catching colour that occurs in no grey image: orange, CIELab of sRGB (255, 140, 0).
_COLOUR = hd.color.CIELabColor(69.5, 36.8, 75.5)


@dataclass(frozen=True, slots=True)
class HeatMapObject:
    """A written heat map, and the finding whose it is."""

    finding: Finding
    result: ResultObject


def write(edition: Edition) -> Iterator[HeatMapObject]:
    """Write the heat map of every finding that is not absent and whose map is not empty."""
    number = 0
    for finding in edition.reading.findings:
        heat = finding.heat_map
        if heat is None or not is_shown(finding):
            continue
        source = edition.source_of(finding)
        plane = source.plane(heat.frame)
        number += 1
        if plane is not None:
            yield HeatMapObject(finding, _parametric_map(edition, finding, heat, plane, number))
        elif (mask := hot_mask(heat, source.rows, source.columns)).any():
            yield HeatMapObject(finding, _segmentation(edition, finding, heat, mask, number))


def _segmentation(
    edition: Edition, finding: Finding, heat: HeatMap, mask: np.ndarray, number: int
) -> ResultObject:
    source = edition.source_of(finding)
    result = hd.seg.Segmentation(
        source_images=[source.reference(heat.frame)],
        pixel_array=mask,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(edition, finding)],
        sop_instance_uid=_uid(edition, Kind.SEG, finding),
        content_label="AI_HOT_REGION",
        content_description=clip(f"{finding.code.meaning}: {_method(heat)}", 64),
        **edition.series(Kind.SEG, number),
        **edition.equipment(),
    )
    result.PatientOrientation = source.patient_orientation()
    return edition.finish(result, Kind.SEG, source, heat.frame)


def _segment(edition: Edition, finding: Finding) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=clip(finding.tracking_id, 64) or "Region",
        segmented_property_category=coded(codes.MORPHOLOGIC_ABNORMALITY),
        segmented_property_type=coded(finding.code),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=_algorithm(edition, finding),
        tracking_uid=finding.tracking_uid,
        tracking_id=clip(finding.tracking_id, 64) or "Region",
        anatomic_regions=[coded(finding.site)] if finding.site else None,
        display_color=_COLOUR,
    )


def _algorithm(edition: Edition, finding: Finding) -> hd.AlgorithmIdentificationSequence:
    reader = edition.reading.reader
    heat = finding.heat_map
    return hd.AlgorithmIdentificationSequence(
        name=clip(reader.name, 64),
        family=coded(codes.ARTIFICIAL_INTELLIGENCE),
        version=clip(reader.version, 64),
        source=clip(reader.manufacturer, 64) or None,
        parameters={
            "weights_sha256": reader.weights_sha256 or "none",
            "explanation": heat.method if heat and heat.method else "unnamed",
            "hot_share_of_maximum": f"{HOT_SHARE:g}",
        },
    )


def _parametric_map(
    edition: Edition, finding: Finding, heat: HeatMap, plane: Plane, number: int
) -> ResultObject:
    source = edition.source_of(finding)
    position, spacing_mm = _cells_in_patient(heat, plane)
    result = hd.pm.ParametricMap(
        source_images=[source.reference(heat.frame)],
        pixel_array=np.ascontiguousarray(heat.values, dtype=np.float32),
        sop_instance_uid=_uid(edition, Kind.PARAMETRIC_MAP, finding),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(heat)],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.5, window_width=1.0)],
        pixel_measures=hd.PixelMeasuresSequence(pixel_spacing=spacing_mm, slice_thickness=plane.thickness_mm),
        plane_orientation=hd.PlaneOrientationSequence("PATIENT", plane.orientation),
        plane_positions=[hd.PlanePositionSequence("PATIENT", position)],
        content_label="AI_HEAT_MAP",
        content_description=clip(f"{finding.code.meaning}: {_method(heat)}", 64),
        content_qualification="RESEARCH",
        **edition.series(Kind.PARAMETRIC_MAP, number),
        **edition.equipment(),
    )
    add_items(result, source.body_part())
    return edition.finish(result, Kind.PARAMETRIC_MAP, source, heat.frame)


def _mapping(heat: HeatMap) -> hd.pm.RealWorldValueMapping:
    return hd.pm.RealWorldValueMapping(
        lut_label="SALIENCY",
        lut_explanation=clip(_method(heat), 64),
        unit=coded(codes.NO_UNITS),
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=coded(codes.SALIENCY),
    )


def _cells_in_patient(heat: HeatMap, plane: Plane) -> tuple[tuple[float, float, float], tuple[float, float]]:
    """Return the centre of the first cell (LPS, mm), and the spacing of cells between rows and columns."""
    x, y = edges_px(heat)
    # Image Position is the centre of the first pixel, which is (0.5, 0.5) in pixels from its corner.
    along_row_mm = ((x[0] + x[1]) / 2 - 0.5) * plane.spacing_mm[1]
    along_column_mm = ((y[0] + y[1]) / 2 - 0.5) * plane.spacing_mm[0]
    axes = np.array(plane.orientation).reshape(2, 3)
    centre = np.array(plane.position_lps_mm) + along_row_mm * axes[0] + along_column_mm * axes[1]
    spacing_mm = ((y[1] - y[0]) * plane.spacing_mm[0], (x[1] - x[0]) * plane.spacing_mm[1])
    return (centre[0], centre[1], centre[2]), (float(spacing_mm[0]), float(spacing_mm[1]))


def _uid(edition: Edition, kind: Kind, finding: Finding) -> str:
    return edition.reading.derive_uid(kind, finding.image.sop_instance_uid, finding.tracking_uid)


def _method(heat: HeatMap) -> str:
    return heat.method or "heat map"
