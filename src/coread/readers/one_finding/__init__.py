"""A reader of one finding on one kind of image: what `coread-lab new-reader` makes runs on this."""

from coread.readers.one_finding.reader import OneFinding, reader_of

__all__ = ["OneFinding", "reader_of"]
