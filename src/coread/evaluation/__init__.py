"""Pure statistics: how good, sure, fair and robust a reader is, and whether it can explain itself."""

from coread.evaluation.bootstrap import auc_interval, patient_weights, percentile_interval, statistic_interval
from coread.evaluation.calibration import (
    Logistic,
    brier,
    calibration_in_the_large,
    calibration_line,
    calibration_report,
    expected_calibration_error,
    fit_platt,
    fit_temperature,
    logit,
    reliability,
    sigmoid,
)
from coread.evaluation.decisions import Operating, operating, wilson_interval, youden_threshold
from coread.evaluation.discrimination import Comparison, delong_compare, delong_interval, roc_auc
from coread.evaluation.samples import Interval
from coread.evaluation.subgroups import MIN_CASES, Cases, Subgroup, subgroups

__all__ = [
    "MIN_CASES",
    "Cases",
    "Comparison",
    "Interval",
    "Logistic",
    "Operating",
    "Subgroup",
    "auc_interval",
    "brier",
    "calibration_in_the_large",
    "calibration_line",
    "calibration_report",
    "delong_compare",
    "delong_interval",
    "expected_calibration_error",
    "fit_platt",
    "fit_temperature",
    "logit",
    "operating",
    "patient_weights",
    "percentile_interval",
    "reliability",
    "roc_auc",
    "sigmoid",
    "statistic_interval",
    "subgroups",
    "wilson_interval",
    "youden_threshold",
]
