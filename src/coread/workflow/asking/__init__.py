"""Readings that a doctor asks for at one place of one image."""

from coread.workflow.asking.steps import answer, plan_asked, read_asked

__all__ = ["answer", "plan_asked", "read_asked"]
