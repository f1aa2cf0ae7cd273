"""The attributes that a search can name or return, and the level at which each stands.

Source: PS3.18 tables 10.6.1-5 and 10.6.3-3 to -5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Levels of the study information model, from the top."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True)
class Attribute:
    """One searchable or returned attribute."""

    keyword: str
    level: Level
    default: bool
    """Whether a search returns it without being asked to."""


_TABLE = """
AccessionNumber STUDY *
InstanceAvailability STUDY *
ModalitiesInStudy STUDY *
SOPClassesInStudy STUDY
ReferringPhysicianName STUDY *
StudyDate STUDY *
StudyTime STUDY *
StudyDescription STUDY *
PatientName STUDY *
PatientID STUDY *
IssuerOfPatientID STUDY
PatientBirthDate STUDY *
PatientSex STUDY *
PatientAge STUDY
StudyInstanceUID STUDY *
StudyID STUDY *
NumberOfStudyRelatedSeries STUDY *
NumberOfStudyRelatedInstances STUDY *
InstitutionName SERIES
StationName SERIES
Modality SERIES *
Manufacturer SERIES
ManufacturerModelName SERIES
SeriesDate SERIES
SeriesTime SERIES
SeriesDescription SERIES *
BodyPartExamined SERIES *
SeriesInstanceUID SERIES *
SeriesNumber SERIES *
Laterality SERIES *
NumberOfSeriesRelatedInstances SERIES *
PerformedProcedureStepStartDate SERIES *
PerformedProcedureStepStartTime SERIES *
ImageType INSTANCE
SOPClassUID INSTANCE *
SOPInstanceUID INSTANCE *
ContentDate INSTANCE
ContentTime INSTANCE
AvailableTransferSyntaxUID INSTANCE *
ViewPosition INSTANCE
InstanceNumber INSTANCE *
PhotometricInterpretation INSTANCE
NumberOfFrames INSTANCE *
Rows INSTANCE *
Columns INSTANCE *
BitsAllocated INSTANCE *
"""


def _row(line: str) -> Attribute:
    keyword, level, *star = line.split()
    return Attribute(keyword, Level[level], bool(star))


ATTRIBUTES: tuple[Attribute, ...] = tuple(map(_row, _TABLE.strip().splitlines()))
