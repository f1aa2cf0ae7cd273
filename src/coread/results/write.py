"""From one reading to all its result objects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from coread.dicom import DicomObject
from coread.domain.bundle import Card
from coread.domain.reading import Reading
from coread.errors import ResultFault
from coread.results import fhir, heat_map, outlined, presentation, secondary_capture, sr
from coread.results.edition import Edition, Kind, ResultObject, images_of
from coread.results.source import Source


def write(
    reading: Reading, images: Sequence[DicomObject], card: Card, written_at: datetime
) -> tuple[ResultObject, ...]:
    """Write everything that leaves the clinic about one reading.

    A reading with findings gives, besides the structured report and the FHIR resources, one
    presentation state and one secondary capture for each image with a finding, and one
    segmentation (or, where the image lies in a patient coordinate system, one parametric map)
    for each heat map of a finding that is not absent, and one segmentation for its outlines. A
    reading without findings gives the report and the resources, which say why.

    The same arguments give the same bytes: nothing is read from a clock, a store or chance.

    Parameters
    ----------
    reading
        What the reader said.
    images
        The objects of the study that the reader was given; every image that the reading
        refers to must be among them.
    card
        The reader's card.
    written_at
        Time of writing, with time zone; Content Date and Time are given in the zone that the
        image declares, else in this one.

    Raises
    ------
    ResultFault
        If there is no image, the time has no zone, or a finding refers to an image that is not given.

    Notes
    -----
    *Does not* verify anything: every object is preliminary and unverified.
    """
    edition = Edition(written_at, tuple(Source(image) for image in images), reading, card)
    _check(edition)
    maps = tuple(heat_map.write(edition))
    segmentations = sum(made.result.kind is Kind.SEG for made in maps)
    outlines = tuple(outlined.write(edition, segmentations + 1))
    dicom = (
        sr.write(edition, maps, outlines),
        *(made.result for made in maps),
        *(made.result for made in outlines),
        *presentation.write(edition),
        *secondary_capture.write(edition),
    )
    return (*dicom, *fhir.write(edition, dicom))


def _check(edition: Edition) -> None:
    if not edition.sources:
        raise _fault("no image", "the images that the reader was given")
    if edition.written_at.tzinfo is None:
        raise _fault("a time without zone", "a time with its zone")
    known = {source.ref.sop_instance_uid for source in edition.sources}
    on = (ref.sop_instance_uid for finding in edition.reading.findings for ref in images_of(finding))
    if not known.issuperset(on):
        raise _fault("a finding on an image that is not given", "all images of the findings")


def _fault(found: str, expected: str) -> ResultFault:
    return ResultFault(
        found=found, expected=expected, remedy="report this as a defect", where="results.write"
    )
