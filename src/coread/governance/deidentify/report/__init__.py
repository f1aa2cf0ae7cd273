"""The reviewer's page: what was changed, what was left, pictures; it stays in the hospital."""

from coread.governance.deidentify.report.page import ReviewPage

__all__ = ["ReviewPage"]
