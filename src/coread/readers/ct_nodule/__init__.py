"""The CT nodule reader: a point or a box on a CT slice becomes outline, sizes, traits and malignancy."""

from coread.readers.ct_nodule.reader import CtNodule, reader, reader_of

__all__ = ["CtNodule", "reader", "reader_of"]
