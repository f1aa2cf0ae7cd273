"""What a reader does not know: conformal sets, novelty, selective risk, thresholds of a new version."""

from coread.evaluation.certainty.conformal import (
    Conformal,
    Coverage,
    Promise,
    coverage,
    cross_folds,
    fit_conformal,
    nonconformity,
    weighted_quantile,
)
from coread.evaluation.certainty.novelty import Gaussians, Neighbours, fit_gaussians, fit_neighbours
from coread.evaluation.certainty.selective import SelectiveRisk, selective_risk
from coread.evaluation.certainty.site_threshold import SiteThreshold, cases_for_half_width, follow_version

__all__ = [
    "Conformal",
    "Coverage",
    "Gaussians",
    "Neighbours",
    "Promise",
    "SelectiveRisk",
    "SiteThreshold",
    "cases_for_half_width",
    "coverage",
    "cross_folds",
    "fit_conformal",
    "fit_gaussians",
    "fit_neighbours",
    "follow_version",
    "nonconformity",
    "selective_risk",
    "weighted_quantile",
]
