"""ACR Lung-RADS, versions 2022 and 1.1: lung cancer screening with low-dose CT.

Sources: Christensen et al., J Am Coll Radiol 2024;21:473-488, doi:10.1016/j.jacr.2023.09.009 (v2022); ACR
Lung-RADS v1.1, 2019, as in NCBI Bookshelf NBK568579 table appa.tab2.

Airway nodules and atypical cysts are not nodules of the lung's tissue and are left to the doctor.
"""

from __future__ import annotations

from collections.abc import Sequence

from coread.errors import DecisionRefused
from coread.review.follow_up.nodules import Advice, Composition, Context, Course, Nodule

RULE_2022 = "lung-rads-2022"
RULE_1_1 = "lung-rads-1.1"

CATEGORIES = ("1", "2", "3", "4A", "4B", "4X")
_SUSPICIOUS_FROM = "3"
#: What a stable nodule steps down to at its next study, in v2022.
_STEPS = {"1": "1", "2": "2", "3": "2", "4A": "3", "4B": "4B", "4X": "4X"}
_GROUND_GLASS_MM = 30
_PLEURAL_MM = 10


def lung_rads_2022(nodules: Sequence[Nodule], patient: Context) -> Advice:
    """Say category and management by version 2022.

    *Assumes* a study of a screening programme, and mean diameters to one decimal. *Does not* judge airway
    nodules and atypical cysts.
    """
    return _advice(RULE_2022, nodules, patient)


def lung_rads_1_1(nodules: Sequence[Nodule], patient: Context) -> Advice:
    """Say category and management by version 1.1; as `lung_rads_2022`, for programmes that still use it."""
    return _advice(RULE_1_1, nodules, patient)


def _advice(rule: str, nodules: Sequence[Nodule], patient: Context) -> Advice:
    if not patient.is_screening:
        return Advice(rule, (), does_not_apply=("not-screening",))
    suffix = ("modifier-s",) if patient.has_other_finding else ()
    if patient.is_incomplete:
        return Advice(rule, ("category-0", *suffix), "0")
    if patient.has_infection_signs and rule == RULE_2022:
        return Advice(rule, ("category-0-infection", *suffix), "0")
    said = [_category(nodule, rule) for nodule in nodules]
    decisive = max(range(len(said)), key=lambda place: CATEGORIES.index(said[place]), default=-1)
    category = said[decisive] if said else "1"
    return Advice(rule, (f"category-{category.lower()}", *suffix), category, decisive)


def _category(nodule: Nodule, rule: str) -> str:
    if nodule.is_benign:
        return "1"
    category = _by_course(nodule, rule)
    is_raised = nodule.is_suspicious and CATEGORIES.index(category) >= CATEGORIES.index(_SUSPICIOUS_FROM)
    return "4X" if is_raised else category


def _by_course(nodule: Nodule, rule: str) -> str:
    if _is_harmless_at_pleura(nodule, rule):
        return "2"
    if nodule.course is Course.STABLE and nodule.former:
        return _stable(nodule, rule)
    if nodule.composition is Composition.GROUND_GLASS:
        return _ground_glass(nodule)
    return _part_solid(nodule) if nodule.composition is Composition.PART_SOLID else _solid(nodule)


def _is_harmless_at_pleura(nodule: Nodule, rule: str) -> bool:
    touches = nodule.is_perifissural or (nodule.is_juxtapleural and rule == RULE_2022)
    is_quiet = nodule.course is not Course.GROWING and nodule.composition is Composition.SOLID
    return touches and is_quiet and nodule.diameter_mm < _PLEURAL_MM


def _stable(nodule: Nodule, rule: str) -> str:
    """Step down from the former category, unless the nodule has crossed into a higher size category."""
    if nodule.former not in CATEGORIES:
        raise DecisionRefused("a former category that is none", ", ".join(CATEGORIES), where="former")
    if rule == RULE_1_1:
        return "1" if nodule.former == "1" else "2"  # 3 or 4, unchanged for three months or more
    by_size = _by_course(_at_baseline(nodule), rule)
    if CATEGORIES.index(by_size) > CATEGORIES.index(nodule.former):
        return by_size
    return _STEPS[nodule.former]


def _at_baseline(nodule: Nodule) -> Nodule:
    return Nodule(nodule.composition, nodule.diameter_mm, nodule.solid_mm)


def _solid(nodule: Nodule) -> str:
    size = nodule.diameter_mm
    if nodule.course is Course.GROWING:
        return "4A" if size < 8 else "4B"
    if nodule.course is Course.NEW:
        return _step(size, ((4, "2"), (6, "3"), (8, "4A")))
    return _step(size, ((6, "2"), (8, "3"), (15, "4A")))


def _part_solid(nodule: Nodule) -> str:
    is_small = nodule.diameter_mm < 6
    if nodule.course is Course.NEW and is_small:
        return "3"
    if nodule.course in (Course.NEW, Course.GROWING):  # growing: its solid part
        return "4A" if nodule.solid_mm < 4 else "4B"
    return "2" if is_small else _step(nodule.solid_mm, ((6, "3"), (8, "4A")))


def _ground_glass(nodule: Nodule) -> str:
    is_slow = nodule.course is Course.STABLE
    return "2" if nodule.diameter_mm < _GROUND_GLASS_MM or is_slow else "3"


def _step(millimetres: float, ends: Sequence[tuple[float, str]]) -> str:
    return next((category for end, category in ends if millimetres < end), "4B")
