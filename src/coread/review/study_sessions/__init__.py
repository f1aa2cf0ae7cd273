"""Studies of doctors in the reading room: which mode holds for which arm, and what was read."""

from coread.review.study_sessions.arms import Arm, rules_of
from coread.review.study_sessions.collecting import Copy, StudyReading, collect, write_readings

__all__ = ["Arm", "Copy", "StudyReading", "collect", "rules_of", "write_readings"]
