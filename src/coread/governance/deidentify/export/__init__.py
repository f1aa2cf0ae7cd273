"""Whole folders: de-identified, written under new names, reported."""

from coread.governance.deidentify.export.folder import FileOutcome, deidentify_folder, deidentify_objects
from coread.governance.deidentify.export.summary import Summary

__all__ = ["FileOutcome", "Summary", "deidentify_folder", "deidentify_objects"]
