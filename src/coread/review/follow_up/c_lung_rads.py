"""C-Lung-RADS: nodules on low-dose CT of check-ups in China.

Source: table 1 of Nature Medicine 2024;30:3184-3195, doi:10.1038/s41591-024-03211-3 (PMC11564084).
"""

from __future__ import annotations

from collections.abc import Sequence

from coread.review.follow_up.nodules import Advice, Composition, Context, Nodule

RULE = "c-lung-rads"

_MODEL_SAYS_MALIGNANT = 0.5


def c_lung_rads(nodules: Sequence[Nodule], patient: Context) -> Advice:
    """Say category and management.

    *Assumes* low-dose CT of a check-up or a screening programme. *Does not* run the paper's model of
    malignancy: where one was asked, the nodule bears its probability.
    """
    if not patient.is_screening:
        return Advice(RULE, (), does_not_apply=("not-screening",))
    said = [_category(nodule) for nodule in nodules]
    decisive = max(range(len(said)), key=said.__getitem__, default=-1)
    category = said[decisive] if said else 0
    return Advice(RULE, (f"category-{category}",), str(category), decisive)


def _category(nodule: Nodule) -> int:
    if nodule.is_benign:
        return 0
    by_size = _by_size(nodule)
    probability = nodule.malignancy_probability
    is_raised = by_size in (2, 3) and probability is not None and probability >= _MODEL_SAYS_MALIGNANT
    return 4 if is_raised else by_size


def _by_size(nodule: Nodule) -> int:
    size = nodule.diameter_mm
    if size < 6:
        return 1
    if nodule.composition is Composition.SOLID:
        return 2 if size < 10 else 3 if size < 18 else 4
    if nodule.composition is Composition.GROUND_GLASS:
        return 2 if size < 20 else 3
    return 2 if nodule.solid_mm < 6 else 3 if nodule.solid_mm < 10 else 4
