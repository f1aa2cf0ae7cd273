"""What stays a site's own after a federation: calibration and threshold, from its validation patients.

A common score does not mean a common prevalence, nor a common way of choosing who is radiographed. Each site
fits two numbers and one threshold; nothing of it leaves the site.
"""

from __future__ import annotations

from dataclasses import dataclass

from coread.evaluation.calibration import Logistic, fit_platt
from coread.evaluation.decisions import youden_threshold
from coread.learning.federated.tasks.cases import Judged

FEWEST = 8
"""Cases of each kind below which a site keeps the federation's calibration: two numbers fitted to fewer are
noise (ten events per number is the usual advice: Peduzzi et al., J Clin Epidemiol 1996,
doi:10.1016/S0895-4356(96)00236-3; the smoothed targets of Platt 1999 carry a little less)."""


@dataclass(frozen=True)
class Own:
    """A site's reading of the common score.

    Attributes
    ----------
    line
        From score to log-odds.
    threshold
        Calibrated probability from which a case is called positive (Youden).
    own
        Whether it is the site's own, not the federation's.
    """

    line: Logistic
    threshold: float
    own: bool


def site_calibration(said: Judged, common: Own) -> Own:
    """Calibrate on a site's validation cases, or keep the common calibration where they are too few.

    Parameters
    ----------
    said
        What the model says of them.
    common
        The federation's, e.g. from all sites that have enough.
    """
    sick = int((said.truth == 1).sum())
    if min(sick, len(said.truth) - sick) < FEWEST:
        return Own(common.line, common.threshold, own=False)
    return calibrated(said)


def calibrated(said: Judged) -> Own:
    """Fit line and threshold to cases; both classes must be there."""
    line = fit_platt(said.truth, said.score)
    return Own(line, youden_threshold(said.truth, line(said.score)), own=True)
