"""Lesions found and outlined: matching, free-response curves, overlap and distance in millimetres."""

from coread.evaluation.lesions.froc import CPM_RATES, Froc, cpm, cpm_interval, froc, sensitivity_at
from coread.evaluation.lesions.matching import Candidates, box_iou, found_by_boxes, found_by_distance, pooled
from coread.evaluation.lesions.outlines import dice, hausdorff95_mm, mean_surface_distance_mm, surface_dice

__all__ = [
    "CPM_RATES",
    "Candidates",
    "Froc",
    "box_iou",
    "cpm",
    "cpm_interval",
    "dice",
    "found_by_boxes",
    "found_by_distance",
    "froc",
    "hausdorff95_mm",
    "mean_surface_distance_mm",
    "pooled",
    "sensitivity_at",
    "surface_dice",
]
