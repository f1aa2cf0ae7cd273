"""The way in: arriving bytes become filed instances."""

from coread.intake.importing import ImportSummary, Problem, import_path
from coread.intake.intake import Intake
from coread.intake.limits import Limits

__all__ = ["ImportSummary", "Intake", "Limits", "Problem", "import_path"]
