"""What stands in the place of what was taken: pseudonyms, moved dates, dummies."""

from coread.governance.deidentify.replacing.dates import shift_date, shift_datetime
from coread.governance.deidentify.replacing.dummies import dummy_of
from coread.governance.deidentify.replacing.pseudonyms import Pseudonyms

__all__ = ["Pseudonyms", "dummy_of", "shift_date", "shift_datetime"]
