"""Pretrained trunks for grey and colour images, cut where you like, tuned as far as the labels allow."""

from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.exporting import export, halve
from coread.learning.backbone.fitting import Fit, Plan, Views
from coread.learning.backbone.probing import Probe, fit_probe
from coread.learning.backbone.trunk import BLOCKS, CHANNELS, HEAD, Early, Tail, Tuning, split

__all__ = [
    "BLOCKS",
    "CHANNELS",
    "HEAD",
    "Early",
    "Fit",
    "Plan",
    "Probe",
    "Store",
    "Tail",
    "Tuning",
    "Views",
    "computed",
    "export",
    "fit_probe",
    "halve",
    "split",
]
