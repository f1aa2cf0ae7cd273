"""Harmonisation: named steps from a source's pixels to a cohort's, recorded so that they can be replayed."""

from coread.learning.cohorts.harmonising.picture import Picture
from coread.learning.cohorts.harmonising.replaying import parse_steps, replay, replayed
from coread.learning.cohorts.harmonising.steps import STEPS, Step

__all__ = ["STEPS", "Picture", "Step", "parse_steps", "replay", "replayed"]
