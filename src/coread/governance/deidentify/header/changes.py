"""What was done to one attribute of one object, for the reviewer."""

from __future__ import annotations

from typing import NamedTuple

from pydicom.datadict import keyword_for_tag


class Change(NamedTuple):
    """One value before and after. Holds what names a person: for the reviewer inside the hospital only."""

    path: tuple[int, ...]
    """Tags from the outermost sequence down to the attribute."""
    action: str
    """Letter of PS3.15 Table E.1-1a, or a word for what stands beyond the table."""
    before: bytes
    """First bytes of the former value; empty for a sequence."""
    after: bytes | None
    """First bytes of the new value, None where the attribute was removed."""

    @property
    def name(self) -> str:
        """The attribute's keyword, or its tag where it has none."""
        return keyword_for_tag(self.path[-1]) or f"({self.path[-1] >> 16:04X},{self.path[-1] & 0xFFFF:04X})"
