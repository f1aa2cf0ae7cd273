"""Structured reports: Comprehensive 3D SR by TID 1500."""

from coread.results.sr.reading import write
from coread.results.sr.signed import write as write_signed

__all__ = ["write", "write_signed"]
