"""Contours of an RT Structure Set (PS3.3 A.19, C.8.8.5 and C.8.8.6), in the patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from coread.dicom.annotations.annotation import Annotation, Kind
from coread.dicom.annotations.items import code_of, first, items, text
from coread.dicom.objects import DicomObject


def structure_contours(structure_set: DicomObject) -> Iterator[Annotation]:
    """Give one outline or point for each contour; open contours are no region and are left out."""
    dataset = structure_set.dataset
    regions = {int(r.ROINumber): _region(r, dataset) for r in items(dataset, "StructureSetROISequence")}
    for drawn in items(dataset, "ROIContourSequence"):
        region = regions.get(int(drawn.ReferencedROINumber))
        for contour in items(drawn, "ContourSequence"):
            kind = _KINDS.get(text(contour, "ContourGeometricType"))
            if region is not None and kind is not None:
                image = first(contour, "ContourImageSequence")
                yield replace(
                    region,
                    kind=kind,
                    sop_instance_uid=text(image, "ReferencedSOPInstanceUID"),
                    points_lps_mm=np.array([float(value) for value in contour.ContourData]).reshape(-1, 3),
                )


_KINDS: Mapping[str, Kind] = {"CLOSED_PLANAR": "outline", "POINT": "point"}
"""Contour Geometric Type (3006,0042)."""


def _region(region: Dataset, dataset: Dataset) -> Annotation:
    number = int(region.ROINumber)
    seen = next(
        (o for o in items(dataset, "RTROIObservationsSequence") if int(o.ReferencedROINumber) == number), None
    )
    by_machine = text(region, "ROIGenerationAlgorithm") == "AUTOMATIC"
    person = text(seen, "ROIInterpreter") or text(dataset, "OperatorsName")
    return Annotation(
        kind="outline",
        words=text(region, "ROIName"),
        code=code_of(seen, "RTROIIdentificationCodeSequence"),
        author=text(region, "ROIGenerationDescription") or "automatic" if by_machine else person,
        is_algorithm=by_machine,
        target=text(region, "ROIName"),
    )
