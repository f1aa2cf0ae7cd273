"""Fleischner Society 2017: incidental nodules on CT of adults.

Source: MacMahon et al., Radiology 2017;284:228-243, doi:10.1148/radiol.2017161659.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coread.review.follow_up.nodules import Advice, Composition, Context, Nodule

RULE = "fleischner-2017"

_YOUNGEST = 35
_SMALL_MM, _LARGE_MM = 6, 8
#: Sentences from what can wait to what cannot; of several nodules the most suspicious decides.
_ORDER = (
    "none",
    "optional-12",
    "ct-6-12-then-every-2-years",
    "ct-6-12-consider-18-24",
    "ct-6-12-then-18-24",
    "multiple-subsolid-small",
    "ct-3-6-consider-18-24",
    "ct-3-6-then-18-24",
    "ct-3-6-then-yearly",
    "multiple-subsolid-large",
    "part-solid-suspicious",
    "ct-3-pet-or-tissue",
)


def fleischner_2017(nodules: Sequence[Nodule], patient: Context) -> Advice:
    """Say what the Fleischner Society recommends.

    *Assumes* an incidental finding on a complete CT with thin sections of somebody of 35 years or more,
    without known cancer and without immunosuppression, outside of screening. *Does not* apply to others, and
    says so.

    Parameters
    ----------
    nodules
        All of them. Diameters are rounded to whole millimetres, as the guideline measures.
    patient
        Age and risk.
    """
    reasons = tuple(_not_for(patient))
    if reasons or not nodules:
        return Advice(RULE, (), does_not_apply=reasons)
    said = [_code(nodule, len(nodules) > 1, patient.is_high_risk) for nodule in nodules]
    decisive = max(range(len(said)), key=lambda place: _ORDER.index(said[place]))
    return Advice(RULE, (said[decisive],), nodule=decisive)


def _not_for(patient: Context) -> Iterator[str]:
    if patient.age_years is None:
        yield "age-unknown"
    elif patient.age_years < _YOUNGEST:
        yield "age-under-35"
    if patient.has_known_cancer:
        yield "known-cancer"
    if patient.is_immunosuppressed:
        yield "immunosuppressed"
    if patient.is_screening:
        yield "screening"


def _code(nodule: Nodule, is_multiple: bool, is_high_risk: bool) -> str:
    if nodule.is_benign:
        return "none"
    size = _whole(nodule.diameter_mm)
    if nodule.composition is Composition.SOLID:
        return _solid(size, is_multiple, is_high_risk)
    return _subsolid(nodule, size, is_multiple)


def _solid(size: int, is_multiple: bool, is_high_risk: bool) -> str:
    if size < _SMALL_MM:
        return "optional-12" if is_high_risk else "none"
    if is_multiple:
        return "ct-3-6-then-18-24" if is_high_risk else "ct-3-6-consider-18-24"
    if size > _LARGE_MM:
        return "ct-3-pet-or-tissue"
    return "ct-6-12-then-18-24" if is_high_risk else "ct-6-12-consider-18-24"


def _subsolid(nodule: Nodule, size: int, is_multiple: bool) -> str:
    if is_multiple:
        return "multiple-subsolid-small" if size < _SMALL_MM else "multiple-subsolid-large"
    if size < _SMALL_MM:
        return "none"
    if nodule.composition is Composition.GROUND_GLASS:
        return "ct-6-12-then-every-2-years"
    return "part-solid-suspicious" if _whole(nodule.solid_mm) >= _SMALL_MM else "ct-3-6-then-yearly"


def _whole(millimetres: float) -> int:
    """Round to the nearest whole millimetre, halves up."""
    return int(millimetres + 0.5)
