"""Where a reader breaks: disturbed images, other sites, and the cases that it got wrong."""

from coread.evaluation.robustness.disturbances import DISTURBANCES, Disturbance
from coread.evaluation.robustness.failures import Failure, failures
from coread.evaluation.robustness.shift import Gap, gap
from coread.evaluation.robustness.sweep import Strain, sweep

__all__ = ["DISTURBANCES", "Disturbance", "Failure", "Gap", "Strain", "failures", "gap", "sweep"]
