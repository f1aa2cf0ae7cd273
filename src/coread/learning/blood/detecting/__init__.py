"""Finding cells: the trunk's first blocks as they came, the next and a neck tuned on disturbed fields."""

from coread.learning.blood.detecting.maps import targets
from coread.learning.blood.detecting.networks import TAPS, Detector, Finder, Neck, found, frozen_part, joined
from coread.learning.blood.detecting.training import Lessons, Plan, train

__all__ = [
    "TAPS",
    "Detector",
    "Finder",
    "Lessons",
    "Neck",
    "Plan",
    "found",
    "frozen_part",
    "joined",
    "targets",
    "train",
]
