"""The header of one object, attribute by attribute."""

from coread.governance.deidentify.header.changes import Change
from coread.governance.deidentify.header.cleaning import HeaderCleaner
from coread.governance.deidentify.header.plan import Plan, plan_for

__all__ = ["Change", "HeaderCleaner", "Plan", "plan_for"]
