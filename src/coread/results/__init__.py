"""Writes a reading as the objects by which other systems receive it."""

from coread.results.edition import Kind, ResultObject
from coread.results.write import write

__all__ = ["Kind", "ResultObject", "write"]
