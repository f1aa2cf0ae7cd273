"""Which images of a series a reader is given along with the one that a doctor points at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from coread.dicom import open_object
from coread.dicom.frames import Plane, order_along_normal
from coread.domain.reading import Prompt
from coread.domain.study import Instance
from coread.errors import NotFound
from coread.workflow.rooms import Rooms

#: Planes of one stack differ by no more than the rounding of their header's decimals.
_SAME_DIRECTION = 1e-3
_SAME_PLACE_MM = 1e-2


def neighbours(
    rooms: Rooms, images: Sequence[Instance], prompt: Prompt, reach_mm: float
) -> tuple[Instance, ...]:
    """Choose the asked image and those of its stack within reach, in the order of their places.

    Parameters
    ----------
    images
        Originals of the study.
    prompt
        Names the asked image.
    reach_mm
        To either side along the normal of the asked image's plane.

    Raises
    ------
    NotFound
        If the asked image is gone.
    """
    asked = next((i for i in images if i.ref.sop_instance_uid == prompt.image.sop_instance_uid), None)
    if asked is None:
        raise NotFound("an image that is not in the study any more", remedy="open the study again")
    place = _plane(rooms, asked)
    if place is None:
        return (asked,)
    placed = [(asked, place), *_stack(rooms, images, asked, place, reach_mm)]
    order = order_along_normal([plane for _, plane in placed])
    return tuple(placed[index][0] for index in order)


def _stack(
    rooms: Rooms, images: Sequence[Instance], asked: Instance, place: Plane, reach_mm: float
) -> Iterator[tuple[Instance, Plane]]:
    """Yield the neighbours with their planes; of several at one place the first."""
    taken = [0.0]
    for instance in images:
        if instance is asked or not _is_alike(instance, asked):
            continue
        plane = _plane(rooms, instance)
        if plane is None or not _is_parallel(plane, place):
            continue
        distance = float((plane.origin_lps_mm - place.origin_lps_mm) @ place.normal)
        if abs(distance) <= reach_mm and min(abs(distance - d) for d in taken) > _SAME_PLACE_MM:
            taken.append(distance)
            yield instance, plane


def _is_alike(instance: Instance, asked: Instance) -> bool:
    facts, own = instance.header.facts, asked.header.facts
    same = all(facts.get(name) == own.get(name) for name in ("Rows", "Columns", "Modality"))
    return same and instance.ref.series_instance_uid == asked.ref.series_instance_uid


def _is_parallel(plane: Plane, place: Plane) -> bool:
    """Tell whether two planes have one direction, one grid, and lie straight above one another."""
    shift = plane.origin_lps_mm - place.origin_lps_mm
    aside = shift - (shift @ place.normal) * place.normal
    return bool(
        np.allclose(plane.along_row, place.along_row, atol=_SAME_DIRECTION)
        and np.allclose(plane.along_column, place.along_column, atol=_SAME_DIRECTION)
        and np.allclose(plane.spacing_mm, place.spacing_mm, rtol=_SAME_DIRECTION)
        and np.abs(aside).max() <= max(place.spacing_mm)
    )


def _plane(rooms: Rooms, instance: Instance) -> Plane | None:
    """Return where an image of one frame lies; None for one of several."""
    image = open_object(rooms.archive.read_object(instance, check=False))
    return image.plane() if image.number_of_frames == 1 else None
