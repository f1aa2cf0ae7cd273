"""Exports on their way out: de-identified, held, looked at by an officer, then gone or thrown away."""

from coread.governance.exports.desk import ExportDesk
from coread.governance.exports.job import Box, Held, Job, State, StudyPart
from coread.governance.exports.making import Wish

__all__ = ["Box", "ExportDesk", "Held", "Job", "State", "StudyPart", "Wish"]
