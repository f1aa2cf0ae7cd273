"""The report of a reader: one HTML file for doctor and regulator, in English and Chinese, without scripts."""

from coread.learning.runs.report.page import Material, gather, report_html

__all__ = ["Material", "gather", "report_html"]
