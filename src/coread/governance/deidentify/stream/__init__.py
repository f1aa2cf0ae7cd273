"""The bytes of a data set as a tree of elements, and back again without loss."""

from coread.governance.deidentify.stream.elements import Element, Encoding, Item, encoding_of, vr_of
from coread.governance.deidentify.stream.reading import read_elements
from coread.governance.deidentify.stream.writing import write_elements

__all__ = ["Element", "Encoding", "Item", "encoding_of", "read_elements", "vr_of", "write_elements"]
