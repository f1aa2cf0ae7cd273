"""For the reviewer: what was changed, what was left, pictures; it stays in the hospital."""

from coread.governance.deidentify.report.leftovers import Leftovers, leftovers
from coread.governance.deidentify.report.page import ReviewPage

__all__ = ["Leftovers", "ReviewPage", "leftovers"]
