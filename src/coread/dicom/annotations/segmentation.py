"""Masks of a Segmentation object (PS3.3 A.51, C.8.20), each with the image frame that it was drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from coread.dicom.annotations.annotation import Annotation
from coread.dicom.annotations.items import code_of, first, items, referenced_frame, text
from coread.dicom.frames import functional_group
from coread.dicom.objects import DicomObject


def segmentation_masks(image: DicomObject) -> Iterator[Annotation]:
    """Give one mask for each segment and frame that is not empty.

    A fractional segmentation counts from half of its greatest value on. A mask without a source image in its
    Derivation Image macro names no image.
    """
    segments = {
        int(s.SegmentNumber): _segment(s, image.dataset) for s in items(image.dataset, "SegmentSequence")
    }
    half = float(image.dataset.get("MaximumFractionalValue") or 1) / 2
    for frame in range(1, image.number_of_frames + 1):
        uid, source_frame = _source(image.dataset, frame)
        stored = image.stored(frame)
        for number, segment in _present(image.dataset, frame, segments, stored):
            mask = stored == number if _is_label_map(image.dataset) else stored >= half
            if mask.any():
                yield replace(
                    segment, mask=np.asarray(mask, dtype=bool), sop_instance_uid=uid, frame=source_frame
                )


def _is_label_map(dataset: Dataset) -> bool:
    return text(dataset, "SegmentationType") == "LABELMAP"


def _present(
    dataset: Dataset, frame: int, segments: Mapping[int, Annotation], stored: np.ndarray
) -> Iterator[tuple[int, Annotation]]:
    """Segments that a frame shows: the one it names, or those whose number a label map holds."""
    if _is_label_map(dataset):
        background = int(dataset.get("PixelPaddingValue") or 0)
        numbers = (n for n in np.unique(stored).tolist() if n in segments and n != background)
        yield from ((n, segments[n]) for n in numbers)
        return
    named = functional_group(dataset, frame, "SegmentIdentificationSequence")
    number = int(named.ReferencedSegmentNumber) if named is not None else min(segments, default=0)
    if number in segments:
        yield number, segments[number]


def _segment(segment: Dataset, dataset: Dataset) -> Annotation:
    algorithm = first(segment, "SegmentationAlgorithmIdentificationSequence")
    by_machine = text(segment, "SegmentAlgorithmType") == "AUTOMATIC"
    author = text(segment, "SegmentAlgorithmName") or " ".join(
        filter(None, (text(algorithm, "AlgorithmName"), text(algorithm, "AlgorithmVersion")))
    )
    return Annotation(
        kind="mask",
        words=text(segment, "SegmentLabel"),
        code=code_of(segment, "SegmentedPropertyTypeCodeSequence"),
        author=author if by_machine and author else text(dataset, "ContentCreatorName") or author,
        is_algorithm=by_machine,
        target=text(segment, "TrackingUID") or text(segment, "TrackingID"),
    )


def _source(dataset: Dataset, frame: int) -> tuple[str, int]:
    derivation = functional_group(dataset, frame, "DerivationImageSequence")
    source = first(derivation, "SourceImageSequence") if derivation is not None else None
    if source is None:
        return "", 1
    return text(source, "ReferencedSOPInstanceUID"), referenced_frame(source)
