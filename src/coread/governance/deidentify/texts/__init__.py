"""Finds what names a person in texts: what the header itself says, and what looks like an identifier."""

from coread.governance.deidentify.texts.charsets import decoded, encoded, encodings_of
from coread.governance.deidentify.texts.known import Known, collect
from coread.governance.deidentify.texts.patterns import remove_patterns
from coread.governance.deidentify.texts.persons import only_allowed, remove_persons

__all__ = [
    "Known",
    "collect",
    "decoded",
    "encoded",
    "encodings_of",
    "only_allowed",
    "remove_patterns",
    "remove_persons",
]
