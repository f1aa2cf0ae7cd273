"""Cohorts: images with what is known of them and with every reader's labels kept apart, in one form."""

from coread.learning.cohorts.building import BuildPlan, build
from coread.learning.cohorts.checking import Fault, demand, faults
from coread.learning.cohorts.codebook import CodeBook, Concept
from coread.learning.cohorts.form import Cohort, CohortImage, Label, LeftOut
from coread.learning.cohorts.storing import open_cohort, write_cohort

__all__ = [
    "BuildPlan",
    "CodeBook",
    "Cohort",
    "CohortImage",
    "Concept",
    "Fault",
    "Label",
    "LeftOut",
    "build",
    "demand",
    "faults",
    "open_cohort",
    "write_cohort",
]
