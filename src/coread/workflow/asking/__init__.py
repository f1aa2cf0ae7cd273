"""Readings that are asked for at one place, by a doctor or by a mark that came with the study."""

from coread.workflow.asking.sent import ask_sent, is_only_asked
from coread.workflow.asking.steps import answer, plan_asked, read_asked

__all__ = ["answer", "ask_sent", "is_only_asked", "plan_asked", "read_asked"]
