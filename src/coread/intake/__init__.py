"""The way in: arriving bytes become filed instances."""

from coread.intake.intake import Intake
from coread.intake.limits import Limits

__all__ = ["Intake", "Limits"]
