"""A finding's outline as a DICOM Segmentation (PS3.3 section A.51): what the reader delineated.

One object for each finding whose images lie in one patient coordinate system, with one frame for each slice;
for images without a place in the patient, one object for each frame. Each has one segment, which bears the
finding's tracking UID.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np

from coread.domain import codes
from coread.domain.finding import Finding, Outline
from coread.results.edition import Edition, Kind, ResultObject, coded, is_shown
from coread.results.source import Dataset, Plane, Source
from coread.results.wording import clip

#: Green, CIELab of sRGB (0, 200, 83): told apart from the orange of heat maps.
_COLOUR = hd.color.CIELabColor(70.9, -66.0, 49.5)
#: Positions of one slice in the source and in the segmentation differ by rounding to 16 characters only.
_SAME_PLACE_MM = 1e-3


@dataclass(frozen=True, slots=True)
class OutlineObject:
    """A written outline, whose it is, and which images it lies on."""

    finding: Finding
    result: ResultObject
    images: tuple[Source, ...]
    frames: tuple[int, ...]
    """Frame of each image."""


@dataclass(frozen=True, slots=True)
class _Slice:
    outline: Outline
    source: Source
    plane: Plane | None


def write(edition: Edition, first_number: int = 1) -> Iterator[OutlineObject]:
    """Write the outlines of every finding that is not absent.

    Parameters
    ----------
    first_number
        Instance Number of the first; those before it in the series are other segmentations.
    """
    number = first_number
    for finding in edition.reading.findings:
        if not is_shown(finding):
            continue
        for slices in _volumes(edition, finding):
            yield _object(edition, finding, slices, number)
            number += 1


def _volumes(edition: Edition, finding: Finding) -> list[list[_Slice]]:
    """Gather the slices that one object can hold."""
    volumes: dict[tuple[object, ...], list[_Slice]] = {}
    for outline in finding.outlines:
        source = edition.source_named(outline.image.sop_instance_uid)
        one = _Slice(outline, source, source.plane(outline.frame))
        volumes.setdefault(_volume_of(one), []).append(one)
    return list(volumes.values())


def _volume_of(one: _Slice) -> tuple[object, ...]:
    plane, ref = one.plane, one.outline.image
    if plane is None:
        return (ref.sop_instance_uid, one.outline.frame)
    grid = (one.outline.shape, plane.orientation, plane.spacing_mm)
    return (ref.series_instance_uid, plane.frame_of_reference_uid, *grid)


def _object(edition: Edition, finding: Finding, slices: Sequence[_Slice], number: int) -> OutlineObject:
    first = slices[0]
    result = hd.seg.Segmentation(
        source_images=[one.source.reference(one.outline.frame) for one in slices],
        pixel_array=np.stack([one.outline.mask() for one in slices]),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(edition, finding)],
        sop_instance_uid=_uid(edition, finding, first),
        content_label="AI_OUTLINE",
        content_description=clip(f"{finding.tracking_id}: AI result, not verified", 64),
        **edition.series(Kind.SEG, number),
        **edition.equipment(),
    )
    if first.plane is None:
        result.PatientOrientation = first.source.patient_orientation()
    _name_frames(result, slices)
    _once(result)
    made = edition.finish(result, Kind.SEG, first.source, first.outline.frame)
    return OutlineObject(
        finding,
        made,
        tuple(one.source for one in slices),
        tuple(one.outline.frame for one in slices),
    )


def _uid(edition: Edition, finding: Finding, first: _Slice) -> str:
    role = ("outline", finding.tracking_uid)
    # The key of a whole volume is the finding alone: where its first slice lies does not matter.
    where = () if first.plane else (first.outline.image.sop_instance_uid, str(first.outline.frame))
    return edition.reading.derive_uid(Kind.SEG, *role, *where)


def _segment(edition: Edition, finding: Finding) -> hd.seg.SegmentDescription:
    reader = edition.reading.reader
    return hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=clip(finding.tracking_id, 64) or "Outline",
        segmented_property_category=coded(codes.MORPHOLOGIC_ABNORMALITY),
        segmented_property_type=coded(finding.code),
        algorithm_type=_algorithm_type(edition),
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=clip(reader.name, 64),
            family=coded(codes.ARTIFICIAL_INTELLIGENCE),
            version=clip(reader.version, 64),
            source=clip(reader.manufacturer, 64) or None,
            parameters={"weights_sha256": reader.weights_sha256 or "none"},
        ),
        tracking_uid=finding.tracking_uid,
        tracking_id=clip(finding.tracking_id, 64) or "Outline",
        anatomic_regions=[coded(finding.site)] if finding.site else None,
        display_color=_COLOUR,
    )


def _algorithm_type(edition: Edition) -> hd.seg.SegmentAlgorithmTypeValues:
    """Return SEMIAUTOMATIC where a person has pointed (PS3.3 section C.8.20.2)."""
    kinds = hd.seg.SegmentAlgorithmTypeValues
    return kinds.AUTOMATIC if edition.reading.prompt is None else kinds.SEMIAUTOMATIC


def _name_frames(result: Dataset, slices: Sequence[_Slice]) -> None:
    """Name the source's frame in each frame that was made of an image of several."""
    for group in result.PerFrameFunctionalGroupsSequence:
        one = _slice_of(group, slices)
        if one is None or not one.source.has_frames:
            continue
        for derivation in group.get("DerivationImageSequence") or ():
            for item in derivation.SourceImageSequence:
                item.ReferencedFrameNumber = one.outline.frame


def _slice_of(group: Dataset, slices: Sequence[_Slice]) -> _Slice | None:
    """Find the slice that a frame was made of, by its place."""
    if len(slices) == 1:
        return slices[0]
    held = group.get("PlanePositionSequence")
    if not held:
        return None
    place = np.array([float(number) for number in held[0].ImagePositionPatient])
    for one in slices:
        if one.plane and np.abs(np.array(one.plane.position_lps_mm) - place).max() < _SAME_PLACE_MM:
            return one
    return None


def _once(result: Dataset) -> None:
    """Name each image once among those referred to: several slices may be frames of one."""
    for series in result.get("ReferencedSeriesSequence") or ():
        named = {str(item.ReferencedSOPInstanceUID): item for item in series.ReferencedInstanceSequence}
        series.ReferencedInstanceSequence = list(named.values())
