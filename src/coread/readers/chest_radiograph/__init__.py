"""The reader of frontal chest radiographs that ships with CoRead."""

from coread.readers.chest_radiograph.reader import ChestRadiograph, reader, reader_of

__all__ = ["ChestRadiograph", "reader", "reader_of"]
