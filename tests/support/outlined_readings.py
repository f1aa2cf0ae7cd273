"""Readings of a drawn CT nodule by the reader that grows regions, and the images that it was given."""

from __future__ import annotations

from functools import cache

from written_results import WRITTEN_AT, Written

from coread.dicom import DicomObject, open_object
from coread.domain.reading import Prompt, Reading
from coread.domain.study import Study
from coread.readers import Case, Machine, run_at
from coread.results import write
from coread.testing.growing import growing
from coread.testing.nodules import DrawnNodule, nodule_series

NODULE = DrawnNodule()


@cache
def slices(nodule: DrawnNodule = NODULE) -> tuple[DicomObject, ...]:
    return tuple(open_object(data) for data in nodule_series(nodule))


def at_the_nodule(nodule: DrawnNodule = NODULE, **changed) -> Prompt:
    """Point to the middle of the drawn nodule."""
    image = slices(nodule)[nodule.slice_number - 1].header.ref
    return Prompt(**({"image": image, "point": (nodule.column_px, nodule.row_px)} | changed))


def case(nodule: DrawnNodule = NODULE) -> Case:
    images = slices(nodule)
    return Case(Study(images[0].header.ref.study_instance_uid, ()), 1, images)


def asked(prompt: Prompt | None = None, nodule: DrawnNodule = NODULE) -> Reading:
    return run_at(growing(Machine()), case(nodule), prompt or at_the_nodule(nodule))


def written_about(reading: Reading, nodule: DrawnNodule = NODULE) -> Written:
    return Written(write(reading, slices(nodule), growing(Machine()).card, WRITTEN_AT))
