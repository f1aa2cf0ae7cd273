"""The reader of frontal chest radiographs that ships with CoRead."""

from coread.readers.chest_radiograph.chest_reader import ChestReader, open_chest_reader, reader

__all__ = ["ChestReader", "open_chest_reader", "reader"]
