"""Nodules of the lung, and what a rule says of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from coread.errors import DecisionRefused

_LARGEST_MM = 300.0


class Composition(StrEnum):
    """What a nodule is made of, on thin sections."""

    SOLID = "solid"
    PART_SOLID = "part-solid"
    GROUND_GLASS = "ground-glass"
    """Nonsolid, without a solid part."""


class Course(StrEnum):
    """How a nodule behaved since the study before."""

    BASELINE = "baseline"
    """First study, or no earlier one to compare with."""
    NEW = "new"
    STABLE = "stable"
    """Or smaller."""
    GROWING = "growing"
    """See `is_growing`."""


@dataclass(frozen=True, slots=True)
class Nodule:
    """One nodule as the doctor measured it."""

    composition: Composition
    diameter_mm: float
    """Mean of long and short axis, of the whole nodule."""
    solid_mm: float = 0.0
    """The same of the solid part; for part-solid nodules only."""
    course: Course = Course.BASELINE
    is_benign: bool = False
    """Calcified throughout, centrally, like popcorn or in rings, or with fat."""
    is_juxtapleural: bool = False
    """Touches the pleura, smooth, oval or triangular."""
    is_perifissural: bool = False
    """The same at a fissure."""
    is_suspicious: bool = False
    """Further signs that raise the suspicion: spiculation, enlarged nodes, doubling within a year..."""
    former: str = ""
    """Lung-RADS category of the study before, for a stable nodule."""
    malignancy_probability: float | None = None
    """Of a validated model, 0..1, where one was asked."""

    def __post_init__(self) -> None:
        for name, value in (("diameter_mm", self.diameter_mm), ("solid_mm", self.solid_mm)):
            if not math.isfinite(value) or not 0 <= value <= _LARGEST_MM:
                raise _refused(f"{name} that cannot be", f"0 to {_LARGEST_MM:g} mm", name)
        if self.diameter_mm == 0:
            raise _refused("a nodule without a diameter", "a mean diameter in mm", "diameter_mm")
        if self.composition is not Composition.PART_SOLID and self.solid_mm:
            raise _refused("a solid part of a nodule that is not part-solid", "none", "solid_mm")
        if self.solid_mm > self.diameter_mm:
            raise _refused("a solid part larger than the nodule", "at most its diameter", "solid_mm")
        probability = self.malignancy_probability
        if probability is not None and not 0 <= probability <= 1:
            raise _refused("a probability that is none", "0 to 1", "malignancy_probability")


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule needs to know of the patient."""

    age_years: float | None = None
    is_high_risk: bool = False
    """Of lung cancer: smoking, exposure, family, emphysema, fibrosis, upper lobe, spiculation."""
    has_known_cancer: bool = False
    is_immunosuppressed: bool = False
    is_screening: bool = False
    """Study of a lung cancer screening programme."""
    has_infection_signs: bool = False
    """Findings suggest an inflammatory or infectious process."""
    is_incomplete: bool = False
    """Parts of the lungs cannot be evaluated, or an earlier study is still being fetched."""
    has_other_finding: bool = False
    """A significant finding other than lung cancer."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a rule says."""

    rule: str
    """``fleischner-2017``, ``lung-rads-2022``, ``lung-rads-1.1`` or ``c-lung-rads``."""
    codes: tuple[str, ...]
    """Stable names of its sentences, in their order; empty where the rule does not apply."""
    category: str = ""
    """Where the rule has categories."""
    nodule: int = -1
    """Which of the nodules decided, counted from 0; -1 for none."""
    does_not_apply: tuple[str, ...] = ()
    """Stable codes of why not: ``age-under-35``, ``age-unknown``, ``known-cancer``, ``immunosuppressed``,
    ``screening``, ``not-screening``."""


def is_growing(now_mm: float, before_mm: float, months: float) -> bool:
    """Tell whether a mean diameter grew by more than 1.5 mm within 12 months.

    Source: ACR Lung-RADS v2022, doi:10.1016/j.jacr.2023.09.009. *Does not* see slow growth over several
    studies, which Lung-RADS v2022 puts into category 4B: the doctor says that the nodule is suspicious.

    Examples
    --------
    >>> is_growing(7.6, 6.0, 12), is_growing(7.5, 6.0, 12), is_growing(9.0, 6.0, 18)
    (True, False, False)
    """
    return now_mm - before_mm > 1.5 and months <= 12


def _refused(found: str, expected: str, where: str) -> DecisionRefused:
    return DecisionRefused(found, expected, "measure again", where)
